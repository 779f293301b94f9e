package wire

import (
	"encoding/binary"
	"strings"

	"backchannel/internal/suite"
)

// RelayRecord is what a network file says of one relay.
type RelayRecord struct {
	Name     string // unique in the network
	Operator string // the party that runs it
	Address  string // host:port that the entry and the other relays dial
	Verify   suite.VerifyKey
	TLS      [suite.Ed25519PublicKeySize]byte // pinned key of its TLS certificate
}

// Entry is what a network file says of the entry.
type Entry struct {
	Addresses []string                         // host:port, tried in order by relays and stations
	TLS       [suite.Ed25519PublicKeySize]byte // pinned key of its TLS certificate
}

// MaxEntryAddresses bounds Entry.Addresses.
const MaxEntryAddresses = 16

// appendText frames text: length(2) ‖ bytes.
func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// Append encodes r in binary: name ‖ operator ‖ address (each length(2) ‖ text) ‖
// verification key ‖ TLS key. It is what a record's own signature covers, with
// LabelPossession, and a part of Network.Canonical.
func (r RelayRecord) Append(b []byte) []byte {
	b = appendText(appendText(appendText(b, r.Name), r.Operator), r.Address)
	return append(append(b, r.Verify.Bytes()...), r.TLS[:]...)
}

// Append encodes e in binary: TLS key ‖ number of addresses(1) ‖ addresses (each
// length(2) ‖ text).
func (e Entry) Append(b []byte) []byte {
	b = append(append(b, e.TLS[:]...), byte(len(e.Addresses)))
	for _, a := range e.Addresses {
		b = appendText(b, a)
	}
	return b
}

func (r RelayRecord) check() error {
	if err := checkName("name", r.Name); err != nil {
		return err
	}
	if err := checkName("operator", r.Operator); err != nil {
		return err
	}
	if !r.Verify.Valid() {
		return textErrorf("verify is missing")
	}
	if err := CheckAddress(r.Address); err != nil {
		return textErrorf("%v", err)
	}
	return nil
}

func (e Entry) check() error {
	if len(e.Addresses) == 0 {
		return textErrorf("addresses is missing")
	}
	if len(e.Addresses) > MaxEntryAddresses {
		return textErrorf("there are more than %d addresses", MaxEntryAddresses)
	}
	seen := map[string]bool{}
	for _, a := range e.Addresses {
		if err := CheckAddress(a); err != nil {
			return textErrorf("%v", err)
		}
		if seen[a] {
			return textErrorf("an address stands there twice")
		}
		seen[a] = true
	}
	return nil
}

// recordText is a public record as a file. One struct serves both kinds, so that
// a record given in the wrong place is told apart from a broken one.
type recordText struct {
	Record    string   `toml:"record"`
	Name      string   `toml:"name"`
	Operator  string   `toml:"operator"`
	Address   string   `toml:"address"`
	Addresses []string `toml:"addresses"`
	TLS       string   `toml:"tls"`
	Verify    string   `toml:"verify"`
	Signature string   `toml:"signature"`
}

func parseRecordText(data []byte, kind string) (t recordText, err error) {
	if err := DecodeTOML(data, &t); err != nil {
		return t, textErrorf("public record: %v", err)
	}
	if t.Record != kind {
		return t, textErrorf("public record: this is not the record of %s", map[string]string{"relay": "a relay", "entry": "an entry"}[kind])
	}
	return t, nil
}

// EncodeRelayRecord makes the public record file of a relay, signed with its own
// key, so that a broken or altered copy is noticed and nobody can submit another
// party's key as its own.
func EncodeRelayRecord(r RelayRecord, sk suite.SigningKey) ([]byte, error) {
	r.Verify = sk.Public()
	if err := r.check(); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("# Public record of a Backchannel relay: give it to whoever makes the network file.\n")
	b.WriteString("record = \"relay\"\n")
	putString(&b, "name", r.Name)
	putString(&b, "operator", r.Operator)
	putString(&b, "address", r.Address)
	putBase64(&b, "tls", r.TLS[:])
	putBase64(&b, "verify", r.Verify.Bytes())
	sig := sk.Sign(suite.LabelPossession, r.Append(nil))
	putBase64(&b, "signature", sig[:])
	return []byte(b.String()), nil
}

