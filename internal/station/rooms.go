package station

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/pairwise"
	"backchannel/internal/vault"
)

// RoomView is what is on the table of a room.
type RoomView = negotiation.View

// RoomInfo describes a room, or one that is being made.
type RoomInfo struct {
	ID      string       `json:"id" doc:"32 hexadecimal digits; what members send about the making of the room has the same"`
	Title   string       `json:"title" doc:"the same for all members"`
	State   string       `json:"state" enum:"invited,joined,confirmed,complete,declined,differs,lapsed" doc:"complete: all members confirmed the same list, the room exists"`
	Reason  string       `json:"reason,omitempty" doc:"of declined and differs"`
	Inviter string       `json:"inviter,omitempty" doc:"the contact that invited; empty if this station did"`
	Size    int          `json:"size" doc:"members, oneself included"`
	Names   []string     `json:"names" doc:"of all members in the inviter's words, the inviter first"`
	Members []RoomMember `json:"members" doc:"the other members, as far as they were chosen among the contacts"`
	Created time.Time    `json:"created" doc:"when it was proposed, or the proposal arrived"`
	Frozen  bool         `json:"frozen" doc:"this station was restored from a backup and says nothing more here"`
	Said    int          `json:"said" doc:"statements of all members that are here"`
	Alarms  int          `json:"alarms" doc:"things that do not fit"`
	Last    *time.Time   `json:"last,omitempty" doc:"of the newest statement"`
	Unread  int          `json:"unread" doc:"statements of others that were not looked at; 1 for an invitation that was not"`
	Mark    int64        `json:"mark" doc:"how far this answer goes, for marking the room as looked at"`
}

// RoomMember is another member of a room.
type RoomMember struct {
	Contact  string `json:"contact" doc:"the contact's identifier"`
	Name     string `json:"name" doc:"the name given here"`
	Member   string `json:"member,omitempty" doc:"its identifier in this room, once it is known"`
	Verified bool   `json:"verified" doc:"the words of that contact were compared"`
	Waiting  int    `json:"waiting" doc:"items that it was not delivered yet, of whatever kind"`
}

// Room is a room with all that is on its table.
type Room struct {
	RoomInfo
	View *RoomView `json:"view,omitempty" doc:"what is on the table, once the room exists (docs/negotiation.md)"`
}

// Proposal is a room that somebody wants to make.
type Proposal struct {
	Title    string    `json:"title" doc:"what the room is called for all members"`
	Self     string    `json:"self" doc:"how to call oneself to the others"`
	Members  []Invitee `json:"members" doc:"whom to invite, oneself left out"`
	Previous string    `json:"previous,omitempty" doc:"a room that this one continues"`
}

// Invitee is a contact to be invited to a room.
type Invitee struct {
	Contact string `json:"contact" doc:"by identifier or name"`
	Name    string `json:"name" doc:"how to call it to the others: they choose among their contacts by it"`
}

// Saying is a statement that a user wants to make.
type Saying struct {
	Kind string          `json:"kind" doc:"agenda, confirm, package, offer, take, withdraw, comment, draft, round, join, agreement, consent, communique, approve, release, signal, letter"`
	To   string          `json:"to,omitempty" doc:"a member (identifier, or the contact's name) who alone is told; empty for the room"`
	Body json.RawMessage `json:"body" doc:"JSON of the kind (docs/negotiation.md)"`
}

// Said names a statement that was made.
type Said struct {
	ID string `json:"id" doc:"64 hexadecimal digits"`
}

// onTable runs f in one transaction over all rooms and sends what follows.
func (s *Station) onTable(ctx context.Context, doing string, f func(b *batch) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.opened(); err != nil {
		return err
	}
	var now time.Time
	if err := s.do(ctx, func(at time.Time) { now = at }); err != nil {
		return err
	}
	out, err := s.table.change(now, f)
	if errors.Is(err, negotiation.ErrRefused) {
		return &Error{CodeConflict, doing, err}
	}
	if err != nil {
		return s.trouble(doing, err)
	}
	defer s.nudge() // a driver may want to be called
	return s.follow(ctx, out)
}

