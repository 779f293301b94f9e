package station

import (
	"context"
	"encoding/hex"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Unlocked tells whether the vault is open.
func (s *Station) Unlocked() bool {
	_, err := s.open()
	return err == nil
}

// CheckPassphrase tells whether a passphrase is the vault's. It opens nothing.
func (s *Station) CheckPassphrase(_ context.Context, passphrase []byte) error {
	return s.trouble("signing in", vault.CheckPassphrase(s.cfg.Vault, passphrase))
}

// ChangePassphrase seals the vault's key under another passphrase.
func (s *Station) ChangePassphrase(_ context.Context, old, fresh []byte) error {
	v, err := s.open()
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		return fault(CodeInvalid, "changing the passphrase: an empty one protects nothing")
	}
	return s.trouble("changing the passphrase", v.ChangePassphrase(old, fresh))
}

// Stretching are the parameters by which the passphrase is made expensive to try.
type Stretching struct {
	Passes  uint32 `json:"passes"`
	MiB     uint32 `json:"mib"`
	Threads uint8  `json:"threads"`
}

// Stretching returns the parameters of Argon2id of this station's vault.
func (s *Station) Stretching() (Stretching, error) {
	k, err := vault.ReadKDF(s.cfg.Vault)
	if err != nil {
		return Stretching{}, s.trouble("reading the parameters", err)
	}
	return Stretching{k.Time, k.Memory >> 10, k.Threads}, nil
}

// Config returns the configuration that the station runs with.
func (s *Station) Config() Config { return s.cfg }

// NetworkInfo describes a network file for people.
type NetworkInfo struct {
	Name      string       `json:"name"`
	Net       string       `json:"net" doc:"hash of the file, hexadecimal"`
	Words     []string     `json:"words" doc:"twelve words: the first 132 bits of the hash"`
	Relays    []RelayPlace `json:"relays"`
	Entry     []string     `json:"entry"`
	Lanes     int          `json:"lanes"`
	Cell      int          `json:"cell" doc:"bytes"`
	Round     float64      `json:"round_seconds"`
	Epoch     float64      `json:"epoch_seconds"`
	EpochCap  float64      `json:"epoch_cap_seconds"`
	Attempts  int          `json:"attempts" doc:"set-ups that fit an epoch"`
	PerSecond float64      `json:"bytes_per_second" doc:"of content in one conversation and direction"`
}

// Rate is PerSecond in whole bytes.
func (n NetworkInfo) Rate() int64 { return int64(n.PerSecond) }

// RelayPlace is a relay, who runs it and where.
type RelayPlace struct {
	Name     string `json:"name"`
	Operator string `json:"operator"`
	Address  string `json:"address"`
}

// ReadNetwork reads a network file and checks that every relay signed it.
func ReadNetwork(file []byte) (NetworkInfo, error) {
	nw, err := wire.ParseNetwork(file)
	if err == nil {
		err = nw.Verify()
	}
	if err != nil {
		return NetworkInfo{}, &Error{CodeInvalid, "reading the network file", err}
	}
	return describe(nw), nil
}

// Network describes the station's network.
func (s *Station) Network() NetworkInfo { return describe(s.nw) }

func describe(nw *wire.Network) NetworkInfo {
	net, p := nw.Net(), nw.Params
	out := NetworkInfo{
		Name: nw.Name, Net: hex.EncodeToString(net[:]), Words: NetworkWords(net), Entry: nw.Entry.Addresses,
		Lanes: p.Lanes, Cell: p.Cell, Round: p.Round.Seconds(), Epoch: p.Epoch.Seconds(), EpochCap: p.EpochCap.Seconds(),
		Attempts: p.Attempts(), PerSecond: float64(2*p.MaxPayload()) / p.Round.Seconds(),
	}
	for _, r := range nw.Relays {
		out.Relays = append(out.Relays, RelayPlace{r.Name, r.Operator, r.Address})
	}
	return out
}

// NetworkWords spells the first 132 bits of a network's hash in twelve words,
// eleven bits each: enough to compare by voice, for another file would have to be
// found that has this very hash.
func NetworkWords(net wire.Hash) []string {
	words := make([]string, 12)
	for i := range words {
		words[i] = contact.Word(bitsAt(net[:], i))
	}
	return words
}

// bitsAt returns the i-th eleven bits of b.
func bitsAt(b []byte, i int) (index uint16) {
	for n := 11 * i; n < 11*(i+1); n++ {
		index = index<<1 | uint16(b[n/8]>>(7-n%8)&1)
	}
	return index
}

// SuggestPassphrase returns seven random words of 2,048: 77 bits.
func SuggestPassphrase() []string {
	k := suite.RandomKey()
	words := make([]string, 7)
	for i := range words {
		words[i] = contact.Word(bitsAt(k[:], i))
	}
	return words
}
