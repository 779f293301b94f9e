package station

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
)

// defaultExpiry is how long an invitation holds unless said otherwise.
const defaultExpiry = 7 * 24 * time.Hour

// seen is what the node knows of a contact, copied out of its goroutine.
type seen struct {
	contact  contact.Contact
	phase    pairwise.Phase
	ready    bool
	together bool
	restored bool // met again, or to be met again, from a backup
	held     bool // what waits for it is not sent
	lane     int  // from 1, 0 when parked
	leaving  *uint64

	generation uint64    // of its keys: words that were compared belong to one
	words      [4]uint16 // once introduced
}

// people copies what the node knows of every contact.
func (s *Station) people(ctx context.Context) (out []seen, now time.Time, err error) {
	err = s.do(ctx, func(t time.Time) {
		now = t
		e, _ := s.nw.Params.EpochAt(t)
		for _, c := range s.node.talks {
			k := seen{contact: c.contact, phase: c.session.Phase(), ready: c.session.Version() > 0, together: s.node.together(c.contact.ID), restored: c.session.Restored(),
				held: c.session.Withheld(), generation: c.session.Generation()}
			k.words, _ = c.session.Words()
			if l, ok := s.node.lanes.Of(c.contact.ID, e); ok {
				k.lane = l.Lane + 1
				if l.Leaves > 0 {
					k.leaving = &l.Leaves
				}
			}
			out = append(out, k)
		}
	})
	sortSeen(out)
	return out, now, err
}

func sortSeen(all []seen) {
	for i := 1; i < len(all); i++ {
		for j := i; j > 0 && all[j].contact.Created.Before(all[j-1].contact.Created); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

func (s *Station) info(k seen, now time.Time, sum vault.Summary) ContactInfo {
	c := ContactInfo{
		ID: hex.EncodeToString(k.contact.ID[:]), Name: k.contact.Name, Verified: k.contact.Verified,
		Ready: k.ready, Together: k.together, Restored: k.restored && !k.contact.Verified, Held: k.held, Lane: k.lane, Created: k.contact.Created,
		Waiting: sum.Waiting, Unread: sum.Unread, Rooms: sum.Rooms, LastItem: moment(sum.Last),
		Muted: k.contact.Muted, Expiry: int64(k.contact.Expiry / time.Second), SealKey: hex.EncodeToString(k.contact.SealKey),
	}
	switch k.phase {
	case pairwise.Introduced:
		c.State = StateIntroduced
	case pairwise.Introducing:
		c.State = StateIntroducing
	case pairwise.Refused:
		c.State = StateRefused
	case pairwise.Restoring:
		c.State = StateRestoring
	case pairwise.Lost:
		c.State = StateLost
	default:
		c.State = StateAccepted
		if k.contact.Role == pairwise.Inviter {
			c.State = StateInvited
		}
		if !k.contact.Expires.IsZero() {
			t := k.contact.Expires
			c.Expires = &t
			if !now.Before(t) {
				c.State = StateExpired
			}
		}
		if k.contact.Role == pairwise.Inviter && k.contact.Invitation != "" && c.State == StateInvited {
			c.Invitation = invitationOf(k.contact.Invitation)
		}
	}
	if k.leaving != nil {
		t := s.nw.Params.EpochStart(*k.leaving)
		c.Leaving = &t
	}
	return c
}

// Contacts lists all contacts, oldest first.
func (s *Station) Contacts(ctx context.Context) ([]ContactInfo, error) {
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	all, now, err := s.people(ctx)
	if err != nil {
		return nil, err
	}
	var sums map[contact.ID]vault.Summary
	var from time.Time
	restored := false
	if err := v.View(func(tx *vault.Tx) (err error) {
		if sums, err = tx.Summaries(); err != nil {
			return err
		}
		from, restored, err = tx.RestoredFrom()
		return err
	}); err != nil {
		return nil, s.trouble("listing contacts", err)
	}
	out := make([]ContactInfo, 0, len(all))
	for _, k := range all {
		c := s.info(k, now, sums[k.contact.ID])
		if restored && !c.Created.After(from) {
			c.Backup = &from
		}
		out = append(out, c)
	}
	return out, nil
}

// Contact returns one contact by identifier or exact name.
func (s *Station) Contact(ctx context.Context, ref string) (ContactInfo, error) {
	all, err := s.Contacts(ctx)
	if err != nil {
		return ContactInfo{}, err
	}
	for _, c := range all {
		if c.ID == ref || c.Name == ref {
			return c, nil
		}
	}
	return ContactInfo{}, fault(CodeNotFound, "there is no contact of that name: \"backchannel contacts\" lists them")
}

// find resolves a reference to what the node holds.
func (s *Station) find(ctx context.Context, ref string) (seen, error) {
	if _, err := s.open(); err != nil {
		return seen{}, err
	}
	all, _, err := s.people(ctx)
	if err != nil {
		return seen{}, err
	}
	for _, k := range all {
		if k.contact.Name == ref || hex.EncodeToString(k.contact.ID[:]) == ref {
			return k, nil
		}
	}
	return seen{}, fault(CodeNotFound, "there is no contact of that name: \"backchannel contacts\" lists them")
}

// checkName refuses names that could not be told apart or shown.
func (s *Station) checkName(ctx context.Context, name string, except contact.ID) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || !utf8.ValidString(name) || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fault(CodeInvalid, "a contact's name is 1 to 200 bytes of text on one line")
	}
	if name == "." || name == ".." { // stand for something else in the address of a contact
		return "", fault(CodeInvalid, "a contact's name is more than dots: choose another")
	}
	all, _, err := s.people(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.contact.Name == name && k.contact.ID != except {
			return "", fault(CodeConflict, "there is a contact of that name already: choose another")
		}
	}
	return name, nil
}

