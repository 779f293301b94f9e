package station

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/vault"
)

// sealKeySetting is the vault's place for the published seal key.
const sealKeySetting = "seal-key"

// kindUse is the kind of machine that notes a round for the quota: as long as it
// counts, and as long as the room with its members is here.
const kindUse = "use"

// conductor is the driver of blind rounds and signings. All that it keeps is in the
// vault but the nonces of signings, which must not outlive the process.
type conductor struct {
	lanes int
	signs *conduct.Signings
	last  time.Time // when it was last called
}

func newConductor(lanes int) *conductor {
	return &conductor{lanes: lanes, signs: conduct.NewSignings()}
}

// conductor is that of the table.
func (t *table) conductor() *conductor {
	for _, d := range t.drivers {
		if c, ok := d.(*conductor); ok {
			return c
		}
	}
	return newConductor(t.lanes) // a table without drivers looks, and carries nothing
}

// machines is the store of one room in one transaction.
type machines struct {
	tx   *vault.Tx
	room int64
}

func (m machines) Machines(kind string) (out []conduct.Machine, err error) {
	all, err := m.tx.Machines(m.room, kind)
	for _, k := range all {
		if len(k.ID) != negotiation.IDSize {
			return nil, errors.Join(vault.ErrDamaged, err)
		}
		out = append(out, conduct.Machine{ID: negotiation.ID(k.ID), State: k.State})
	}
	return out, err
}

func (m machines) Put(kind string, x conduct.Machine) error {
	return m.tx.PutMachine(m.room, kind, x.ID[:], x.State)
}

func (m machines) Drop(kind string, id negotiation.ID) error {
	return m.tx.DropMachine(m.room, kind, id[:])
}

func (c *conductor) seat(tx *vault.Tx, r *openRoom, now time.Time) *conduct.Seat {
	return &conduct.Seat{Room: r.room, Store: machines{tx, r.number}, Lanes: c.lanes, Now: now, Random: rand.Reader,
		Published: func() (*seal.Key, error) { return sealKey(tx) },
		Noted:     func(m negotiation.MemberID) (seal.PublicKey, bool) { return notedKey(tx, r, m) }}
}

// notedKey is the published key of a member, as the user noted it.
func notedKey(tx *vault.Tx, r *openRoom, m negotiation.MemberID) (k seal.PublicKey, ok bool) {
	for _, x := range r.room.Charter().Members {
		if x.ID == m && m != r.room.Self() {
			c, err := tx.Contact(contact.ID(x.Contact))
			return k, err == nil && copy(k[:], c.SealKey) == len(k)
		}
	}
	return k, false
}

// sealKey is the published seal key. It is made when it is first needed.
func sealKey(tx *vault.Tx) (*seal.Key, error) {
	b, err := tx.Setting(sealKeySetting)
	if err == nil {
		k, err := seal.ParseKey(b)
		if err != nil {
			return nil, vault.ErrDamaged
		}
		return k, nil
	}
	if !errors.Is(err, vault.ErrNotFound) {
		return nil, err
	}
	k, err := conduct.PublishedKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return k, tx.PutSetting(sealKeySetting, k.Secret())
}

func (c *conductor) received(tx *vault.Tx, r *openRoom, st *negotiation.Statement, now time.Time) ([]saying, error) {
	c.last = now
	s := c.seat(tx, r, now)
	var out []conduct.Saying
	if st.From == r.room.Self() {
		said, err := c.said(tx, r, s, st)
		if err != nil {
			return nil, err
		}
		out = said
	}
	if strings.HasPrefix(string(st.Kind), negotiation.PrefixRound) {
		said, err := s.RoundReceived(st)
		return sayings(append(out, said...)), err
	}
	said, err := c.signs.Received(s, st)
	return sayings(append(out, said...)), err
}

