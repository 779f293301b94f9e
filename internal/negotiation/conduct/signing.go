package conduct

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// maxAttempts bounds how often the others can make this station begin a signing
// again; a party that wants to stop one needs no attempts for it.
const maxAttempts = 64

// Signings are the attempts under way of all rooms of a station. Their nonces are
// here and nowhere else: a new value is a restart, which ends every attempt whose
// share this member has not sent.
type Signings struct {
	live map[place]*seal.Session
}

type place struct{ room, agreement negotiation.ID }

// NewSignings begins without any.
func NewSignings() *Signings { return &Signings{live: map[place]*seal.Session{}} }

// signing is what is kept of one agreement that this member wants to sign.
type signing struct {
	_        struct{} `cbor:",toarray"`
	Attempt  uint64
	Session  []byte // seal.Session.State
	Key      []byte // fresh seal key, until the agreement is sealed or lapsed; empty at level public
	Approved bool   // the user read seal.WordsBeforeShare and wants to sign
	Held     []negotiation.MemberID
	Done     bool // this member holds the signed text
}

func (g *Signings) load(s *Seat, id negotiation.ID) (*signing, error) {
	m, err := s.machine(KindSigning, id)
	if err != nil || m == nil {
		return nil, err
	}
	k := new(signing)
	if err := dec.Unmarshal(m.State, k); err != nil {
		return nil, s.Store.Drop(KindSigning, id) // as after a restore: begin again
	}
	return k, nil
}

func (g *Signings) agreement(s *Seat, id negotiation.ID) (*negotiation.AgreementView, error) {
	all := s.Room.AgreementsAt(s.Now)
	if i := slices.IndexFunc(all, func(a negotiation.AgreementView) bool { return a.ID == id }); i >= 0 {
		return &all[i], nil
	}
	return nil, refused("there is no such agreement")
}

// mayBegin says why an agreement cannot be signed now.
func (s *Seat) mayBegin(a *negotiation.AgreementView) error {
	n := len(a.Needed)
	switch {
	case a.Level == negotiation.Handshake:
		return refused("an agreement of level handshake is confirmed by itself when everybody has consented")
	case !slices.Contains(signers(a), s.Room.Self()):
		return refused("the agreement does not need this member")
	case !s.Now.Before(lapses(a)):
		return refused("the agreement has lapsed")
	case a.State == negotiation.AgreementDrafting || a.State == negotiation.AgreementConsenting:
		return refused("the agreement is %s: everybody concerned must consent first", a.State)
	case a.State.Final():
		return refused("the agreement is %s", a.State)
	case slices.ContainsFunc(a.Needed, func(x negotiation.NeededView) bool { return !x.Consented }):
		return refused("a consent was taken back: everybody concerned must consent first")
	case len(a.Blocked) > 0:
		return refused("the agreement can no longer be signed: %s", a.Blocked[0])
	case n > s.Lanes+1:
		return refused("%d parties sign, and %d lanes reach %d", n, s.Lanes, s.Lanes+1)
	}
	return nil
}

func lapses(a *negotiation.AgreementView) time.Time { return time.Unix(int64(a.Lapses), 0).UTC() }

// Sign is the deliberate act of a user who has read the text and
// seal.WordsBeforeShare. It begins an attempt, or joins the one that others began;
// the share follows by itself once everybody has signed so far.
func (g *Signings) Sign(s *Seat, id negotiation.ID) ([]Saying, error) {
	a, err := g.agreement(s, id)
	if err != nil {
		return nil, err
	}
	if err := s.mayBegin(a); err != nil {
		return nil, err
	}
	k, err := g.load(s, id)
	if err != nil {
		return nil, err
	}
	if k == nil {
		k = new(signing)
	}
	if k.Approved && a.State != negotiation.AgreementStalled {
		session, _, err := g.session(s, id, k)
		if err != nil {
			return nil, err
		}
		if session != nil && !session.Ended() {
			return nil, refused("it is being signed: wait for the others")
		}
	}
	attempt := k.Attempt + 1
	for _, st := range s.Room.Opaque(string(signKinds[seal.StepHello])) {
		if m, ok := about(st, id); ok && st.From != s.Room.Self() && m.Attempt <= maxAttempts {
			attempt = max(attempt, m.Attempt)
		}
	}
	if attempt > maxAttempts {
		return nil, refused("it was tried too often: propose the agreement again")
	}
	if len(s.keysShown(a).other) > 0 {
		return nil, refused("%v", seal.ErrOtherKey)
	}
	k.Approved = true
	return g.begin(s, a, k, attempt)
}

