// Package sim is a whole network in one process: the real relays, entry and
// stations with real vaults, on in-memory links and a virtual clock, from a seed.
//
// A Sim is told who shall know whom and what is sent, plays faults, and checks in
// every run what the protocol promises to everybody: each accepted message
// arrives exactly once and in order, none is lost, nothing is revealed while an
// acknowledgement is missing, and no key meets an IV twice.
//
// The same seed gives the same schedule, faults, sizes and deliveries; key
// material comes from the system and differs.
package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/link/linktest"
	"backchannel/internal/mark"
	"backchannel/internal/pairwise"
	"backchannel/internal/relay"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Config describes a simulated network.
type Config struct {
	Seed     uint64
	Params   wire.Params // T0 may be zero
	Stations int
	Dir      string    // for the vaults; must exist
	Log      io.Writer // nil: no logs
}

// Sim is a running simulation. It is for one goroutine.
type Sim struct {
	Net      *linktest.Net
	Params   wire.Params
	Relays   []*RelayHost
	Stations []*StationHost
	Checks   *Checks

	cfg    Config
	net    wire.Hash
	verify []suite.VerifyKey
	entry  *entry.Node
	log    *slog.Logger
	ids    uint64
	sent   map[[2]int][]Message
}

// RelayHost is a relay and what survives its restarts.
type RelayHost struct {
	Name string
	Node *relay.Node
	sign suite.SigningKey
	mark mark.Memory
	skew time.Duration
}

// StationHost is a station and what survives its restarts.
type StationHost struct {
	Name    string
	Node    *station.Node
	account suite.AccountKey
	mark    mark.Memory
	path    string
	copies  int // of it: restored vaults
	vault   *vault.Vault
	skew    time.Duration
	log     io.Writer

	rooms  bool             // somebody looks at its rooms
	desk   *station.Station // while it runs with an open vault, if rooms
	nudged atomic.Bool      // its tables want to be looked at
}

// Message is a signal or letter that a station accepted.
type Message struct {
	ID   wire.ItemID
	Kind contact.Kind
	Data []byte

	gap bool // only a station that was restored from an older backup had it
}

const passphrase = "simulated"

// vaultOptions: the simulated machine never loses power, only its processes die,
// and nobody tries passphrases. Items are dated by the virtual clock.
func (s *Sim) vaultOptions() vault.Options {
	return vault.Options{SyncOff: true, KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}, Now: s.Net.Now}
}

// Entry is the entry's name in the network.
const Entry = "entry"