// said is what follows what the user said, and refuses what could not be carried
// out.
func (c *conductor) said(tx *vault.Tx, r *openRoom, s *conduct.Seat, st *negotiation.Statement) ([]conduct.Saying, error) {
	switch b := st.Body.(type) {
	case *negotiation.Round:
		if !slices.Contains(b.Parties, r.room.Self()) {
			return nil, s.CheckProposal(b) // between others: they join, or do not
		}
		return c.join(tx, r, s, st.ID, b)
	case *negotiation.Join:
		if o, ok := r.room.Statement(b.Of); ok {
			if round, ok := o.Body.(*negotiation.Round); ok {
				return c.join(tx, r, s, b.Of, round)
			}
		}
	case *negotiation.Withdraw:
		if err := s.CheckTakingBack(b.Of); err != nil {
			return nil, err
		}
		return s.RoundTick()
	case *negotiation.Agreement:
		if b.Replaces != nil {
			if err := s.CheckTakingBack(*b.Replaces); err != nil {
				return nil, err
			}
		}
		return nil, s.CheckAgreement(b)
	case *negotiation.Consent:
		for _, a := range r.room.AgreementsAt(s.Now) {
			if a.Core == b.Core {
				return nil, s.CheckAgreement(a.Agreement)
			}
		}
	case *negotiation.Communique:
		return nil, checkCommunique(r, s.Now, b)
	case *negotiation.Approve:
		if o, ok := r.room.Statement(b.Of); ok {
			if q, ok := o.Body.(*negotiation.Communique); ok {
				return nil, checkCommunique(r, s.Now, q)
			}
		}
	}
	return nil, nil
}

func checkCommunique(r *openRoom, now time.Time, q *negotiation.Communique) error {
	for _, a := range r.room.AgreementsAt(now) {
		if a.ID == q.Agreement {
			return conduct.CheckCommunique(r.room, &a, q)
		}
	}
	return nil // the room refuses it by itself
}

// join takes part in a round if the quota has one left, and counts it.
func (c *conductor) join(tx *vault.Tx, r *openRoom, s *conduct.Seat, id negotiation.ID, b *negotiation.Round) ([]conduct.Saying, error) {
	left, next, err := quota(tx, r, b, s.Now)
	if err != nil {
		return nil, err
	}
	if left == 0 {
		return nil, fault(CodeConflict, "joining the blind round: %s The next is possible from %s", blind.Texts[blind.TextQuotaEmpty], next.UTC().Format("2006-01-02 15:04 UTC"))
	}
	out, err := s.JoinRound(id)
	if err != nil {
		return nil, err
	}
	var uses []blind.Use
	for _, m := range b.Parties {
		for _, issue := range issuesOf(r.room, b) {
			if who, ok := contactOf(r.room, m); ok {
				uses = append(uses, blind.Use{Contact: who, Issue: issue, At: s.Now})
			}
		}
	}
	state, err := json.Marshal(uses)
	if err != nil {
		return nil, err
	}
	return out, tx.PutMachine(r.number, kindUse, id[:], state)
}

func contactOf(room *negotiation.Room, m negotiation.MemberID) (string, bool) {
	for _, k := range room.Charter().Members {
		if k.ID == m && m != room.Self() {
			c := contact.ID(k.Contact)
			return hex.EncodeToString(c[:]), true
		}
	}
	return "", false
}