// begin starts an attempt with a fresh nonce and takes in what the others have sent
// of it.
func (g *Signings) begin(s *Seat, a *negotiation.AgreementView, k *signing, attempt uint64) ([]Saying, error) {
	p, err := signParams(s.Room, a)
	if err != nil {
		return nil, err
	}
	p.Self = seal.ID(s.Room.Self())
	key, err := g.key(s, a, k)
	if err != nil {
		return nil, err
	}
	var nonce [seal.UniformSize]byte
	var fresh [seal.FreshSize]byte
	if _, err := io.ReadFull(s.Random, nonce[:]); err != nil {
		return nil, errors.New("drawing randomness: the source failed")
	}
	if _, err := io.ReadFull(s.Random, fresh[:]); err != nil {
		return nil, errors.New("drawing randomness: the source failed")
	}
	session, hello, err := seal.New(p, key, fresh, &nonce)
	if err != nil {
		return nil, refused("%v", err)
	}
	k.Attempt = attempt
	out := g.sayings(a, s, k, hello)
	for _, st := range s.Room.Opaque(negotiation.PrefixSign) {
		m, ok := about(st, a.ID)
		if ok && st.From != s.Room.Self() && m.Attempt == attempt && carriesSeal(st.Kind) {
			out = append(out, g.hear(s, a, k, session, st.From, m)...)
		}
	}
	said, err := g.settle(s, a, k, session)
	return append(out, said...), err
}

// concerns reports a kind of which a statement can change where an agreement stands.
func concerns(k negotiation.Kind) bool {
	switch k {
	case negotiation.KindAgenda, negotiation.KindConfirm, negotiation.KindPackage, negotiation.KindAgreement, negotiation.KindConsent, negotiation.KindWithdraw:
		return true
	}
	return strings.HasPrefix(string(k), negotiation.PrefixSign) // of a handshake
}

func carriesSeal(k negotiation.Kind) bool {
	for _, want := range signKinds {
		if k == want {
			return true
		}
	}
	return false
}

// key is the one to sign with: fresh for each agreement, or the published one.
func (g *Signings) key(s *Seat, a *negotiation.AgreementView, k *signing) (*seal.Key, error) {
	if a.Level == negotiation.Public {
		return s.Published()
	}
	if len(k.Key) > 0 {
		if key, err := seal.ParseKey(k.Key); err == nil {
			return key, nil
		}
	}
	var uniform [seal.UniformSize]byte
	if _, err := io.ReadFull(s.Random, uniform[:]); err != nil {
		return nil, errors.New("drawing randomness: the source failed")
	}
	key, err := seal.NewKey(uniform)
	clear(uniform[:])
	if err != nil {
		return nil, err
	}
	k.Key = key.Secret()
	return key, nil
}

// hear gives a message to a session. What ends it is seen in its state; a message
// for a session that has ended or is complete changes nothing.
func (g *Signings) hear(s *Seat, a *negotiation.AgreementView, k *signing, session *seal.Session, from negotiation.MemberID, m Message) []Saying {
	if session.Step() < seal.StepShare && len(s.keysShown(a).other) > 0 {
		session.Refuse(seal.ErrOtherKey)
		return nil
	}
	out, err := session.Receive(seal.ID(from), m.Bytes)
	if err != nil {
		return nil // the session keeps why
	}
	if k.Approved && session.Step() == seal.StepNonce && s.Now.Before(lapses(a)) {
		more, err := session.Approve()
		if err != nil {
			return nil
		}
		out = append(out, more...)
	}
	return g.sayings(a, s, k, out)
}

func (g *Signings) sayings(a *negotiation.AgreementView, s *Seat, k *signing, raw [][]byte) (out []Saying) {
	for _, b := range raw {
		out = append(out, g.tell(a, s, k, signKinds[seal.Step(b[0])], b)...)
	}
	return out
}