// Invite makes an invitation and gives it an idle lane if there is one.
func (s *Station) Invite(ctx context.Context, name string, expires time.Duration) (ContactInfo, error) {
	if expires == 0 {
		expires = defaultExpiry
	}
	return s.meet(ctx, name, func(now time.Time, epoch uint64) (contact.Contact, contact.Invitation, error) {
		inv, err := contact.NewInvitation(s.net, epoch, expires, s.nw.Params)
		if err != nil {
			return contact.Contact{}, inv, &Error{CodeInvalid, "making an invitation", err}
		}
		return contact.Contact{Role: pairwise.Inviter, Expires: inv.Expiry(s.nw.Params), Invitation: inv.Text()}, inv, nil
	})
}

// Accept accepts an invitation given as text or words.
func (s *Station) Accept(ctx context.Context, name, invitation string) (ContactInfo, error) {
	return s.meet(ctx, name, func(now time.Time, epoch uint64) (contact.Contact, contact.Invitation, error) {
		inv, err := contact.ParseInvitation(contact.FindInvitation(invitation))
		if err == nil {
			err = inv.Check(s.net, s.nw.Params, now)
		}
		if err != nil {
			return contact.Contact{}, inv, &Error{CodeInvalid, "accepting the invitation", err}
		}
		return contact.Contact{Role: pairwise.Invitee, Expires: inv.Expiry(s.nw.Params)}, inv, nil
	})
}

// usedPrefix begins the settings that remember used invitations.
const usedPrefix = "used/"

// useOnce remembers by a hash, together with the contact that it makes, that this
// station made or accepted an invitation. Its value is that contact: whoever finds
// the hash could confirm an invitation, so it is burned with the contact.
func useOnce(tx *vault.Tx, inv contact.Invitation, id contact.ID) error {
	h := suite.Digest(inv.Sigma[:])
	key := usedPrefix + hex.EncodeToString(h[:])
	switch _, err := tx.Setting(key); {
	case err == nil:
		return fault(CodeConflict, "accepting the invitation: it was used on this station already: ask for another")
	case !errors.Is(err, vault.ErrNotFound):
		return err
	}
	return tx.PutSetting(key, id[:])
}

// meet makes a contact durable and then part of the schedule.
func (s *Station) meet(ctx context.Context, name string, make func(now time.Time, epoch uint64) (contact.Contact, contact.Invitation, error)) (ContactInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return ContactInfo{}, err
	}
	if name, err = s.checkName(ctx, name, contact.ID{}); err != nil {
		return ContactInfo{}, err
	}
	var now time.Time
	var lanes contact.Lanes
	if err := s.do(ctx, func(t time.Time) { now, lanes = t, s.node.Lanes() }); err != nil {
		return ContactInfo{}, err
	}
	epoch, ok := s.nw.Params.EpochAt(now)
	if !ok {
		epoch = 0
	}
	c, inv, err := make(now, epoch)
	if err != nil {
		return ContactInfo{}, err
	}
	session := pairwise.NewSession(c.Role, inv.Sigma, uint64(inv.IssueEpoch))
	suite.Random(c.ID[:])
	c.Name, c.Created, c.Expiry = name, now, time.Duration(s.PageOptions().Expiry)*time.Second
	next, err := lanes.Assign(c.ID, epoch)
	if err != nil && !errors.Is(err, contact.ErrNoIdleLane) {
		return ContactInfo{}, s.trouble("giving the contact a lane", err)
	}
	if err == nil {
		lanes = next
	}
	delta, token := session.Take()
	if err := v.Update(func(tx *vault.Tx) error {
		if err := useOnce(tx, inv, c.ID); err != nil {
			return err
		}
		if err := tx.PutContact(c); err != nil {
			return err
		}
		if err := tx.PutLanes(lanes); err != nil {
			return err
		}
		return tx.SaveSession(c.ID, delta)
	}); err != nil {
		return ContactInfo{}, s.trouble("keeping the contact", err)
	}
	session.Saved(token)
	if err := s.do(ctx, func(time.Time) {
		s.node.SetLanes(lanes)
		s.node.Add(Loaded{Contact: c, Session: session})
	}); err != nil {
		return ContactInfo{}, err
	}
	return s.one(ctx, c.ID)
}