// issuesOf are the issues that a round is about, by their titles: a new room, or a
// new revision of the agenda, is no new quota.
func issuesOf(room *negotiation.Room, b *negotiation.Round) (list []string) {
	st, ok := room.Statement(b.Agenda)
	if !ok {
		return []string{""}
	}
	a, ok := st.Body.(*negotiation.Agenda)
	if !ok {
		return []string{""}
	}
	add := func(n uint64) {
		if i, ok := a.Issue(n); ok {
			if title := strings.ToLower(strings.TrimSpace(i.Title)); !slices.Contains(list, title) {
				list = append(list, title)
			}
		}
	}
	if b.Mode == negotiation.Ladder {
		add(b.Issue)
	}
	for _, id := range b.Packages {
		if st, ok := room.Statement(id); ok {
			if p, ok := st.Body.(*negotiation.Package); ok {
				for n := range p.Values {
					add(n)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// quota is how many more rounds about the issues of b may be joined with its
// parties, in whatever room.
func quota(tx *vault.Tx, r *openRoom, b *negotiation.Round, now time.Time) (left int, next time.Time, err error) {
	rooms, err := tx.Rooms()
	if err != nil {
		return 0, next, err
	}
	var used []blind.Use
	for _, k := range rooms {
		kept, err := tx.Machines(k.Number, kindUse)
		if err != nil {
			return 0, next, err
		}
		for _, m := range kept {
			var uses []blind.Use
			if err := json.Unmarshal(m.State, &uses); err != nil {
				return 0, next, errors.Join(vault.ErrDamaged, err)
			}
			used = append(used, uses...)
		}
	}
	var contacts []string
	for _, m := range b.Parties {
		if c, ok := contactOf(r.room, m); ok {
			contacts = append(contacts, c)
		}
	}
	left = blind.QuotaRounds
	for _, issue := range issuesOf(r.room, b) {
		n, at := blind.Quota(used, contacts, issue, now)
		left = min(left, n)
		if at.After(next) {
			next = at
		}
	}
	return left, next, nil
}

// forgetUses drops what counts no more.
func forgetUses(tx *vault.Tx, r *openRoom, now time.Time) error {
	kept, err := tx.Machines(r.number, kindUse)
	if err != nil {
		return err
	}
	for _, m := range kept {
		var uses []blind.Use
		counts := json.Unmarshal(m.State, &uses) == nil && slices.ContainsFunc(uses, func(u blind.Use) bool { return u.At.Add(blind.QuotaSpan).After(now) })
		if !counts {
			if err := tx.DropMachine(r.number, kindUse, m.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget erases the messages of blind rounds and handshakes that have ended here:
// nothing that comes later needs them, and whoever seized the station and had a
// quantum computer one day could read the answers of all in them. Rounds that this
// station never joined end by the clock, like all others.
func (c *conductor) forget(tx *vault.Tx, r *openRoom, now time.Time) error {
	spent := map[negotiation.ID][]*negotiation.Statement{}
	for _, st := range r.room.Statements() {
		if of, _, ok := conduct.Spent(st); ok {
			spent[of] = append(spent[of], st)
		}
	}
	for _, kind := range []string{conduct.KindRound, conduct.KindHandshake} {
		under, err := tx.Machines(r.number, kind)
		if err != nil {
			return err
		}
		for _, m := range under {
			delete(spent, negotiation.ID(m.ID))
		}
	}
	if len(spent) == 0 {
		return nil
	}
	over := map[negotiation.ID]bool{}
	for _, v := range r.room.RoundsAt(now) {
		over[v.ID] = !v.State.Live()
	}
	for _, a := range r.room.AgreementsAt(now) {
		over[a.ID] = a.State.Final()
	}
	for of, list := range spent {
		for _, st := range list {
			if !over[of] {
				break
			}
			_, left, _ := conduct.Spent(st)
			row, err := r.room.Forget(st.ID, left)
			if err != nil {
				return err
			}
			if err := tx.ForgetRoomRow(r.number, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conductor) tick(tx *vault.Tx, r *openRoom, now time.Time) ([]saying, error) {
	c.last = now
	s := c.seat(tx, r, now)
	if err := forgetUses(tx, r, now); err != nil {
		return nil, err
	}
	out, err := s.RoundTick()
	if err != nil {
		return nil, err
	}
	said, err := c.signs.Tick(s)
	return sayings(append(out, said...)), err
}

func (c *conductor) wake(tx *vault.Tx, r *openRoom) (time.Time, error) {
	s := c.seat(tx, r, c.last)
	at, err := s.RoundWake()
	if err != nil {
		return at, err
	}
	other, err := c.signs.Wake(s)
	if at.IsZero() || !other.IsZero() && other.Before(at) {
		at = other
	}
	return at, err
}

// sayings are those of package conduct for the table.
func sayings(list []conduct.Saying) (out []saying) {
	for _, x := range list {
		y := saying{kind: x.Kind, body: x.Body}
		if !x.To.IsZero() {
			to := x.To
			y.to = &to
		}
		out = append(out, y)
	}
	return out
}

// statement finds a statement of a kind by its id or the first digits of it, four at
// least.
func statement[B negotiation.Body](r *openRoom, doing, ref string) (id negotiation.ID, b B, err error) {
	found := 0
	for _, st := range r.room.Statements() {
		body, ok := st.Body.(B)
		if ok && (st.ID.String() == ref || len(ref) >= 4 && strings.HasPrefix(st.ID.String(), strings.ToLower(ref))) {
			id, b = st.ID, body
			found++
		}
	}
	switch found {
	case 0:
		return id, b, fault(CodeNotFound, "%s: there is nothing of that kind with these digits in the room: \"backchannel room show\" lists what there is", doing)
	case 1:
		return id, b, nil
	}
	return id, b, fault(CodeInvalid, "%s: more than one has these digits: give more of the identifier", doing)
}