func (g *Signings) tell(a *negotiation.AgreementView, s *Seat, k *signing, kind negotiation.Kind, b []byte) []Saying {
	return s.address(kind, Message{Of: a.ID, Attempt: k.Attempt, Bytes: b}.Encode(), signers(a))
}

// session is the attempt under way: the one in memory if it is what was kept, else
// what can go on after a restart, or after a transaction that came to nothing.
func (g *Signings) session(s *Seat, id negotiation.ID, k *signing) (session *seal.Session, restarted bool, err error) {
	at := place{s.Room.ID(), id}
	if live := g.live[at]; live != nil {
		if state, err := live.State(); err == nil && bytes.Equal(state, k.Session) {
			return live, false, nil
		}
		live.Abort() // it has gone where nothing was kept: nothing of that was sent
		delete(g.live, at)
	}
	session, err = seal.Restore(k.Session)
	if err != nil {
		return nil, true, nil //nolint:nilerr // as if it had never been kept
	}
	g.live[at] = session
	return session, true, nil
}

// settle keeps an attempt and reports where the agreement stands.
func (g *Signings) settle(s *Seat, a *negotiation.AgreementView, k *signing, session *seal.Session) (out []Saying, err error) {
	if k.Session, err = session.State(); err != nil {
		return nil, err
	}
	g.live[place{s.Room.ID(), a.ID}] = session
	reach := map[seal.Step]negotiation.AgreementState{seal.StepCommit: negotiation.AgreementCommitments, seal.StepEcho: negotiation.AgreementCommitments,
		seal.StepNonce: negotiation.AgreementNonces, seal.StepShare: negotiation.AgreementShares}[session.Step()]
	if reach != negotiation.AgreementShares || a.State != negotiation.AgreementStalled { // somebody stopped after the own share went out
		if err := g.report(s, a.ID, reach, ""); err != nil {
			return nil, err
		}
	}
	if session.Ended() && k.Approved {
		k.Approved = false
		if err := g.report(s, a.ID, negotiation.AgreementStalled, reason(session)); err != nil {
			return nil, err
		}
		out = g.tell(a, s, k, kindStop, nil)
	}
	if sig := session.Signature(); sig != nil && !k.Done {
		k.Done = true
		clear(k.Key)
		k.Key = nil
		made := negotiation.Seal{Signers: signers(a), Signature: sig}
		for _, pk := range session.Keys() {
			made.Keys = append(made.Keys, pk[:])
		}
		if err := s.Room.Sealed(a.ID, made, s.Now); err != nil && !errors.Is(err, ErrRefused) {
			return nil, err
		}
		out = append(out, g.tell(a, s, k, kindHeld, nil)...)
	}
	return out, s.Store.Put(KindSigning, Machine{a.ID, must(enc.Marshal(k))})
}

// reason says why an attempt ended; who broke the rules is said by the view's own
// names, which the note cannot have.
func reason(session *seal.Session) string {
	if why := session.End(); why != "" {
		return why
	}
	return "the attempt has ended"
}

// report walks the table up to a state. What the room does not take is past already.
func (g *Signings) report(s *Seat, id negotiation.ID, to negotiation.AgreementState, note string) error {
	steps := []negotiation.AgreementState{negotiation.AgreementCommitments, negotiation.AgreementNonces, negotiation.AgreementShares}
	n := slices.Index(steps, to) + 1
	if n == 0 {
		steps, n = []negotiation.AgreementState{to}, 1
	}
	if to == "" {
		return nil
	}
	for _, step := range steps[:n] {
		if err := s.Room.Progress(id, string(step), note, s.Now); err != nil && !errors.Is(err, ErrRefused) {
			return err
		}
	}
	return nil
}

// Stop takes back the wish to sign. A share that was sent stays sent.
func (g *Signings) Stop(s *Seat, id negotiation.ID) ([]Saying, error) {
	a, err := g.agreement(s, id)
	if err != nil {
		return nil, err
	}
	k, err := g.load(s, id)
	if err != nil {
		return nil, err
	}
	if k == nil || !k.Approved || k.Done {
		return nil, refused("this member is not signing the agreement")
	}
	session, _, err := g.session(s, id, k)
	if err != nil || session == nil {
		return nil, errors.Join(err, s.Store.Drop(KindSigning, id))
	}
	if session.Step() == seal.StepShare {
		return nil, refused("the share was sent; it cannot be taken back")
	}
	session.Abort()
	return g.settle(s, a, k, session)
}