// New makes a network and starts everything at T0 minus a second.
func New(cfg Config) (*Sim, error) {
	p := cfg.Params
	if p.T0.IsZero() {
		p.T0 = time.UnixMilli(1_800_000_000_000).UTC()
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("simulating: %w", err)
	}
	s := &Sim{
		Params: p, cfg: cfg, net: suite.Hash(suite.LabelNetwork, []byte("simulated")),
		log: slog.New(slog.DiscardHandler), sent: map[[2]int][]Message{},
	}
	if cfg.Log != nil {
		s.log = slog.New(slog.NewTextHandler(cfg.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.Net = linktest.New(cfg.Seed, p.T0.Add(-time.Second))
	for i := range p.Relays {
		h := &RelayHost{Name: fmt.Sprintf("relay-%d", i+1), sign: suite.NewSigningKey(suite.RandomKey())}
		s.Relays = append(s.Relays, h)
		s.verify = append(s.verify, h.sign.Public())
	}
	s.Checks = newChecks(s)
	s.Net.Trace = s.Checks.see
	for i := range s.Relays {
		s.StartRelay(i)
	}
	s.StartEntry()
	for i := range cfg.Stations {
		h := &StationHost{Name: fmt.Sprintf("station-%d", i), account: suite.NewAccountKey(suite.RandomKey())}
		s.Stations = append(s.Stations, h)
		if err := s.StartStation(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close closes the vaults.
func (s *Sim) Close() {
	for _, h := range s.Stations {
		h.closeVault()
	}
}

func (h *StationHost) closeVault() {
	h.desk = nil
	if h.vault != nil {
		_ = h.vault.Close() // a process that dies does not look at it either
		h.vault = nil
	}
}

// StartRelay starts relay i, for the first time or after a crash: its keys and its
// mark are still there, its circuits are not.
func (s *Sim) StartRelay(i int) {
	h := s.Relays[i]
	h.Node = relay.New(relay.Config{
		Params: s.Params, Net: s.net, Index: i, Sign: h.sign, Verify: s.verify, Mark: &h.mark, Log: s.log, Workers: 2,
	})
	s.Net.Add(h.Name, h.Node, linktest.Options{Identity: link.Peer{Role: link.RoleRelay, Index: i}, Skew: h.skew})
}

// StartEntry starts the entry, for the first time or after a crash.
func (s *Sim) StartEntry() {
	s.entry = entry.New(entry.Config{Params: s.Params, Net: s.net, Verify: s.verify, Log: s.log})
	s.Net.Add(Entry, s.entry, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}})
}

// StartStation starts station i, for the first time or after a crash. It has no
// vault until it first needs one.
func (s *Sim) StartStation(i int) error {
	h := s.Stations[i]
	log := s.log
	if h.log != nil {
		log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	h.Node = station.NewNode(station.NodeConfig{
		Params: s.Params, Net: s.net, Verify: s.verify, Mark: &h.mark, Log: log, Account: h.account.Public(),
		Table: func() { h.nudged.Store(true) },
	})
	if h.path != "" {
		if err := h.open(s.Params.Lanes, s.vaultOptions()); err != nil {
			return err
		}
	}
	s.Net.Add(h.Name, h.Node, linktest.Options{Identity: link.Peer{Role: link.RoleStation, Account: h.account.Public()}, Skew: h.skew})
	if h.rooms && h.vault != nil {
		s.sit(h)
	}
	return nil
}

// open unlocks a station that is not running yet.
func (h *StationHost) open(lanes int, opt vault.Options) (err error) {
	if h.vault, err = vault.OpenWith(h.path, []byte(passphrase), opt); err != nil {
		return err
	}
	table, all, damaged, err := station.LoadVault(h.vault, lanes)
	if err != nil {
		return err
	}
	if damaged > 0 {
		return fmt.Errorf("%s cannot read the keys of %d contacts", h.Name, damaged)
	}
	h.Node.Unlock(h.vault, table, all)
	return nil
}

// needVault gives a running station a vault of its own.
func (s *Sim) needVault(i int) error {
	h := s.Stations[i]
	if h.vault != nil {
		return nil
	}
	h.path = filepath.Join(s.cfg.Dir, h.Name+".db")
	v, err := vault.CreateWith(h.path, []byte(passphrase), s.vaultOptions())
	if err != nil {
		return err
	}
	h.vault = v
	s.Net.Do(h.Name, func(time.Time) { h.Node.Unlock(v, contact.NewLanes(s.Params.Lanes), nil) })
	return nil
}

// SetSkew sets a station's clock; it holds from its next start.
func (s *Sim) SetSkew(i int, d time.Duration) { s.Stations[i].skew = d }

// SetRelaySkew sets a relay's clock; it holds from its next start.
func (s *Sim) SetRelaySkew(i int, d time.Duration) { s.Relays[i].skew = d }

// CrashStation ends station i at once; what its vault has committed stays.
func (s *Sim) CrashStation(i int) {
	s.Net.Crash(s.Stations[i].Name)
	s.Stations[i].closeVault()
}

// contactID names the contact j of a station: the simulation's choice.
func contactID(j int) (id contact.ID) {
	id[0], id[1], id[15] = byte(j>>8), byte(j), 1
	return id
}

// Introduce gives i an invitation for j and lets j accept it: what two people
// would do by hand.
func (s *Sim) Introduce(i, j int) error {
	sigma := suite.RandomKey()
	epoch, _ := s.Params.EpochAt(s.Net.Now())
	if err := s.meet(i, j, pairwise.Inviter, sigma, epoch); err != nil {
		return err
	}
	return s.meet(j, i, pairwise.Invitee, sigma, epoch)
}

// Meet adds one side of an acquaintance, for tests of odd ones.
func (s *Sim) Meet(i, other int, role pairwise.Role, sigma [32]byte) error {
	epoch, _ := s.Params.EpochAt(s.Net.Now())
	return s.meet(i, other, role, sigma, epoch)
}

func (s *Sim) meet(i, other int, role pairwise.Role, sigma [32]byte, epoch uint64) error {
	if err := s.needVault(i); err != nil {
		return err
	}
	h := s.Stations[i]
	c := contact.Contact{ID: contactID(other), Name: s.Stations[other].Name, Role: role, Created: s.Net.Now()}
	session := pairwise.NewSession(role, sigma, epoch)
	lanes, err := h.Node.Lanes().Assign(c.ID, epoch)
	if err != nil {
		return err
	}
	delta, token := session.Take()
	if err := h.vault.Update(func(tx *vault.Tx) error {
		if err := tx.PutContact(c); err != nil {
			return err
		}
		if err := tx.PutLanes(lanes); err != nil {
			return err
		}
		return tx.SaveSession(c.ID, delta)
	}); err != nil {
		return err
	}
	session.Saved(token)
	s.Net.Do(h.Name, func(time.Time) {
		h.Node.SetLanes(lanes)
		h.Node.Add(station.Loaded{Contact: c, Session: session})
	})
	return nil
}

// Send has station i accept a message for j: from here on it must arrive exactly
// once and in order. A station that is down accepts nothing.
func (s *Sim) Send(i, j int, kind contact.Kind, data []byte) error {
	h := s.Stations[i]
	if h.vault == nil {
		return fmt.Errorf("sending from %s: it has no open vault", h.Name)
	}
	s.ids++
	m := Message{Kind: kind, Data: data}
	m.ID = wire.ItemID{byte(s.ids >> 24), byte(s.ids >> 16), byte(s.ids >> 8), byte(s.ids), byte(i), byte(j), 0xAA}
	header, err := contact.NewHeader(kind, "", "", "", time.Time{}, data)
	if err != nil {
		return err
	}
	var it vault.Item
	if err := h.vault.Update(func(tx *vault.Tx) (err error) {
		it, err = tx.AddOutgoing(contactID(j), m.ID, header, bytes.NewReader(data))
		return err
	}); err != nil {
		return err
	}
	s.Net.Do(h.Name, func(time.Time) {
		h.Node.Queue(contactID(j), station.Outgoing{ID: m.ID, Class: it.Class, Size: it.Size})
	})
	s.sent[[2]int{i, j}] = append(s.sent[[2]int{i, j}], m)
	return nil
}

// Undelivered counts accepted messages that have not arrived as a whole.
func (s *Sim) Undelivered() (n int, err error) {
	for pair, sent := range s.sent {
		got, err := s.arrived(pair[1], pair[0])
		if err != nil {
			return 0, err
		}
		for _, m := range sent {
			if !m.gap && !contains(got, m.ID) {
				n++
			}
		}
	}
	return n, nil
}

// Unacknowledged counts the messages of station i of which it does not know yet
// that they were delivered.
func (s *Sim) Unacknowledged(i int) (n int, err error) {
	err = s.Stations[i].vault.View(func(tx *vault.Tx) error {
		items, err := tx.Items(vault.Filter{Undelivered: true})
		n = len(items)
		return err
	})
	return n, err
}

// arrived lists what station j has whole from i, in order of completion.
func (s *Sim) arrived(j, i int) (out []Message, err error) {
	h := s.Stations[j]
	if h.vault == nil {
		return nil, nil // it is down: what it has is counted once it is up
	}
	err = h.vault.View(func(tx *vault.Tx) error {
		items, err := tx.Items(vault.Filter{Contact: contactID(i), Incoming: true})
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.Damaged {
				return fmt.Errorf("an item of %s arrived damaged at %s", s.Stations[i].Name, h.Name)
			}
			if it.State() != vault.StateArrived {
				continue
			}
			r, err := tx.ReadContent(it.ID)
			if err != nil {
				return err
			}
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			out = append(out, Message{ID: it.ID, Kind: it.Header.Kind, Data: data})
		}
		return nil
	})
	return out, err
}

// Check compares what arrived with what was accepted: every item that is there
// was sent, whole and unchanged, stands there once, and the items of one class are
// in the order in which they were accepted, without gaps. With all set, all of
// them must be there. It includes what the witness of the links saw.
func (s *Sim) Check(all bool) error {
	errs := []error{s.Checks.Err()}
	for pair, sent := range s.sent {
		who := fmt.Sprintf("%s to %s", s.Stations[pair[0]].Name, s.Stations[pair[1]].Name)
		if s.Stations[pair[1]].vault == nil && !all {
			continue
		}
		got, err := s.arrived(pair[1], pair[0])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", who, err))
			continue
		}
		for _, kind := range []contact.Kind{contact.Signal, contact.Letter} {
			of := func(all []Message) (out []Message) {
				for _, m := range all {
					if m.Kind == kind {
						out = append(out, m)
					}
				}
				return out
			}
			have := of(got)
			want := slices.DeleteFunc(of(sent), func(m Message) bool { return m.gap && !contains(have, m.ID) })
			for k, m := range have {
				switch {
				case k >= len(want) || m.ID != want[k].ID:
					errs = append(errs, fmt.Errorf("%s: %v number %d is not the one that was sent as that", who, kind, k))
				case !bytes.Equal(m.Data, want[k].Data):
					errs = append(errs, fmt.Errorf("%s: %v number %d arrived changed", who, kind, k))
				}
			}
			if all && len(have) < len(want) {
				errs = append(errs, fmt.Errorf("%s: %d of %d arrived of kind %v", who, len(have), len(want), kind))
			}
		}
	}
	return errors.Join(errs...)
}

// Phase tells how far i is with j.
func (s *Sim) Phase(i, j int) pairwise.Phase { return s.Stations[i].Node.PhaseOf(contactID(j)) }

// Version is which version of its keys with j station i has come to.
func (s *Sim) Version(i, j int) uint32 { return s.Stations[i].Node.VersionOf(contactID(j)) }

// Together tells whether i's running circuits carry cells to j.
func (s *Sim) Together(i, j int) bool { return s.Stations[i].Node.TogetherWith(contactID(j)) }

// Run lets virtual time pass.
func (s *Sim) Run(d time.Duration) {
	end := s.Net.Now().Add(d)
	for s.desks() && s.Net.Now().Before(end) {
		s.attend()
		next := s.Net.Now().Add(s.Params.Round / deskTurns)
		if next.After(end) {
			next = end
		}
		s.Net.Run(next)
	}
	s.Net.Run(end)
}

// RunUntil lets time pass until cond holds, looking once a round, or for at most
// limit; it reports whether cond held.
func (s *Sim) RunUntil(limit time.Duration, cond func() bool) bool {
	end := s.Net.Now().Add(limit)
	for !cond() {
		if !s.Net.Now().Before(end) {
			return false
		}
		s.Run(s.Params.Round)
	}
	return true
}

// Rounds returns how long so many rounds take, and Epochs so many epochs.
func (s *Sim) Rounds(n int) time.Duration { return time.Duration(n) * s.Params.Round }

// Epochs returns how long so many epochs take.
func (s *Sim) Epochs(n int) time.Duration { return time.Duration(n) * s.Params.Epoch }