// ParseRelayRecord decodes a relay's public record and checks its signature.
func ParseRelayRecord(data []byte) (r RelayRecord, err error) {
	t, err := parseRecordText(data, "relay")
	if err != nil {
		return r, err
	}
	if t.Addresses != nil {
		return r, textErrorf("public record: unknown key addresses")
	}
	fail := func(err error) (RelayRecord, error) { return RelayRecord{}, textErrorf("public record: %v", err) }
	if r, err = relayOf(t.Name, t.Operator, t.Address, t.TLS, t.Verify); err != nil {
		return fail(err)
	}
	sig, err := decodeBase64("signature", t.Signature, suite.SignatureSize)
	if err != nil {
		return fail(err)
	}
	if !r.Verify.Verify(sig, suite.LabelPossession, r.Append(nil)) {
		return fail(textErrorf("the signature does not fit: the record was changed or cut; ask its operator for it again"))
	}
	return r, nil
}

// relayOf makes a record from the strings of a file.
func relayOf(name, operator, address, tls, verify string) (r RelayRecord, err error) {
	r = RelayRecord{Name: name, Operator: operator, Address: address}
	k, err := decodeBase64("tls", tls, len(r.TLS))
	if err != nil {
		return r, err
	}
	copy(r.TLS[:], k)
	if k, err = decodeBase64("verify", verify, suite.VerifyKeySize); err != nil {
		return r, err
	}
	if r.Verify, err = suite.ParseVerifyKey(k); err != nil {
		return r, textErrorf("verify: %v", err)
	}
	return r, r.check()
}

// EncodeEntryRecord makes the public record file of an entry whose TLS key grows
// from tlsSeed. The record is signed with that key as an account key is used:
// what it signs begins with the length and text of LabelPossession, which no TLS
// handshake message does. The signature guards against accidents; the entry is
// trusted for availability only.
func EncodeEntryRecord(addresses []string, tlsSeed [suite.SeedSize]byte) ([]byte, error) {
	k := suite.NewAccountKey(tlsSeed)
	e := Entry{Addresses: addresses, TLS: k.Public()}
	if err := e.check(); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("# Public record of a Backchannel entry: give it to whoever makes the network file.\n")
	b.WriteString("record = \"entry\"\n")
	putAddresses(&b, e.Addresses)
	putBase64(&b, "tls", e.TLS[:])
	sig := k.Sign(suite.LabelPossession, e.Append(nil))
	putBase64(&b, "signature", sig[:])
	return []byte(b.String()), nil
}

// ParseEntryRecord decodes an entry's public record and checks its signature.
func ParseEntryRecord(data []byte) (e Entry, err error) {
	t, err := parseRecordText(data, "entry")
	if err != nil {
		return e, err
	}
	for k, v := range map[string]string{"name": t.Name, "operator": t.Operator, "address": t.Address, "verify": t.Verify} {
		if v != "" {
			return e, textErrorf("public record: unknown key %s", k)
		}
	}
	fail := func(err error) (Entry, error) { return Entry{}, textErrorf("public record: %v", err) }
	if e, err = entryOf(t.Addresses, t.TLS); err != nil {
		return fail(err)
	}
	sig, err := decodeBase64("signature", t.Signature, suite.Ed25519SignatureSize)
	if err != nil {
		return fail(err)
	}
	if !suite.VerifyAccount(e.TLS, sig, suite.LabelPossession, e.Append(nil)) {
		return fail(textErrorf("the signature does not fit: the record was changed or cut; ask its operator for it again"))
	}
	return e, nil
}

func entryOf(addresses []string, tls string) (e Entry, err error) {
	e.Addresses = addresses
	k, err := decodeBase64("tls", tls, len(e.TLS))
	if err != nil {
		return e, err
	}
	copy(e.TLS[:], k)
	return e, e.check()
}

func putAddresses(b *strings.Builder, addresses []string) {
	b.WriteString("addresses = [")
	for i, a := range addresses {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteTOML(a))
	}
	b.WriteString("]\n")
}