// Received takes a statement that the room has just placed, whatever its kind: a
// consent may make an agreement ready.
func (g *Signings) Received(s *Seat, st *negotiation.Statement) ([]Saying, error) {
	if strings.HasPrefix(string(st.Kind), negotiation.PrefixRound) {
		return nil, nil
	}
	if !carriesSeal(st.Kind) && st.Kind != kindStop && st.Kind != kindHeld {
		if !concerns(st.Kind) {
			return nil, nil
		}
		return g.Tick(s)
	}
	msg, err := ParseMessage(st.Raw)
	if err != nil || s.Room.Frozen() {
		return nil, nil //nolint:nilerr // it stays in the room as it came
	}
	k, err := g.load(s, msg.Of)
	if err != nil || k == nil {
		return nil, err // not wanted here yet; begin finds what was said
	}
	a, err := g.agreement(s, msg.Of)
	if err != nil || !slices.Contains(signers(a), st.From) {
		return nil, nil //nolint:nilerr // of nobody who signs
	}
	session, _, err := g.session(s, msg.Of, k)
	if err != nil || session == nil {
		return nil, err
	}
	share := session.Step() == seal.StepShare
	switch {
	case session.Ended() && k.Approved: // a restart, which nobody has noticed yet
	case st.Kind == kindHeld:
		if slices.Contains(k.Held, st.From) {
			return nil, nil
		}
		k.Held = append(k.Held, st.From)
	case msg.Attempt > k.Attempt && msg.Attempt <= maxAttempts && st.Kind == signKinds[seal.StepHello] && k.Approved && !share && s.mayBegin(a) == nil:
		session.Abort()
		return g.begin(s, a, k, msg.Attempt)
	case msg.Attempt != k.Attempt || k.Done || session.Ended():
		return nil, nil
	case st.Kind == kindStop && share:
		// What was sent may still be completed, so this station waits for the rest.
		return nil, g.report(s, a.ID, negotiation.AgreementStalled, "another party stopped")
	case st.Kind == kindStop:
		session.Abort()
	case !share && s.mayBegin(a) != nil, !s.Now.Before(lapses(a)):
		// A consent was withdrawn, or the time is over. Once the own share is out only
		// the time counts: who has it could otherwise complete the signature alone, by
		// withdrawing what this attempt stands on.
		session.Abort()
	default:
		said := g.hear(s, a, k, session, st.From, msg)
		more, err := g.settle(s, a, k, session)
		return append(said, more...), err
	}
	return g.settle(s, a, k, session)
}

// Tick takes the steps of handshakes, ends what has lapsed and what a restart ended.
func (g *Signings) Tick(s *Seat) ([]Saying, error) {
	all := s.Room.AgreementsAt(s.Now)
	out, err := s.confirm(all)
	if err != nil {
		return nil, err
	}
	for i := range all {
		a := &all[i]
		k, err := g.load(s, a.ID)
		if err != nil {
			return nil, err
		}
		if k == nil || k.Done {
			continue
		}
		session, restarted, err := g.session(s, a.ID, k)
		if err != nil {
			return nil, err
		}
		switch {
		case !s.Now.Before(lapses(a)):
			if session != nil {
				session.Abort()
			}
			delete(g.live, place{s.Room.ID(), a.ID})
			if err := errors.Join(g.report(s, a.ID, negotiation.AgreementLapsed, ""), s.Store.Drop(KindSigning, a.ID)); err != nil {
				return nil, err
			}
		case session == nil:
			if err := s.Store.Drop(KindSigning, a.ID); err != nil {
				return nil, err
			}
		case restarted && k.Approved && session.Ended():
			said, err := g.settle(s, a, k, session)
			if err != nil {
				return nil, err
			}
			out = append(out, said...)
		case k.Approved && !session.Ended() && session.Step() < seal.StepShare && s.mayBegin(a) != nil:
			session.Abort() // what it stood on was taken back
			said, err := g.settle(s, a, k, session)
			if err != nil {
				return nil, err
			}
			out = append(out, said...)
		case k.Approved && !session.Ended() && session.Step() < seal.StepShare && len(s.keysShown(a).other) > 0:
			session.Refuse(seal.ErrOtherKey) // noted only now
			said, err := g.settle(s, a, k, session)
			if err != nil {
				return nil, err
			}
			out = append(out, said...)
		}
	}
	return out, nil
}

