package conduct

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/suite"
)

// Checked is what Replay found and checked.
type Checked struct {
	Rounds        int `json:"rounds"`        // blind rounds of which something was said
	RoundMessages int `json:"roundmessages"` // messages of them, with all their proofs
	Handshakes    int `json:"handshakes"`    // agreements of which something was confirmed
	Confirmations int `json:"confirmations"` // MACs of them that this copy can check
	Signings      int `json:"signings"`      // attempts to sign together
	SignMessages  int `json:"signmessages"`  // messages of them
	Signatures    int `json:"signatures"`    // signatures of all that hold
}

// Replay reads what the members of a room said in rounds and signings, as it came,
// with the code that carries them, and reports to the room where each stands. Whatever
// a member's station would not have said, or not have taken, is an error: a room that
// was written down has no such thing in it. now decides what has lapsed.
func Replay(room *negotiation.Room, now time.Time) (Checked, error) {
	r := replay{room: room, now: now, rounds: map[negotiation.ID]*blind.Watch{}, attempts: map[attempt]*seal.Watch{},
		shakes: map[negotiation.ID]*shake{}, last: map[negotiation.ID]time.Time{}, consented: map[party]bool{}, joined: map[negotiation.ID][]negotiation.MemberID{}, proposed: map[negotiation.ID]*negotiation.Round{}}
	r.agreements = room.AgreementsAt(now)
	for _, st := range room.Statements() {
		if err := r.hear(st); err != nil {
			return r.Checked, fmt.Errorf("%s of %s: %w", st.Kind, st.Time.UTC().Format("2006-01-02 15:04 UTC"), err)
		}
	}
	if err := r.reportRounds(); err != nil {
		return r.Checked, err
	}
	return r.Checked, r.reportSignings()
}

type replay struct {
	Checked
	room       *negotiation.Room
	now        time.Time
	proposed   map[negotiation.ID]*negotiation.Round
	joined     map[negotiation.ID][]negotiation.MemberID
	rounds     map[negotiation.ID]*blind.Watch
	agreements []negotiation.AgreementView
	attempts   map[attempt]*seal.Watch
	shakes     map[negotiation.ID]*shake
	consented  map[party]bool               // by core
	last       map[negotiation.ID]time.Time // when something of an agreement came last
}

type party struct {
	of  negotiation.ID
	who negotiation.MemberID
}

type attempt struct {
	of     negotiation.ID
	number uint64
}

// shake is a handshake as far as this member took part in it: the keys that it gave
// and was given, and who confirmed to whom.
type shake struct {
	given, taken map[negotiation.MemberID][suite.KeySize]byte // by the other
	sent, came   map[negotiation.MemberID]bool
}

func (r *replay) hear(st *negotiation.Statement) error {
	switch b := st.Body.(type) {
	case *negotiation.Round:
		r.proposed[st.ID] = b
		if slices.Contains(b.Parties, st.From) {
			r.joined[st.ID] = append(r.joined[st.ID], st.From)
		}
	case *negotiation.Consent:
		r.consented[party{b.Core, st.From}] = true
	case *negotiation.Join:
		r.joined[b.Of] = append(r.joined[b.Of], st.From)
	}
	round := strings.HasPrefix(string(st.Kind), negotiation.PrefixRound)
	if !round && !strings.HasPrefix(string(st.Kind), negotiation.PrefixSign) {
		return nil
	}
	m, err := ParseMessage(st.Raw)
	if err != nil {
		return err
	}
	if round {
		return r.hearRound(st, m)
	}
	return r.hearSigning(st, m)
}

// audience says what is wrong with whom a message was said to.
func (r *replay) audience(st *negotiation.Statement, parties []negotiation.MemberID) error {
	switch {
	case !slices.Contains(parties, st.From):
		return refused("it is by nobody who takes part")
	case st.Private() != (len(parties) != len(r.room.Members())):
		return refused("it was said to another audience than the parties")
	case st.Private() && !slices.Contains(parties, st.To):
		return refused("it was said to somebody who takes no part")
	}
	return nil
}

