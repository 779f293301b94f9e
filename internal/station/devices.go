package station

import (
	"context"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/vault"
)

// Paired devices may ask for the pages from elsewhere. A pairing link is used
// once and soon; what it gives is a secret that stays in the device and whose hash
// stays in the vault. The hashes are also in memory, so that a device still
// reaches the passphrase field of a station whose vault is closed.

const (
	devicesKey = "page/devices"
	optionsKey = "page/options"

	// PairingTime is how long a pairing link holds.
	PairingTime = 10 * time.Minute
	maxPairings = 8
	maxDevices  = 32
)

// Device is one that was paired.
type Device struct {
	ID     string    `json:"id" doc:"16 hexadecimal digits"`
	Name   string    `json:"name" doc:"as it was paired"`
	Paired time.Time `json:"paired" doc:"when"`
}

// keptDevice is a device with the hash of its secret.
type keptDevice struct {
	Device
	Hash string `json:"hash"`
}

// Pairing is a one-time link for a device.
type Pairing struct {
	Link        string    `json:"link" doc:"to open on the device: whoever has it first is paired"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the certificate that the device will be shown"`
	Expires     time.Time `json:"expires" doc:"ten minutes after it was made"`
}

// PageOptions are what the principal chose on the settings page.
type PageOptions struct {
	Name         string `json:"name" doc:"of this station, on its own pages only"`
	LockMinutes  int    `json:"lock_minutes" doc:"idle minutes until the pages lock; 0 never"`
	CloseMinutes int    `json:"close_minutes" doc:"idle minutes until the vault closes; 0 never"`
	Notify       bool   `json:"notify" doc:"let the browser show a content-free notification when something arrives"`
	Expiry       int64  `json:"new_expiry_seconds" required:"false" doc:"the self-expiry that a new contact begins with; 0 never"`
}

// DefaultPageOptions hold until the principal chooses.
var DefaultPageOptions = PageOptions{LockMinutes: 15}

// Endpoint is where browsers find the pages; an empty address is none.
type Endpoint struct {
	Local       string `json:"local" doc:"address on this machine"`
	Remote      string `json:"remote" doc:"address for paired devices"`
	Fingerprint string `json:"fingerprint" doc:"SHA-256 of the certificate that paired devices see"`
}

type pageState struct {
	mu       sync.Mutex
	options  PageOptions
	devices  []keptDevice
	pairings map[string]time.Time // by hash, until when
	endpoint Endpoint
	loaded   bool   // options are those of a vault
	openings uint64 // how often a vault was opened
}

// load reads what the vault holds for the pages.
func (p *pageState) load(v *vault.Vault) error {
	options, devices := DefaultPageOptions, []keptDevice(nil)
	if err := v.View(func(tx *vault.Tx) error {
		return errors.Join(readSetting(tx, optionsKey, &options), readSetting(tx, devicesKey, &devices))
	}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.options, p.devices, p.loaded = options, devices, true
	p.openings++
	return nil
}

// forget erases what was of a vault that is no more: nobody comes in by a device or
// a link of before.
func (p *pageState) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.options, p.devices, p.pairings, p.loaded = PageOptions{}, nil, nil, false
}

// Opening counts how often a vault was opened: what began with one opening ends
// with it.
func (s *Station) Opening() uint64 {
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	return s.pages.openings
}

func readSetting(tx *vault.Tx, key string, into any) error {
	b, err := tx.Setting(key)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("reading the setting %s: %w", key, err)
	}
	return nil
}

func (s *Station) putSetting(key string, value any) error {
	v, err := s.open()
	if err != nil {
		return err
	}
	b, err := json.Marshal(value)
	if err != nil {
		return s.trouble("keeping the setting", err)
	}
	return s.trouble("keeping the setting", v.Update(func(tx *vault.Tx) error { return tx.PutSetting(key, b) }))
}

// PageOptions returns what was chosen; the defaults before the vault was opened.
func (s *Station) PageOptions() PageOptions {
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	if !s.pages.loaded {
		return DefaultPageOptions
	}
	return s.pages.options
}

// SetPageOptions keeps what was chosen.
func (s *Station) SetPageOptions(_ context.Context, o PageOptions) error {
	const day = 24 * 60
	o.Name = strings.TrimSpace(o.Name)
	if o.LockMinutes < 0 || o.LockMinutes > day || o.CloseMinutes < 0 || o.CloseMinutes > 30*day {
		return fault(CodeInvalid, "choosing time-outs: the pages lock within a day and the vault closes within 30 days, or never")
	}
	if err := checkExpiry(time.Duration(min(max(o.Expiry, -1), int64(maxExpiry/time.Second)+1)) * time.Second); err != nil {
		return err
	}
	if len(o.Name) > 60 || strings.ContainsFunc(o.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault(CodeInvalid, "naming the station: the name is at most 60 bytes on one line")
	}
	if err := s.putSetting(optionsKey, o); err != nil {
		return err
	}
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	s.pages.options = o
	return nil
}