// inRoom is onTable for one room that exists.
func (s *Station) inRoom(ctx context.Context, doing, ref string, f func(b *batch, r *openRoom) error) error {
	return s.onTable(ctx, doing, func(b *batch) error {
		r, err := b.t.named(ref)
		if err != nil {
			return err
		}
		if r.id.IsZero() {
			return fault(CodeConflict, "%s: the room does not exist yet: it is %s", doing, r.formation.State)
		}
		if err := r.open(b.tx); err != nil {
			return err
		}
		return f(b, r)
	})
}

// look runs f on a state of the vault and the table that does not change meanwhile.
func (s *Station) look(ctx context.Context, doing string, f func(tx *vault.Tx, now time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return err
	}
	var now time.Time
	if err := s.do(ctx, func(at time.Time) { now = at }); err != nil {
		return err
	}
	if err := s.table.load(); err != nil {
		return s.trouble(doing, err)
	}
	return s.trouble(doing, v.View(func(tx *vault.Tx) error { return f(tx, now) }))
}

// named finds a room by its identifier, the first digits of it (four at least), or
// its title.
func (t *table) named(ref string) (*openRoom, error) {
	var found []*openRoom
	for _, r := range t.all() {
		id := hex.EncodeToString(r.form[:])
		if ref == id {
			return r, nil
		}
		if r.formation.Plan.Title == ref || len(ref) >= 4 && strings.HasPrefix(id, strings.ToLower(ref)) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return nil, fault(CodeNotFound, "there is no such room: \"backchannel room list\" lists them")
	case 1:
		return found[0], nil
	}
	return nil, fault(CodeInvalid, "more than one room has that title or these digits: give more of its identifier")
}

// Rooms lists all rooms, also those that are being made or came to nothing, oldest
// first.
func (s *Station) Rooms(ctx context.Context) (out []RoomInfo, err error) {
	out = []RoomInfo{}
	err = s.look(ctx, "listing rooms", func(tx *vault.Tx, now time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		for _, r := range s.table.all() {
			if err := r.open(tx); err != nil {
				return err
			}
			info, err := r.info(tx, people, now)
			if err != nil {
				return err
			}
			out = append(out, info)
		}
		return nil
	})
	return out, err
}

// Room returns one room by identifier or title, with all that is on its table.
func (s *Station) Room(ctx context.Context, ref string) (out Room, err error) {
	err = s.look(ctx, "looking at the room", func(tx *vault.Tx, now time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		r, err := s.table.named(ref)
		if err == nil {
			err = r.open(tx)
		}
		if err != nil {
			return err
		}
		if out.RoomInfo, err = r.info(tx, people, now); err == nil && r.room != nil {
			out.View = r.room.View(now, people.names(r))
		}
		return err
	})
	return out, err
}

// people are the contacts of a vault.
type people struct {
	known   map[contact.ID]contact.Contact
	waiting map[contact.ID]int
}

func peopleOf(tx *vault.Tx) (p people, err error) {
	all, err := tx.Contacts()
	if err != nil {
		return p, err
	}
	p.known = map[contact.ID]contact.Contact{}
	for _, c := range all {
		p.known[c.ID] = c
	}
	p.waiting, err = tx.Waiting()
	return p, err
}

// names gives the names by which the user knows the members of a room.
func (p people) names(r *openRoom) func(negotiation.MemberID) string {
	return func(m negotiation.MemberID) string {
		for _, k := range r.room.Charter().Members {
			if k.ID == m && m != r.room.Self() {
				return p.known[contact.ID(k.Contact)].Name
			}
		}
		return "you"
	}
}

