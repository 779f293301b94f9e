package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"filippo.io/edwards25519"

	"backchannel/internal/suite"
)

// InvalidError names a party that broke the rules, in bytes that it sent to us. It
// is no proof for anyone else.
type InvalidError struct {
	Who    ID
	Reason string
}

func (e *InvalidError) Error() string { return "signing together: a party " + e.Reason }

// The ends of a session without a culprit.
var (
	ErrViewsDiffer = errors.New("signing together: the parties were told different things; compare the text and start again")
	ErrDead        = errors.New("signing together: this attempt has ended; start another")
	ErrOtherKey    = errors.New("signing together: a party came with another key than the one noted for it; nothing was signed; ask it by another way than this")
	ErrSilent      = errors.New("signing together: nothing was decided yet that could be approved")
)

// Params are what all parties must agree on.
type Params struct {
	Core    Core   `json:"core"`
	Level   Level  `json:"level"` // sealed or public
	Text    string `json:"text"`
	Parties []ID   `json:"parties"` // sorted, self included
	Self    ID     `json:"self"`
	Last    ID     `json:"last"` // sends its share when it holds all others; zero for nobody
}

func (p Params) check() error {
	if err := CheckText(p.Text); err != nil {
		return err
	}
	if p.Level != Sealed && p.Level != Public {
		return errors.New("signing together: an agreement is signed at level sealed or public")
	}
	if len(p.Parties) < 2 || len(p.Parties) > MaxParties {
		return errors.New("signing together: an agreement has 2 to 16 parties")
	}
	for i := 1; i < len(p.Parties); i++ {
		if bytes.Compare(p.Parties[i-1][:], p.Parties[i][:]) >= 0 {
			return errors.New("signing together: the member ids must be sorted and differ")
		}
	}
	if !slices.Contains(p.Parties, p.Self) || p.Last != (ID{}) && !slices.Contains(p.Parties, p.Last) {
		return errors.New("signing together: the signer and who completes last must be parties")
	}
	return nil
}

// kept is what outlives a restart: messages, never a key or a nonce.
type kept struct {
	Params   Params     `json:"params"`
	Messages [][][]byte `json:"messages"` // by party as in Params.Parties, then in order of steps
	Approved bool       `json:"approved"`
	End      string     `json:"end,omitempty"`
}

// Session is one attempt to sign. Its progress is what each party has sent so far;
// everything else follows. It is not safe for concurrent use.
type Session struct {
	k     kept
	key   *Key
	r     *edwards25519.Scalar // nil once used, after a restart and after the end
	group *Group
	sid   [32]byte
	sig   []byte
}

// New starts an attempt and returns the hello to send. fresh and nonce are new
// random bytes; a nonce given twice would give away the key, so the caller's array
// is erased.
func New(p Params, key *Key, fresh [FreshSize]byte, nonce *[UniformSize]byte) (*Session, [][]byte, error) {
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	if *nonce == ([UniformSize]byte{}) {
		return nil, nil, errors.New("signing together: the nonce was used before; draw another")
	}
	p.Parties = slices.Clone(p.Parties)
	s := &Session{k: kept{Params: p, Messages: make([][][]byte, len(p.Parties))}, key: key, r: reduce(nonce[:])}
	*nonce = [UniformSize]byte{}
	if s.r.Equal(edwards25519.NewScalar()) == 1 {
		return nil, nil, errZero
	}
	return s, [][]byte{s.send(Wire{Step: StepHello, Core: p.Core, Key: key.public, Fresh: fresh})}, nil
}

func (s *Session) index(id ID) int { return slices.Index(s.k.Params.Parties, id) }
func (s *Session) self() int       { return s.index(s.k.Params.Self) }
func (s *Session) sent(i int) Step { return Step(len(s.k.Messages[i])) }

// Step is the last step sent.
func (s *Session) Step() Step { return s.sent(s.self()) }

func (s *Session) wire(i int, st Step) Wire {
	w, err := ParseMessage(s.k.Messages[i][st-1])
	if err != nil {
		panic("seal: a kept message is broken: " + err.Error()) // Restore and Receive parsed it
	}
	return w
}

func (s *Session) send(w Wire) []byte {
	b := w.Encode()
	s.k.Messages[s.self()] = append(s.k.Messages[s.self()], b)
	return slices.Clone(b)
}

// all reports whether everybody (but skip, or -1) has sent step st.
func (s *Session) all(st Step, skip int) bool {
	for i := range s.k.Messages {
		if i != skip && s.sent(i) < st {
			return false
		}
	}
	return true
}

func (s *Session) end(err error) error {
	s.k.End = err.Error()
	s.forget()
	return err
}

func (s *Session) forget() {
	if s.r != nil {
		s.r.Set(edwards25519.NewScalar())
		s.r = nil
	}
}

// Abort ends the attempt. A share that was sent stays sent.
func (s *Session) Abort() {
	if s.sig == nil {
		_ = s.end(ErrDead)
	}
}