func (r *replay) hearRound(st *negotiation.Statement, m Message) error {
	b, ok := r.proposed[m.Of]
	switch {
	case !ok:
		return refused("it is about no round that is here")
	case m.Attempt != 0 || len(m.Bytes) == 0 || roundKinds[blind.Step(m.Bytes[0])] != st.Kind:
		return refused("it is not what its kind says")
	case !slices.Contains(r.joined[m.Of], st.From):
		return refused("its sender has not joined the round")
	}
	if err := r.audience(st, b.Parties); err != nil {
		return err
	}
	w := r.rounds[m.Of]
	if w == nil {
		var err error
		if w, err = blind.NewWatch(RoundParams(m.Of, b)); err != nil {
			return err
		}
		r.rounds[m.Of] = w
		r.Rounds++
	}
	if st.Private() && st.From == r.room.Self() && r.copied(st, m) {
		return nil // the same message to another party
	}
	r.RoundMessages++
	return w.Hear(blind.MemberID(st.From), st.Time, m.Bytes)
}

// copied reports that this member said the same to another party before: a message to
// each of several parties is one message.
func (r *replay) copied(st *negotiation.Statement, m Message) bool {
	for _, other := range r.room.Statements() {
		if other == st {
			return false
		}
		if other.From == st.From && other.Kind == st.Kind && other.To != st.To {
			if n, ok := about(other, m.Of); ok && n.Attempt == m.Attempt && slices.Equal(n.Bytes, m.Bytes) {
				return true
			}
		}
	}
	return false
}

func (r *replay) hearSigning(st *negotiation.Statement, m Message) error {
	i := slices.IndexFunc(r.agreements, func(a negotiation.AgreementView) bool { return a.ID == m.Of })
	if i < 0 {
		return refused("it is about no agreement that is here")
	}
	a := &r.agreements[i]
	r.last[a.ID] = st.At
	if !r.consented[party{a.Core, st.From}] {
		return refused("its sender has not consented to the agreement")
	}
	if a.Level == negotiation.Handshake {
		return r.hearShake(st, m, a)
	}
	if err := r.audience(st, signers(a)); err != nil {
		return err
	}
	if m.Attempt == 0 || m.Attempt > maxAttempts {
		return refused("there is no such attempt")
	}
	w := r.attempts[attempt{m.Of, m.Attempt}]
	if w == nil {
		p, err := signParams(r.room, a)
		if err != nil {
			return err
		}
		if w, err = seal.NewWatch(p); err != nil {
			return err
		}
		r.attempts[attempt{m.Of, m.Attempt}] = w
		r.Signings++
	}
	if st.Private() && st.From == r.room.Self() && r.copied(st, m) {
		return nil
	}
	r.SignMessages++
	switch {
	case st.Kind == kindStop && len(m.Bytes) == 0:
		return nil
	case st.Kind == kindHeld && len(m.Bytes) == 0:
		if w.Sent(seal.ID(st.From)) != seal.StepShare {
			return refused("its sender says that it holds what it has not signed")
		}
		return nil
	case len(m.Bytes) == 0 || signKinds[seal.Step(m.Bytes[0])] != st.Kind:
		return refused("it is not what its kind says")
	}
	before := w.Signature() != nil
	err := w.Hear(seal.ID(st.From), m.Bytes)
	if err == nil && !before && w.Signature() != nil {
		r.Signatures++
	}
	return err
}

// signParams are what the parties of an agreement agree on when they sign it; Self is
// left out.
func signParams(room *negotiation.Room, a *negotiation.AgreementView) (p seal.Params, err error) {
	p = seal.Params{Core: seal.Core(a.Core), Level: seal.Level(a.Level.String())}
	if p.Text, err = SignedText(room, a.Agreement); err != nil {
		return p, err
	}
	var third []seal.ID
	for _, m := range signers(a) {
		p.Parties = append(p.Parties, seal.ID(m))
		if !slices.Contains(a.Parties, m) {
			third = append(third, seal.ID(m))
		}
	}
	if p.Last, err = seal.CompletesLast(p.Parties, third); err != nil {
		return p, refused("%v", err)
	}
	return p, nil
}

