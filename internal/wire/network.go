package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"backchannel/internal/suite"
)

// Network is a network file: who the relays and the entry are, the parameters,
// and every relay's signature. Stations pin Net().
//
// The file is TOML so that people can review it; comments, order and spelling of
// values are free. What is hashed and signed is Canonical(), the parsed values.
type Network struct {
	Name       string // for people; 1 to MaxNameLen bytes
	Params     Params
	Entry      Entry
	Relays     []RelayRecord // in chain order; len = Params.Relays
	Signatures [][]byte      // by relay; nil where a relay has not signed
}

// networkText is the file. Durations and times are strings with a unit.
type networkText struct {
	Name       string         `toml:"name"`
	Parameters parametersText `toml:"parameters"`
	Windows    windowsText    `toml:"windows"`
	Entry      entryText      `toml:"entry"`
	Relay      []relayText    `toml:"relay"`
}

type parametersText struct {
	Suite          *int64 `toml:"suite"`
	Relays         *int64 `toml:"relays"`
	Lanes          *int64 `toml:"lanes"`
	Cell           *int64 `toml:"cell"`
	Round          string `toml:"round"`
	Epoch          string `toml:"epoch"`
	T0             string `toml:"t0"`
	ClockTolerance string `toml:"clock_tolerance"`
	EpochCap       string `toml:"epoch_cap"`
}

type windowsText struct {
	Keys     string `toml:"keys"`
	Join     string `toml:"join"`
	Roster   string `toml:"roster"`
	Onions   string `toml:"onions"`
	Receipts string `toml:"receipts"`
	Ack      string `toml:"ack"`
	Reveal   string `toml:"reveal"`
}

type entryText struct {
	Addresses []string `toml:"addresses"`
	TLS       string   `toml:"tls"`
}

type relayText struct {
	Name      string `toml:"name"`
	Operator  string `toml:"operator"`
	Address   string `toml:"address"`
	TLS       string `toml:"tls"`
	Verify    string `toml:"verify"`
	Signature string `toml:"signature"`
}

// ParseNetwork decodes a network file and checks everything but the signatures,
// which a draft does not have yet: call Verify before trusting it. Errors have
// one line and name the key.
func ParseNetwork(data []byte) (*Network, error) {
	var t networkText
	if err := DecodeTOML(data, &t); err != nil {
		return nil, textErrorf("network file: %v", err)
	}
	n, err := t.network()
	if err == nil {
		err = n.Check()
	}
	if err != nil {
		return nil, textErrorf("network file: %v", err)
	}
	return n, nil
}

func (t networkText) network() (*Network, error) {
	n := &Network{Name: t.Name}
	p, in := &n.Params, t.Parameters
	for _, f := range []struct {
		key string
		src *int64
		dst *int
	}{
		{"suite", in.Suite, &p.Suite}, {"relays", in.Relays, &p.Relays},
		{"lanes", in.Lanes, &p.Lanes}, {"cell", in.Cell, &p.Cell},
	} {
		if f.src == nil {
			return nil, textErrorf("parameters.%s is missing", f.key)
		}
		if *f.src < 0 || *f.src > 1<<16-1 {
			return nil, textErrorf("parameters.%s is out of range", f.key)
		}
		*f.dst = int(*f.src)
	}
	w := t.Windows
	for _, f := range []struct {
		key, src string
		dst      *time.Duration
	}{
		{"parameters.round", in.Round, &p.Round}, {"parameters.epoch", in.Epoch, &p.Epoch},
		{"parameters.clock_tolerance", in.ClockTolerance, &p.ClockTolerance}, {"parameters.epoch_cap", in.EpochCap, &p.EpochCap},
		{"windows.keys", w.Keys, &p.Windows[PhaseKeys]}, {"windows.join", w.Join, &p.Windows[PhaseJoin]},
		{"windows.roster", w.Roster, &p.Windows[PhaseRoster]}, {"windows.onions", w.Onions, &p.Windows[PhaseOnions]},
		{"windows.receipts", w.Receipts, &p.Windows[PhaseReceipts]}, {"windows.ack", w.Ack, &p.Windows[PhaseAck]},
		{"windows.reveal", w.Reveal, &p.Windows[PhaseReveal]},
	} {
		d, err := parseDuration(f.key, f.src)
		if err != nil {
			return nil, err
		}
		*f.dst = d
	}
	var err error
	if p.T0, err = parseTime("parameters.t0", in.T0); err != nil {
		return nil, err
	}
	if n.Entry, err = entryOf(t.Entry.Addresses, t.Entry.TLS); err != nil {
		return nil, textErrorf("entry: %v", err)
	}
	if len(t.Relay) > MaxRelays {
		return nil, textErrorf("there are more than %d relays", MaxRelays)
	}
	for i, r := range t.Relay {
		rec, err := relayOf(r.Name, r.Operator, r.Address, r.TLS, r.Verify)
		if err != nil {
			return nil, textErrorf("relay %d: %v", i+1, err)
		}
		var sig []byte
		if r.Signature != "" {
			if sig, err = decodeBase64("signature", r.Signature, suite.SignatureSize); err != nil {
				return nil, textErrorf("relay %d: %v", i+1, err)
			}
		}
		n.Relays, n.Signatures = append(n.Relays, rec), append(n.Signatures, sig)
	}
	return n, nil
}