// Wake is when Tick is due though nothing came in; zero if never.
func (g *Signings) Wake(s *Seat) (at time.Time, err error) {
	for _, kind := range []string{KindSigning, KindHandshake} {
		machines, err := s.Store.Machines(kind)
		if err != nil {
			return at, err
		}
		for _, m := range machines {
			b, ok := body[*negotiation.Agreement](s.Room, m.ID)
			if !ok {
				continue
			}
			if w := time.Unix(int64(b.Lapses), 0).UTC(); w.After(s.Now) && (at.IsZero() || w.Before(at)) {
				at = w
			}
		}
	}
	return at, nil
}

// Progress is how far the signing of an agreement is, for its users.
type Progress struct {
	Attempt  uint64                 `json:"attempt" doc:"counted from 1; 0 if nobody has begun"`
	Approved bool                   `json:"approved" doc:"the own user wants to sign"`
	Begun    []negotiation.MemberID `json:"begun" doc:"who wants to sign, in the latest attempt"`
	Shared   []negotiation.MemberID `json:"shared" doc:"whose share is here, the own included"`
	Held     []negotiation.MemberID `json:"held" doc:"who says that it holds the signed text"`
	Last     *negotiation.MemberID  `json:"last,omitempty" doc:"who sends its share last"`

	// Keys are those that others showed, each in its latest attempt, at level public.
	Keys map[negotiation.MemberID]seal.PublicKey `json:"keys,omitempty"`
	// Other are those of them whose key is not the one that is noted.
	Other []negotiation.MemberID `json:"other,omitempty"`
}

// Progress describes a signing.
func (g *Signings) Progress(s *Seat, id negotiation.ID) (p Progress, err error) {
	p = Progress{Begun: []negotiation.MemberID{}, Shared: []negotiation.MemberID{}, Held: []negotiation.MemberID{}}
	a, err := g.agreement(s, id)
	if err != nil {
		return p, err
	}
	k, err := g.load(s, id)
	if err != nil {
		return p, err
	}
	if k != nil {
		p.Attempt, p.Approved = k.Attempt, k.Approved || k.Done
		p.Held = append(p.Held, k.Held...)
		if k.Done {
			p.Held = append(p.Held, s.Room.Self())
		}
	}
	list := s.Room.Opaque(negotiation.PrefixSign)
	for _, st := range list {
		if m, ok := about(st, id); ok && m.Attempt <= maxAttempts && carriesSeal(st.Kind) {
			p.Attempt = max(p.Attempt, m.Attempt)
		}
	}
	who := signers(a)
	for _, st := range list {
		m, ok := about(st, id)
		if !ok || m.Attempt != p.Attempt || !slices.Contains(who, st.From) {
			continue
		}
		switch st.Kind {
		case signKinds[seal.StepHello]:
			p.Begun = once(p.Begun, st.From)
		case signKinds[seal.StepShare]:
			p.Shared = once(p.Shared, st.From)
		}
	}
	shown := s.keysShown(a)
	p.Keys, p.Other = shown.keys, shown.other
	var third []seal.ID
	var all []seal.ID
	for _, m := range who {
		all = append(all, seal.ID(m))
		if !slices.Contains(a.Parties, m) {
			third = append(third, seal.ID(m))
		}
	}
	if last, err := seal.CompletesLast(all, third); err == nil {
		m := negotiation.MemberID(last)
		p.Last = &m
	}
	return p, nil
}

func once(list []negotiation.MemberID, m negotiation.MemberID) []negotiation.MemberID {
	if slices.Contains(list, m) {
		return list
	}
	return append(list, m)
}

// PublishedKey makes a seal key for a station to publish.
func PublishedKey(random io.Reader) (*seal.Key, error) {
	var uniform [seal.UniformSize]byte
	if _, err := io.ReadFull(random, uniform[:]); err != nil {
		return nil, errors.New("drawing randomness: the source failed")
	}
	defer clear(uniform[:])
	return seal.NewKey(uniform)
}