func (r *replay) hearShake(st *negotiation.Statement, m Message, a *negotiation.AgreementView) error {
	who := signers(a)
	if !st.Private() || !slices.Contains(who, st.From) || !slices.Contains(who, st.To) || m.Attempt != 0 || len(m.Bytes) != suite.KeySize {
		return refused("it is no part of a handshake between two whom the agreement concerns")
	}
	h := r.shakes[a.ID]
	if h == nil {
		h = &shake{given: map[negotiation.MemberID][suite.KeySize]byte{}, taken: map[negotiation.MemberID][suite.KeySize]byte{},
			sent: map[negotiation.MemberID]bool{}, came: map[negotiation.MemberID]bool{}}
		r.shakes[a.ID] = h
		r.Handshakes++
	}
	own := st.From == r.room.Self()
	keys, under, done, other := h.taken, h.given, h.came, st.From
	if own {
		keys, under, done, other = h.given, h.taken, h.sent, st.To
	}
	switch st.Kind {
	case kindKey:
		if _, twice := keys[other]; twice {
			return refused("a second key for one handshake")
		}
		keys[other] = [suite.KeySize]byte(m.Bytes)
		return nil
	case kindConfirm:
		key, ok := under[other]
		if !ok || done[other] {
			return refused("it confirms under no key that was given, or twice")
		}
		if !seal.Confirmed(key, seal.Core(a.Core), seal.ID(st.From), m.Bytes) {
			return refused("the confirmation is not one of this agreement under the key that was given")
		}
		done[other] = true
		r.Confirmations++
		return nil
	}
	return refused("a handshake has no such message")
}

func (r *replay) reportRounds() error {
	for id, w := range r.rounds {
		st := w.Status()
		to, o := roundOutcome(st, w.Params())
		switch {
		case st.State < blind.Keyed:
			continue
		case st.State < blind.Match && !r.now.Before(w.Params().Deadline):
			to, o.Item = negotiation.RoundLapsed, nil
		}
		if err := r.room.RoundProgress(id, to, o, r.now); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) reportSignings() error {
	for i := range r.agreements {
		a := &r.agreements[i]
		// What came too late changes nothing, here as at the station.
		tell := func(to negotiation.AgreementState, at time.Time) error {
			if err := r.room.Progress(a.ID, string(to), "", at); err != nil && !errors.Is(err, ErrRefused) {
				return err
			}
			return nil
		}
		progress := func(to negotiation.AgreementState) error { return tell(to, r.last[a.ID]) }
		others := len(signers(a)) - 1
		// What was said later, of the agenda above all, changes nothing of what had begun.
		if h := r.shakes[a.ID]; h != nil && len(h.sent) > 0 {
			r.room.Bound(a.ID)
		}
		if h := r.shakes[a.ID]; h != nil && len(h.sent) == others && len(h.came) == others {
			if err := progress(negotiation.AgreementConfirmed); err != nil {
				return err
			}
		}
		for n := uint64(1); n <= maxAttempts; n++ {
			w := r.attempts[attempt{a.ID, n}]
			if w == nil {
				continue
			}
			if w.Sent(seal.ID(r.room.Self())) >= seal.StepCommit {
				r.room.Bound(a.ID)
			}
			for _, step := range []struct {
				at seal.Step
				to negotiation.AgreementState
			}{{seal.StepHello, negotiation.AgreementCommitments}, {seal.StepEcho, negotiation.AgreementNonces}, {seal.StepNonce, negotiation.AgreementShares}} {
				if w.Reached() < step.at {
					break
				}
				if err := progress(step.to); err != nil {
					return err
				}
			}
			switch {
			case w.Signature() != nil:
				made := negotiation.Seal{Signers: signers(a), Signature: w.Signature()}
				for _, pk := range w.Keys() {
					made.Keys = append(made.Keys, pk[:])
				}
				if err := r.room.Sealed(a.ID, made, r.last[a.ID]); err != nil && !errors.Is(err, ErrRefused) {
					return err
				}
			case r.stopped(a.ID, n):
				if err := progress(negotiation.AgreementStalled); err != nil {
					return err
				}
			}
		}
		if !r.now.Before(lapses(a)) {
			if err := tell(negotiation.AgreementLapsed, r.now); err != nil {
				return err
			}
		}
	}
	return r.checkCommuniques()
}

// stopped reports that a party has said of an attempt that it ended.
func (r *replay) stopped(of negotiation.ID, number uint64) bool {
	return slices.ContainsFunc(r.room.Opaque(string(kindStop)), func(st *negotiation.Statement) bool {
		m, ok := about(st, of)
		return ok && m.Attempt == number
	})
}

// checkCommuniques refuses a communiqué with keys or a signature that the parties did
// not make.
func (r *replay) checkCommuniques() error {
	all := r.room.AgreementsAt(r.now)
	for _, q := range r.room.CommuniquesAt(r.now) {
		if len(q.Keys)+len(q.Signature) == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(a negotiation.AgreementView) bool { return a.ID == q.Agreement })
		if i < 0 || all[i].Seal == nil {
			continue // of what this copy does not have
		}
		if err := CheckCommunique(r.room, &all[i], q.Communique); err != nil {
			return err
		}
	}
	return nil
}