func (r *openRoom) info(tx *vault.Tx, p people, now time.Time) (RoomInfo, error) {
	f := r.formation
	out := RoomInfo{
		ID: hex.EncodeToString(r.form[:]), Title: f.Plan.Title, State: string(f.State), Reason: f.Reason,
		Size: int(f.Plan.Size), Names: f.Plan.Names, Members: []RoomMember{}, Created: r.created,
	}
	if f.Inviter != (negotiation.Contact{}) {
		out.Inviter = p.known[contact.ID(f.Inviter)].Name
	}
	for _, peer := range f.Peers {
		c := p.known[contact.ID(peer.Contact)]
		m := RoomMember{Contact: hex.EncodeToString(peer.Contact[:]), Name: c.Name, Verified: c.Verified, Waiting: p.waiting[c.ID]}
		if !peer.ID.IsZero() {
			m.Member = peer.ID.String()
		}
		out.Members = append(out.Members, m)
	}
	if r.room == nil {
		err := out.news(tx, r)
		return out, err
	}
	v := r.room.View(now, p.names(r))
	out.Frozen, out.Said, out.Alarms = v.Frozen, len(v.Timeline), len(v.Alarms)
	for _, s := range v.Timeline {
		if out.Last == nil || s.Time.After(*out.Last) {
			at := s.Time
			out.Last = &at
		}
	}
	err := out.news(tx, r)
	return out, err
}

// members finds contacts that can be members of a room.
func (s *Station) members(ctx context.Context, doing string, refs []string) (out []negotiation.Contact, err error) {
	for _, ref := range refs {
		k, err := s.find(ctx, ref)
		if err != nil {
			return nil, err
		}
		if k.phase != pairwise.Introduced && k.phase != pairwise.Restoring {
			return nil, fault(CodeConflict, "%s: one of the contacts was not met yet, or cannot be any more", doing)
		}
		out = append(out, negotiation.Contact(k.contact.ID))
	}
	return out, nil
}

// NewRoom proposes a room to contacts.
func (s *Station) NewRoom(ctx context.Context, p Proposal) (RoomInfo, error) {
	const doing = "making the room"
	names := []string{p.Self}
	var refs []string
	for _, m := range p.Members {
		refs, names = append(refs, m.Contact), append(names, m.Name)
	}
	contacts, err := s.members(ctx, doing, refs)
	if err != nil {
		return RoomInfo{}, err
	}
	id := ""
	err = s.onTable(ctx, doing, func(b *batch) error {
		var previous *negotiation.ID
		if p.Previous != "" {
			r, err := b.t.named(p.Previous)
			if err != nil {
				return err
			}
			if r.id.IsZero() {
				return fault(CodeConflict, "%s: the room that it is to continue never came about", doing)
			}
			previous = &r.id
		}
		f, out, err := negotiation.NewFormation(p.Title, contacts, names, previous, b.t.lanes, b.now, rand.Reader)
		if err != nil {
			return err
		}
		var members []contact.ID
		for _, c := range contacts {
			members = append(members, contact.ID(c))
		}
		r, err := b.begin(f, members)
		if err == nil {
			_, err = b.tx.LookedAt(r.number, 0) // who makes a room knows of it
		}
		if err != nil {
			return err
		}
		id = hex.EncodeToString(f.Plan.Form[:])
		return b.send(out)
	})
	if err != nil {
		return RoomInfo{}, err
	}
	return s.roomInfo(ctx, id)
}

func (s *Station) roomInfo(ctx context.Context, ref string) (RoomInfo, error) {
	r, err := s.Room(ctx, ref)
	return r.RoomInfo, err
}

// JoinRoom accepts the invitation to a room. The contacts are the other members, the
// inviter among them; each of them learns that this station takes part.
func (s *Station) JoinRoom(ctx context.Context, ref string, contacts []string) (RoomInfo, error) {
	const doing = "joining the room"
	chosen, err := s.members(ctx, doing, contacts)
	if err != nil {
		return RoomInfo{}, err
	}
	return s.formRoom(ctx, doing, ref, func(b *batch, r *openRoom) ([]negotiation.Out, error) {
		return r.formation.Join(chosen, b.t.lanes, rand.Reader)
	})
}

// DeclineRoom declines an invitation, or calls a room off that does not exist yet.
func (s *Station) DeclineRoom(ctx context.Context, ref string) (RoomInfo, error) {
	return s.formRoom(ctx, "declining the room", ref, func(_ *batch, r *openRoom) ([]negotiation.Out, error) {
		return r.formation.Decline()
	})
}