// one describes a contact by identifier. The caller holds mu.
func (s *Station) one(ctx context.Context, id contact.ID) (ContactInfo, error) {
	all, now, err := s.people(ctx)
	if err != nil {
		return ContactInfo{}, err
	}
	var sums map[contact.ID]vault.Summary
	if s.vault != nil {
		if err := s.vault.View(func(tx *vault.Tx) (err error) {
			sums, err = tx.Summaries()
			return err
		}); err != nil {
			return ContactInfo{}, s.trouble("looking for the contact", err)
		}
	}
	for _, k := range all {
		if k.contact.ID == id {
			return s.info(k, now, sums[id]), nil
		}
	}
	return ContactInfo{}, fault(CodeNotFound, "the contact is gone")
}

// Cancel withdraws an invitation that nobody has used and erases its key, with
// whatever waited for the invited.
func (s *Station) Cancel(ctx context.Context, ref string) error {
	k, err := s.find(ctx, ref)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return err
	}
	// Whether somebody came is decided where it would happen, and at once.
	var taken *conversation
	var lanes, before contact.Lanes
	if err := s.do(ctx, func(now time.Time) {
		c := s.node.talks[k.contact.ID]
		if c == nil || c.contact.Role != pairwise.Inviter || c.session.Phase() != pairwise.Waiting {
			return
		}
		e, _ := s.nw.Params.EpochAt(now)
		taken, before = c, s.node.Lanes()
		lanes = before.Remove(k.contact.ID, e)
		s.node.SetLanes(lanes)
		s.node.Remove(k.contact.ID)
	}); err != nil {
		return err
	}
	if taken == nil {
		return fault(CodeConflict, "cancelling the invitation: it was used: the contact is there")
	}
	err = v.Update(func(tx *vault.Tx) error {
		if err := tx.PutLanes(lanes); err != nil {
			return err
		}
		return tx.DeleteContact(k.contact.ID)
	})
	if err != nil {
		err = s.trouble("cancelling the invitation", err)
		return errors.Join(err, s.do(ctx, func(time.Time) {
			s.node.SetLanes(before)
			s.node.talks[k.contact.ID] = taken
		}))
	}
	s.table.stale = true // rooms to which it was invited went with it
	return nil
}

// change edits a contact in the vault and then in the node.
func (s *Station) change(ctx context.Context, doing string, k seen, edit func(*contact.Contact)) (ContactInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return ContactInfo{}, err
	}
	var c contact.Contact
	if err := v.Update(func(tx *vault.Tx) (err error) {
		c, err = tx.ChangeContact(k.contact.ID, edit)
		return err
	}); err != nil {
		return ContactInfo{}, s.trouble(doing, err)
	}
	stale := false
	if err := s.do(ctx, func(time.Time) {
		if conv := s.node.talks[c.ID]; conv != nil && conv.session.Generation() != k.generation {
			stale, c.Verified = c.Verified, false
		}
		s.node.SetContact(c)
	}); err != nil {
		return ContactInfo{}, err
	}
	if stale { // the words that were compared were those of keys that are gone
		if err := v.Update(func(tx *vault.Tx) error {
			_, err := tx.ChangeContact(c.ID, func(c *contact.Contact) { c.Verified = false })
			return err
		}); err != nil {
			return ContactInfo{}, s.trouble(doing, err)
		}
	}
	return s.one(ctx, c.ID)
}

// Rename gives a contact another name.
func (s *Station) Rename(ctx context.Context, ref, name string) (ContactInfo, error) {
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	if name, err = s.checkName(ctx, name, k.contact.ID); err != nil {
		return ContactInfo{}, err
	}
	return s.change(ctx, "renaming the contact", k, func(c *contact.Contact) { c.Name = name })
}

// Words returns the four words to compare by voice.
func (s *Station) Words(ctx context.Context, ref string) ([]string, error) {
	k, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if k.phase != pairwise.Introduced {
		return nil, fault(CodeConflict, "there are no words yet: both stations must have met first; look at \"backchannel contacts\"")
	}
	return k.spelled(), nil
}