// SetEndpoint says where browsers find the pages.
func (s *Station) SetEndpoint(e Endpoint) {
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	s.pages.endpoint = e
}

// Endpoint returns what SetEndpoint said.
func (s *Station) Endpoint() Endpoint {
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	return s.pages.endpoint
}

// NewPairing makes a link that pairs one device, once, within PairingTime.
func (s *Station) NewPairing(context.Context) (Pairing, error) {
	if _, err := s.open(); err != nil {
		return Pairing{}, err
	}
	token := secret()
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	p := &s.pages
	if p.endpoint.Remote == "" {
		return Pairing{}, fault(CodeConflict, "pairing a device: this station serves no other device: set remote = \"host:port\" in its configuration and start it again")
	}
	now := time.Now()
	for h, until := range p.pairings {
		if !now.Before(until) {
			delete(p.pairings, h)
		}
	}
	if len(p.pairings) >= maxPairings {
		return Pairing{}, fault(CodeConflict, "pairing a device: too many links are open: wait ten minutes")
	}
	if p.pairings == nil {
		p.pairings = map[string]time.Time{}
	}
	until := now.Add(PairingTime)
	p.pairings[hashOf(token)] = until
	return Pairing{p.endpoint.Remote + "/pair/" + token, p.endpoint.Fingerprint, until}, nil
}

// Pair uses up a pairing token and returns the new device's secret.
func (s *Station) Pair(_ context.Context, token, name string) (string, error) {
	p := &s.pages
	h := hashOf(token)
	p.mu.Lock()
	until, ok := p.pairings[h]
	delete(p.pairings, h)
	devices := slices.Clone(p.devices)
	p.mu.Unlock()
	if !ok || !time.Now().Before(until) {
		return "", fault(CodeDenied, "pairing a device: the link was used, or its ten minutes are over: make another")
	}
	if len(devices) >= maxDevices {
		return "", fault(CodeConflict, "pairing a device: there are %d already: revoke one", len(devices))
	}
	if name = strings.TrimSpace(name); name == "" || len(name) > 60 {
		name = "device"
	}
	value := secret()
	id := suite.RandomKey()
	devices = append(devices, keptDevice{Device{hex.EncodeToString(id[:8]), name, time.Now().UTC().Truncate(time.Second)}, hashOf(value)})
	return value, s.keepDevices(devices)
}

func (s *Station) keepDevices(devices []keptDevice) error {
	if err := s.putSetting(devicesKey, devices); err != nil {
		return err
	}
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	s.pages.devices = devices
	return nil
}

// Devices lists the paired devices.
func (s *Station) Devices(context.Context) ([]Device, error) {
	if _, err := s.open(); err != nil {
		return nil, err
	}
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	out := make([]Device, 0, len(s.pages.devices))
	for _, d := range s.pages.devices {
		out = append(out, d.Device)
	}
	return out, nil
}

// RevokeDevice forgets a device; its secret is worth nothing from now on.
func (s *Station) RevokeDevice(_ context.Context, id string) error {
	s.pages.mu.Lock()
	rest := slices.Clone(s.pages.devices)
	s.pages.mu.Unlock()
	before := len(rest)
	if rest = slices.DeleteFunc(rest, func(d keptDevice) bool { return d.ID == id }); len(rest) == before {
		return fault(CodeNotFound, "revoking a device: there is none of that number")
	}
	return s.keepDevices(rest)
}

// KnownDevice returns the identifier of the device that has a secret, or "".
func (s *Station) KnownDevice(value string) string {
	if value == "" {
		return ""
	}
	h := hashOf(value)
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	for _, d := range s.pages.devices {
		if suite.Equal([]byte(d.Hash), []byte(h)) {
			return d.ID
		}
	}
	return ""
}

// Paired tells whether a device of that identifier is paired.
func (s *Station) Paired(id string) bool {
	s.pages.mu.Lock()
	defer s.pages.mu.Unlock()
	return slices.ContainsFunc(s.pages.devices, func(d keptDevice) bool { return d.ID == id })
}

// secret is 256 random bits as text.
func secret() string {
	k := suite.RandomKey()
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(k[:]))
}

func hashOf(value string) string {
	h := suite.Digest([]byte(value))
	return hex.EncodeToString(h[:])
}