// Check reports what is wrong with a network apart from signatures. ParseNetwork
// has done it; whoever makes a Network by hand calls it.
func (n *Network) Check() error {
	if err := checkName("name", n.Name); err != nil {
		return err
	}
	for _, d := range append([]time.Duration{n.Params.Round, n.Params.Epoch, n.Params.ClockTolerance, n.Params.EpochCap}, n.Params.Windows[:]...) {
		if d <= 0 || d > MaxDuration { // before Params.Check adds them up
			return textErrorf("parameters: durations must be positive and at most 30 days")
		}
	}
	if err := n.Params.Check(); err != nil {
		return textErrorf("parameters: %v", err)
	}
	if err := n.Entry.check(); err != nil {
		return textErrorf("entry: %v", err)
	}
	if len(n.Relays) != n.Params.Relays {
		return textErrorf("parameters.relays is %d but %d relays are described", n.Params.Relays, len(n.Relays))
	}
	if len(n.Signatures) != len(n.Relays) {
		return textErrorf("there must be one place for a signature per relay")
	}
	// One party in two places would make a chain of n look longer than it is.
	seen := map[string]string{"tls " + string(n.Entry.TLS[:]): "the entry's TLS key"}
	for i, r := range n.Relays {
		if err := r.check(); err != nil {
			return textErrorf("relay %d: %v", i+1, err)
		}
		for _, v := range [][2]string{
			{"name " + r.Name, "name"}, {"address " + r.Address, "address"},
			{"tls " + string(r.TLS[:]), "TLS key"}, {"verify " + string(r.Verify.Bytes()), "verification key"},
		} {
			if other, dup := seen[v[0]]; dup {
				return textErrorf("relay %d: its %s is also %s", i+1, v[1], other)
			}
			seen[v[0]] = fmt.Sprintf("relay %d's", i+1)
		}
	}
	return nil
}

// Canonical encodes what is hashed and signed. Integers are big-endian, times
// and durations are in milliseconds, text is length(2) ‖ bytes:
//
//	suite(2) ‖ relays(1) ‖ lanes(1) ‖ cell(2) ‖ round(8) ‖ epoch(8) ‖ t0 since 1970(8) ‖
//	windows(7 × 8) ‖ clock tolerance(8) ‖ epoch cap(8) ‖ name ‖
//	entry: TLS key(32) ‖ number of addresses(1) ‖ addresses ‖
//	for each relay: name ‖ operator ‖ address ‖ verification key(1984) ‖ TLS key(32)
//
// The encoding is injective: every field has a fixed size or its length before
// it, and the number of relays and addresses comes first.
func (n *Network) Canonical() []byte {
	p := n.Params
	ms := func(b []byte, d time.Duration) []byte {
		return binary.BigEndian.AppendUint64(b, uint64(d/time.Millisecond))
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(p.Suite))
	b = append(b, byte(p.Relays), byte(p.Lanes))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Cell))
	b = ms(ms(b, p.Round), p.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(p.T0.UnixMilli()))
	for _, w := range p.Windows {
		b = ms(b, w)
	}
	b = ms(ms(b, p.ClockTolerance), p.EpochCap)
	b = appendText(b, n.Name)
	b = n.Entry.Append(b)
	for _, r := range n.Relays {
		b = r.Append(b)
	}
	return b
}

// Net is the hash that stations pin and that every attempt binds.
func (n *Network) Net() Hash { return suite.Hash(suite.LabelNetwork, n.Canonical()) }

// VerifyKeys returns the relays' verification keys in chain order.
func (n *Network) VerifyKeys() []suite.VerifyKey {
	out := make([]suite.VerifyKey, len(n.Relays))
	for i, r := range n.Relays {
		out[i] = r.Verify
	}
	return out
}