func (s *Station) formRoom(ctx context.Context, doing, ref string, step func(*batch, *openRoom) ([]negotiation.Out, error)) (RoomInfo, error) {
	id := ""
	if err := s.onTable(ctx, doing, func(b *batch) error {
		r, err := b.t.named(ref)
		if err != nil {
			return err
		}
		id = hex.EncodeToString(r.form[:])
		return b.form(r, func() ([]negotiation.Out, error) { return step(b, r) })
	}); err != nil {
		return RoomInfo{}, err
	}
	return s.roomInfo(ctx, id)
}

// EraseRoom erases this station's copy of a room with all that was said in it. The
// others keep theirs and are told nothing; what they say there from then on is put
// aside. A room that somebody still waits for should be declined first.
func (s *Station) EraseRoom(ctx context.Context, ref string) error {
	return s.onTable(ctx, "erasing the room", func(b *batch) error {
		r, err := b.t.named(ref)
		if err != nil {
			return err
		}
		b.touch(r)
		delete(b.t.rooms, r.number)
		delete(b.t.ticked, r.number)
		r.room = nil
		return b.tx.DeleteRoom(r.number)
	})
}

// Say makes a statement in a room.
func (s *Station) Say(ctx context.Context, ref string, what Saying) (out Said, err error) {
	const doing = "saying it"
	body, err := negotiation.BodyFromJSON(negotiation.Kind(what.Kind), what.Body)
	if err != nil {
		return out, &Error{CodeInvalid, doing, err}
	}
	err = s.inRoom(ctx, doing, ref, func(b *batch, r *openRoom) error {
		to, err := b.member(r, what.To)
		if err != nil {
			return err
		}
		id, err := b.say(r, body, to)
		out.ID = id.String()
		return err
	})
	return out, err
}

// member finds a member of a room by its identifier there or by the contact's name;
// "" is nobody.
func (b *batch) member(r *openRoom, ref string) (m negotiation.MemberID, err error) {
	if ref == "" || m.UnmarshalText([]byte(ref)) == nil && slices.Contains(r.room.Members(), m) {
		return m, nil
	}
	for _, k := range r.room.Charter().Members {
		if k.ID == r.room.Self() {
			continue
		}
		c, err := b.tx.Contact(contact.ID(k.Contact))
		if err != nil {
			return m, err
		}
		if c.Name == ref {
			return k.ID, nil
		}
	}
	return m, fault(CodeNotFound, "there is no such member in the room: its members are listed by \"backchannel room show\"")
}

// KeepOffer keeps an offer that is not sent yet, under number; 0 is a new one. It
// returns the number.
func (s *Station) KeepOffer(ctx context.Context, ref string, number uint64, offer json.RawMessage) (kept uint64, err error) {
	const doing = "keeping the offer"
	body, err := negotiation.BodyFromJSON(negotiation.KindOffer, offer)
	if err != nil {
		return 0, &Error{CodeInvalid, doing, err}
	}
	err = s.inRoom(ctx, doing, ref, func(b *batch, r *openRoom) error {
		if kept, err = r.room.KeepDraft(number, *body.(*negotiation.Offer)); err == nil {
			b.touch(r)
		}
		return err
	})
	return kept, err
}

// DropOffer forgets an offer that was not sent.
func (s *Station) DropOffer(ctx context.Context, ref string, number uint64) error {
	return s.inRoom(ctx, "dropping the offer", ref, func(b *batch, r *openRoom) error {
		b.touch(r)
		r.room.DropDraft(number)
		return nil
	})
}

// SendOffer sends an offer that was kept, to the room or to one member, and forgets
// what was kept.
func (s *Station) SendOffer(ctx context.Context, ref string, number uint64, to string) (out Said, err error) {
	const doing = "sending the offer"
	err = s.inRoom(ctx, doing, ref, func(b *batch, r *openRoom) error {
		member, err := b.member(r, to)
		if err != nil {
			return err
		}
		offer, ok := r.room.Unsent(number)
		if !ok {
			return fault(CodeNotFound, "%s: there is no kept offer of that number", doing)
		}
		b.touch(r)
		r.room.DropDraft(number)
		id, err := b.say(r, &offer, member)
		out.ID = id.String()
		return err
	})
	return out, err
}