// Refuse ends the attempt like Abort, and keeps why.
func (s *Session) Refuse(why error) {
	if s.sig == nil && !s.Ended() {
		_ = s.end(why)
	}
}

// Ended reports an attempt that can no longer succeed.
func (s *Session) Ended() bool { return s.k.End != "" }

// Sent returns every message sent so far, byte for byte, for sending again.
func (s *Session) Sent() (out [][]byte) {
	for _, b := range s.k.Messages[s.self()] {
		out = append(out, slices.Clone(b))
	}
	return out
}

// Signature returns R ‖ z once it is complete, else nil.
func (s *Session) Signature() []byte { return slices.Clone(s.sig) }

// Group returns the keys once all are known, else nil.
func (s *Session) Group() *Group { return s.group }

// Receive takes a message from a party, in that party's order, and returns what to
// send to everybody once State is kept. The same message again changes nothing. A
// party can be at most one step ahead of us, because every step waits for ours.
func (s *Session) Receive(from ID, b []byte) ([][]byte, error) {
	i := s.index(from)
	if i < 0 || i == s.self() {
		return nil, errors.New("signing together: the sender is not another party; the message is ignored")
	}
	if len(b) > 0 && b[0] >= 1 && int(b[0]) <= len(s.k.Messages[i]) && bytes.Equal(s.k.Messages[i][b[0]-1], b) {
		return nil, nil
	}
	if s.Ended() {
		return nil, ErrDead
	}
	if s.sig != nil {
		return nil, errors.New("signing together: it is signed; the message is ignored")
	}
	invalid := func(reason string) error { return s.end(&InvalidError{from, reason}) }
	w, err := ParseMessage(b)
	switch {
	case err != nil:
		return nil, invalid("sent a malformed message: " + err.Error())
	case w.Step <= s.sent(i):
		return nil, invalid("sent a second, different message of one step")
	case w.Step != s.sent(i)+1:
		return nil, invalid("left out a step")
	case w.Step > s.Step()+1:
		return nil, invalid("went ahead without waiting for us")
	case w.Step == StepHello && w.Core != s.k.Params.Core:
		return nil, s.end(ErrViewsDiffer)
	}
	s.k.Messages[i] = append(s.k.Messages[i], slices.Clone(b))
	return s.advance()
}

// Approve records that the user has read WordsBeforeShare and wants to sign. It is
// possible once the nonces are out, and returns what to send.
func (s *Session) Approve() ([][]byte, error) {
	if s.Ended() {
		return nil, ErrDead
	}
	if s.Step() < StepNonce {
		return nil, ErrSilent
	}
	s.k.Approved = true
	return s.advance()
}

// advance checks what has become checkable and sends what has become due.
func (s *Session) advance() (out [][]byte, err error) {
	p, me := s.k.Params, s.self()
	if s.group == nil && s.all(StepHello, -1) {
		if err := s.derive(); err != nil {
			return nil, s.end(err)
		}
	}
	if s.group == nil {
		return nil, nil
	}
	for i := range p.Parties {
		if s.sent(i) > StepHello && s.wire(i, s.sent(i)).SID != s.sid {
			return nil, s.end(ErrViewsDiffer)
		}
	}
	if s.Step() == StepHello {
		out = append(out, s.send(Wire{Step: StepCommit, SID: s.sid, Commit: s.commitment(p.Self, new(edwards25519.Point).ScalarBaseMult(s.r).Bytes())}))
	}
	if s.Step() == StepCommit && s.all(StepCommit, -1) {
		out = append(out, s.send(Wire{Step: StepEcho, SID: s.sid, Value: s.echo()}))
	}
	if s.all(StepCommit, -1) {
		for i := range p.Parties {
			if s.sent(i) >= StepEcho && s.wire(i, StepEcho).Value != s.echo() {
				return nil, s.end(ErrViewsDiffer)
			}
		}
	}
	if s.Step() == StepEcho && s.all(StepEcho, -1) {
		out = append(out, s.send(Wire{Step: StepNonce, SID: s.sid, Value: [32]byte(new(edwards25519.Point).ScalarBaseMult(s.r).Bytes())}))
	}
	for i, id := range p.Parties {
		if s.sent(i) >= StepNonce {
			r := s.wire(i, StepNonce).Value
			if s.commitment(id, r[:]) != s.wire(i, StepCommit).Commit {
				return nil, s.end(&InvalidError{id, "showed another nonce than it committed to"})
			}
		}
	}
	if !s.all(StepNonce, -1) {
		return out, nil
	}
	sum := s.nonceSum()
	if sum.Equal(identity) == 1 {
		return nil, s.end(ErrViewsDiffer)
	}
	a := s.group.Key()
	m := Message(p.Core, p.Level, s.group, p.Text)
	c := challenge(sum.Bytes(), a[:], m)
	for i, id := range p.Parties {
		if i != me && s.sent(i) >= StepShare && !s.checkShare(i, c) {
			return nil, s.end(&InvalidError{id, "sent a share that does not fit"})
		}
	}
	if s.Step() == StepNonce && s.k.Approved && (p.Last != p.Self || s.all(StepShare, me)) {
		z := edwards25519.NewScalar().Multiply(c, s.group.coefficient(s.key.public))
		z.MultiplyAdd(z, s.key.x, s.r)
		s.forget()
		out = append(out, s.send(Wire{Step: StepShare, SID: s.sid, Value: [32]byte(z.Bytes())}))
	}
	if s.all(StepShare, -1) {
		z := edwards25519.NewScalar()
		for i := range p.Parties {
			v := s.wire(i, StepShare).Value
			zi, err := parseScalar(v[:])
			if err != nil {
				return nil, s.end(ErrDead)
			}
			z.Add(z, zi)
		}
		sig := append(sum.Bytes(), z.Bytes()...)
		if !ed25519.Verify(a[:], m, sig) {
			return nil, s.end(errors.New("signing together: the signature does not verify though every share does; keep the files and report it"))
		}
		s.sig = sig
	}
	return out, nil
}