func (k seen) spelled() []string {
	words := make([]string, len(k.words))
	for i, w := range k.words {
		words[i] = contact.Word(w)
	}
	return words
}

// Confirm marks a contact verified after its words were compared. Words says which
// they were: between showing and confirming them, a restore of the other side could
// have made others. Without words those of this moment are confirmed.
func (s *Station) Confirm(ctx context.Context, ref string, words ...string) (ContactInfo, error) {
	const doing = "confirming the words"
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	if k.phase != pairwise.Introduced {
		return ContactInfo{}, fault(CodeConflict, "%s: the stations have not met yet; there is nothing to compare", doing)
	}
	if named := strings.Fields(strings.ToLower(strings.Join(words, " "))); len(words) > 0 && !slices.Equal(named, k.spelled()) {
		return ContactInfo{}, fault(CodeConflict, "%s: they are not the words of this contact now: compare again those that \"backchannel words\" shows", doing)
	}
	c, err := s.change(ctx, doing, k, func(c *contact.Contact) { c.Verified = true })
	if err != nil {
		return c, err
	}
	changed := fault(CodeConflict, "%s: the stations agreed on new keys meanwhile: compare the new words", doing)
	if !c.Verified {
		return c, changed
	}
	return s.vouch(ctx, k, changed)
}

// vouch lets what waits for a contact go out under the keys that were looked at; others
// is the error if it has others by now.
func (s *Station) vouch(ctx context.Context, k seen, others error) (ContactInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.opened(); err != nil {
		return ContactInfo{}, err
	}
	same := false
	if err := s.do(ctx, func(time.Time) { same = s.node.Vouch(k.contact.ID, k.generation) }); err != nil {
		return ContactInfo{}, err
	}
	if !same {
		return ContactInfo{}, others
	}
	return s.one(ctx, k.contact.ID)
}

// Deliver lets what waits for a contact go out that was met again from a backup,
// although its words were not compared again. It stays unverified.
func (s *Station) Deliver(ctx context.Context, ref string) (ContactInfo, error) {
	const doing = "sending what waits"
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	switch {
	case !k.held:
		return ContactInfo{}, fault(CodeConflict, "%s: nothing is held back from this contact", doing)
	case k.phase != pairwise.Introduced:
		return ContactInfo{}, fault(CodeConflict, "%s: the stations have not met again yet: decide when they have", doing)
	}
	return s.vouch(ctx, k, fault(CodeConflict, "%s: the stations agreed on new keys meanwhile: look again", doing))
}

// AssignLane gives a contact an idle lane, at once.
func (s *Station) AssignLane(ctx context.Context, ref string) (ContactInfo, error) {
	return s.changeLanes(ctx, ref, func(l contact.Lanes, id contact.ID, epoch uint64) (contact.Lanes, error) {
		return l.Assign(id, epoch)
	})
}

// FreeLane takes a contact's lane away at a random epoch within the next hour: a
// contact sees from when to when its own lane is there, and the moment must not
// tell why.
func (s *Station) FreeLane(ctx context.Context, ref string) (ContactInfo, error) {
	return s.changeLanes(ctx, ref, func(l contact.Lanes, id contact.ID, epoch uint64) (contact.Lanes, error) {
		return l.Release(id, epoch, s.nw.Params)
	})
}

func (s *Station) changeLanes(ctx context.Context, ref string, edit func(contact.Lanes, contact.ID, uint64) (contact.Lanes, error)) (ContactInfo, error) {
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return ContactInfo{}, err
	}
	var lanes contact.Lanes
	var epoch uint64
	if err := s.do(ctx, func(now time.Time) {
		lanes = s.node.Lanes()
		epoch, _ = s.nw.Params.EpochAt(now)
	}); err != nil {
		return ContactInfo{}, err
	}
	if lanes, err = edit(lanes, k.contact.ID, epoch); err != nil {
		return ContactInfo{}, &Error{CodeConflict, "changing the lane", err}
	}
	if err := v.Update(func(tx *vault.Tx) error { return tx.PutLanes(lanes) }); err != nil {
		return ContactInfo{}, s.trouble("changing the lane", err)
	}
	if err := s.do(ctx, func(time.Time) { s.node.SetLanes(lanes) }); err != nil {
		return ContactInfo{}, err
	}
	return s.one(ctx, k.contact.ID)
}

func invitationOf(text string) *Invitation {
	inv, err := contact.ParseInvitation(text)
	if err != nil {
		return &Invitation{Text: text}
	}
	return &Invitation{Text: text, Words: inv.Words()}
}
