package negotiation

import (
	"slices"
	"time"
)

// local is what a room keeps besides its rows: vouch keys and tags, which are
// erased, alarms that came of them, and what this member alone knows. It never
// leaves the station and is in no export.
type local struct {
	KeysOut  []keyOut            `cbor:"1,keyasint,omitempty"`
	KeysIn   []keyIn             `cbor:"2,keyasint,omitempty"`
	Tags     []tagRecord         `cbor:"3,keyasint,omitempty"`
	Hearsay  []hearsay           `cbor:"4,keyasint,omitempty"`
	Alarms   []Alarm             `cbor:"5,keyasint,omitempty"`
	Progress map[ID]string       `cbor:"6,keyasint,omitempty"` // states that another package reported
	Drafts   map[uint64]Offer    `cbor:"7,keyasint,omitempty"` // offers that were not sent
	NextID   uint64              `cbor:"8,keyasint,omitempty"`
	Notes    map[ID]string       `cbor:"9,keyasint,omitempty"`  // what Progress said besides the state
	Refusals map[MemberID]uint64 `cbor:"10,keyasint,omitempty"` // items not taken, kept or not
	Frozen   bool                `cbor:"11,keyasint,omitempty"`
	Outcomes map[ID]Outcome      `cbor:"12,keyasint,omitempty"` // of rounds
	Seals    map[ID]Seal         `cbor:"13,keyasint,omitempty"` // of agreements that were signed
	Shown    []shownRecord       `cbor:"14,keyasint,omitempty"` // what became of what this member was shown
	Bound    []ID                `cbor:"15,keyasint,omitempty"` // agreements that go on whatever becomes of the agenda
}

// Local is the part of a room that its rows do not hold, encoded for the vault. It
// has keys: it belongs under the vault's encryption and nowhere else.
func (r *Room) Local() []byte { return encode(&r.local) }

// Lasting is Local for a backup: without vouch keys and tags, which end with this
// station, and frozen, since a station that was restored may have forgotten what it
// said last.
func (r *Room) Lasting() []byte {
	l := r.local
	l.KeysOut, l.KeysIn, l.Tags, l.Hearsay, l.Frozen = nil, nil, nil, nil, true
	l.Shown = slices.Clone(l.Shown)
	for i := range l.Shown {
		l.Shown[i].Tag = nil
		if l.Shown[i].State == ShownWaits {
			l.Shown[i].State = ShownUnknown
		}
	}
	return encode(&l)
}

func (l *local) normalize() {
	for i := range l.Alarms {
		l.Alarms[i].At = l.Alarms[i].At.UTC()
	}
}

// Freeze ends this member's part in the room for good: it listens and says nothing
// more. A station that was restored from a backup does it in every room, because it
// may have forgotten what it said last and would say something else in its place. The
// others are told in words; the members go on in a new room.
func (r *Room) Freeze() { r.local.Frozen = true }

// Frozen reports that this member says nothing more here.
func (r *Room) Frozen() bool { return r.local.Frozen }

// KeepDraft keeps an offer that is not sent yet, under number; 0 is a new one. It
// returns the number.
func (r *Room) KeepDraft(number uint64, o Offer) (uint64, error) {
	if _, ok := r.local.Drafts[number]; number != 0 && !ok {
		return 0, refused("there is no draft %d", number)
	}
	if len(r.local.Drafts) >= MaxTerms && number == 0 {
		return 0, refused("%d offers are drafted already: send or drop one", MaxTerms)
	}
	if err := o.check(); err != nil {
		return 0, err
	}
	if number == 0 {
		r.local.NextID++
		number = r.local.NextID
	}
	if r.local.Drafts == nil {
		r.local.Drafts = map[uint64]Offer{}
	}
	r.local.Drafts[number] = o
	return number, nil
}

// Unsent finds a drafted offer.
func (r *Room) Unsent(number uint64) (Offer, bool) {
	o, ok := r.local.Drafts[number]
	return o, ok
}

// DropDraft forgets a drafted offer.
func (r *Room) DropDraft(number uint64) { delete(r.local.Drafts, number) }

// RoundProgress reports where a round stands for this member once package blind
// carries it: several steps of the table at once, because a party's message can come
// before its word that it joined. What is reported again changes the outcome only.
func (r *Room) RoundProgress(id ID, to RoundState, o Outcome, now time.Time) error {
	v := r.evaluate(seconds(now)).rounds[id]
	if v == nil {
		return refused("there is no such round in the room")
	}
	if to != v.State && !leads(roundNext, v.State, to) || to == RoundProposed || to == RoundJoined {
		return refused("a round that is %s cannot become %q", v.State, string(to))
	}
	if r.local.Progress == nil {
		r.local.Progress = map[ID]string{}
	}
	if r.local.Outcomes == nil {
		r.local.Outcomes = map[ID]Outcome{}
	}
	r.local.Progress[id], r.local.Outcomes[id] = string(to), o
	return nil
}

// Sealed keeps what the parties made together by signing, and reports the agreement
// sealed. Whether it holds is the caller's to check.
func (r *Room) Sealed(id ID, s Seal, now time.Time) error {
	if err := r.Progress(id, string(AgreementSealed), "", now); err != nil {
		return err
	}
	if r.local.Seals == nil {
		r.local.Seals = map[ID]Seal{}
	}
	r.local.Seals[id] = s
	return nil
}

// Bound reports that this member has confirmed an agreement to somebody, who may count
// it as confirmed from now on, or that this copy shows that it had begun to sign it: only
// a missing consent and the time are still in the way of what follows.
func (r *Room) Bound(id ID) {
	if !slices.Contains(r.local.Bound, id) {
		r.local.Bound = append(r.local.Bound, id)
	}
}

// Progress reports where an agreement stands once package seal carries it. Only what
// the table allows is taken. note is shown beside the state, for instance who was
// invalid.
func (r *Room) Progress(id ID, state, note string, now time.Time) error {
	s, ok := r.byID[id]
	if !ok {
		return refused("there is no such statement in the room")
	}
	v := r.evaluate(seconds(now))
	allowed := false
	switch s.Body.(type) {
	case *Agreement:
		from, to := v.agreements[id].State, AgreementState(state)
		allowed = !slices.Contains([]AgreementState{AgreementDrafting, AgreementConsenting, AgreementReady}, to) && from.MayBecome(to) &&
			(to != AgreementConfirmed || v.agreements[id].body.Level == Handshake) && (to != AgreementCommitments || v.agreements[id].body.Level != Handshake)
	}
	if !allowed {
		return refused("it cannot become %q from where it stands", state)
	}
	if err := CheckLine("a note", note, MaxNote); err != nil {
		return err
	}
	if r.local.Progress == nil {
		r.local.Progress = map[ID]string{}
	}
	if r.local.Notes == nil { // also in a room made again, of which only rounds were reported
		r.local.Notes = map[ID]string{}
	}
	r.local.Progress[id], r.local.Notes[id] = state, note
	return nil
}