func (s *Session) derive() error {
	var keys []PublicKey
	var fresh []byte
	for i, id := range s.k.Params.Parties {
		w := s.wire(i, StepHello)
		keys = append(keys, w.Key)
		fresh = append(append(fresh, id[:]...), w.Fresh[:]...)
	}
	g, err := NewGroup(keys)
	if err != nil {
		return err
	}
	s.group = g
	s.sid = suite.Hash(suite.LabelSealSession, s.k.Params.Core[:], g.list, fresh)
	return nil
}

func (s *Session) commitment(id ID, r []byte) [64]byte {
	return [64]byte(hash512(suite.LabelSealCommitment, s.sid[:], id[:], r))
}

func (s *Session) echo() [32]byte {
	var all []byte
	for i := range s.k.Params.Parties {
		c := s.wire(i, StepCommit).Commit
		all = append(all, c[:]...)
	}
	return suite.Hash(suite.LabelSealEcho, s.sid[:], all)
}

func (s *Session) nonce(i int) *edwards25519.Point {
	v := s.wire(i, StepNonce).Value
	p, err := parsePoint(v[:])
	if err != nil {
		panic("seal: a kept nonce is broken: " + err.Error())
	}
	return p
}

func (s *Session) nonceSum() *edwards25519.Point {
	sum := edwards25519.NewIdentityPoint()
	for i := range s.k.Params.Parties {
		sum.Add(sum, s.nonce(i))
	}
	return sum
}

func (s *Session) checkShare(i int, c *edwards25519.Scalar) bool {
	v := s.wire(i, StepShare).Value
	z, err := parseScalar(v[:])
	return err == nil && s.group.shareHolds(s.wire(i, StepHello).Key, s.nonce(i), z, c)
}

// State is what must be kept before anything is sent: no key, no nonce.
func (s *Session) State() ([]byte, error) { return json.Marshal(s.k) }

// Restore continues after a restart. Without a share of ours the attempt has ended,
// because its nonce is gone; with one it can send again and collect the rest.
func Restore(state []byte) (*Session, error) {
	d := json.NewDecoder(bytes.NewReader(state))
	d.DisallowUnknownFields()
	s := &Session{}
	if err := d.Decode(&s.k); err != nil {
		return nil, fmt.Errorf("restoring a signing: %w", err)
	}
	if err := s.k.Params.check(); err != nil {
		return nil, fmt.Errorf("restoring a signing: %w", err)
	}
	if len(s.k.Messages) != len(s.k.Params.Parties) {
		return nil, errors.New("restoring a signing: parties and messages differ in number")
	}
	for i := range s.k.Messages {
		if s.sent(i) > StepShare || i == s.self() && s.sent(i) < StepHello {
			return nil, errors.New("restoring a signing: a party has sent too many or too few messages")
		}
		for j, b := range s.k.Messages[i] {
			if w, err := ParseMessage(b); err != nil || w.Step != Step(j+1) {
				return nil, errors.New("restoring a signing: a message is broken or out of order")
			}
		}
	}
	if s.Ended() {
		return s, nil
	}
	if s.Step() < StepShare {
		_ = s.end(ErrDead)
		return s, nil
	}
	for i := range s.k.Messages {
		if s.sent(i) < StepNonce {
			return nil, errors.New("restoring a signing: a share without all nonces")
		}
	}
	if _, err := s.advance(); err != nil {
		return nil, fmt.Errorf("restoring a signing: %w", err)
	}
	return s, nil
}

// Keys are the parties' keys in the order of Params.Parties, once all are known.
func (s *Session) Keys() (keys []PublicKey) {
	if s.group == nil {
		return nil
	}
	for i := range s.k.Params.Parties {
		keys = append(keys, s.wire(i, StepHello).Key)
	}
	return keys
}

// End says why an attempt ended; empty if it goes on or is complete.
func (s *Session) End() string { return s.k.End }