// Index returns the position in the chain of the relay with this key.
func (n *Network) Index(vk suite.VerifyKey) (int, bool) {
	for i, r := range n.Relays {
		if suite.Equal(r.Verify.Bytes(), vk.Bytes()) {
			return i, true
		}
	}
	return 0, false
}

// ErrForeignKey reports a signing key that is not the one in the file.
var ErrForeignKey = errors.New("the key is not the one that the network file names for this relay")

// Sign adds the signature of relay index: over net, with both keys.
func (n *Network) Sign(index int, sk suite.SigningKey) error {
	if index < 0 || index >= len(n.Relays) {
		return fmt.Errorf("signing as relay %d: the network file has %d", index+1, len(n.Relays))
	}
	if !suite.Equal(n.Relays[index].Verify.Bytes(), sk.Public().Bytes()) {
		return fmt.Errorf("signing as relay %d: %w", index+1, ErrForeignKey)
	}
	net := n.Net()
	sig := sk.Sign(suite.LabelNetworkSign, net[:])
	n.Signatures[index] = sig[:]
	return nil
}

// UnsignedError tells which relays' signatures are missing or do not fit, by
// position in the chain.
type UnsignedError struct {
	Missing []int
	Wrong   []int
	names   []string
}

// Error names the relays.
func (e *UnsignedError) Error() string {
	var parts []string
	for _, i := range e.Missing {
		parts = append(parts, fmt.Sprintf("relay %d (%s) has not signed", i+1, e.names[i]))
	}
	for _, i := range e.Wrong {
		parts = append(parts, fmt.Sprintf("the signature of relay %d (%s) does not fit this file", i+1, e.names[i]))
	}
	return "network file: " + strings.Join(parts, "; ")
}

// Verify checks the content and every relay's signature. Missing or wrong
// signatures give an *UnsignedError that lists them all.
func (n *Network) Verify() error {
	if err := n.Check(); err != nil {
		return textErrorf("network file: %v", err)
	}
	net := n.Net()
	e := &UnsignedError{}
	for i, r := range n.Relays {
		e.names = append(e.names, r.Name)
		switch sig := n.Signatures[i]; {
		case sig == nil:
			e.Missing = append(e.Missing, i)
		case !r.Verify.Verify(sig, suite.LabelNetworkSign, net[:]):
			e.Wrong = append(e.Wrong, i)
		}
	}
	if e.Missing != nil || e.Wrong != nil {
		return e
	}
	return nil
}

// Encode makes the file. Equal networks give equal bytes.
func (n *Network) Encode() []byte {
	var b strings.Builder
	b.WriteString("# Backchannel network file. Every relay signs the values below (not this text);\n")
	b.WriteString("# `backchannel network verify` says who has, and prints the hash that stations pin.\n\n")
	putString(&b, "name", n.Name)
	p := n.Params
	b.WriteString("\n[parameters]\n")
	fmt.Fprintf(&b, "suite = %d\nrelays = %d\nlanes = %d # conversations per station, two circuits each\ncell = %d # bytes per circuit and round\n", p.Suite, p.Relays, p.Lanes, p.Cell)
	fmt.Fprintf(&b, "round = \"%v\"\nepoch = \"%v\"\nt0 = \"%s\" # start of epoch 0\nclock_tolerance = \"%v\"\nepoch_cap = \"%v\" # how long circuits run on if set-ups keep aborting\n",
		p.Round, p.Epoch, formatTime(p.T0), p.ClockTolerance, p.EpochCap)
	b.WriteString("\n[windows] # phases of one set-up attempt\n")
	for i, w := range p.Windows {
		fmt.Fprintf(&b, "%v = \"%v\"\n", Phase(i), w)
	}
	b.WriteString("\n[entry]\n")
	putAddresses(&b, n.Entry.Addresses)
	putBase64(&b, "tls", n.Entry.TLS[:])
	for i, r := range n.Relays {
		b.WriteString("\n[[relay]]\n")
		putString(&b, "name", r.Name)
		putString(&b, "operator", r.Operator)
		putString(&b, "address", r.Address)
		putBase64(&b, "tls", r.TLS[:])
		putBase64(&b, "verify", r.Verify.Bytes())
		if n.Signatures[i] != nil {
			putBase64(&b, "signature", n.Signatures[i])
		}
	}
	return []byte(b.String())
}
