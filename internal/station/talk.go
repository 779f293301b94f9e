package station

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Conversation returns the newest limit items with a contact, or those before an
// item or a Page.Next, oldest first. The order is that of the times shown.
func (s *Station) Conversation(ctx context.Context, ref, before string, limit int) (Page, error) {
	const doing = "reading the conversation"
	if limit <= 0 || limit > maxPage {
		return Page{}, fault(CodeInvalid, "reading the conversation: ask for 1 to %d items at once", maxPage)
	}
	k, err := s.find(ctx, ref)
	if err != nil {
		return Page{}, err
	}
	v, err := s.open()
	if err != nil {
		return Page{}, err
	}
	return s.page(v, doing, vault.Filter{Contact: k.contact.ID, Talk: true}, before, limit)
}

// with runs f on the item of a reference in one transaction and describes what it
// left of it. The caller holds mu.
func (s *Station) with(doing, ref string, f func(*vault.Tx, vault.Item) error) (vault.Item, contact.Contact, error) {
	v, err := s.opened()
	if err != nil {
		return vault.Item{}, contact.Contact{}, err
	}
	var it vault.Item
	var c contact.Contact
	err = v.Update(func(tx *vault.Tx) error {
		id, err := s.resolve(tx, ref)
		if err != nil {
			return err
		}
		if it, err = tx.Item(id); err != nil {
			return err
		}
		if it.Class == wire.ClassNegotiation {
			return fault(CodeConflict, "%s: that belongs to a negotiation", doing)
		}
		if c, err = tx.Contact(it.Contact); err != nil {
			return err
		}
		if err = f(tx, it); err != nil {
			return err
		}
		after, err := tx.Item(id)
		if err == nil {
			it = after
		} else if !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		return nil
	})
	return it, c, s.trouble(doing, err)
}

// changed tells the watchers that something about an item was changed here.
func (s *Station) changed(ctx context.Context, it vault.Item) error {
	return s.do(ctx, func(now time.Time) {
		s.node.notify(Event{Time: now, Kind: EventChanged, Contact: it.Contact, Item: it.ID})
	})
}

// Acknowledge tells the other side that a person has an item: a message of a fixed
// size, once. Nothing else ever sends it.
func (s *Station) Acknowledge(ctx context.Context, ref string) (ItemInfo, error) {
	const doing = "acknowledging the letter"
	s.mu.Lock()
	defer s.mu.Unlock()
	var note vault.Item
	again := false
	it, c, err := s.with(doing, ref, func(tx *vault.Tx, it vault.Item) (err error) {
		if it.Outgoing {
			return fault(CodeConflict, "%s: it is your own: only what came in can be acknowledged", doing)
		}
		var id wire.ItemID
		suite.Random(id[:])
		note, again, err = tx.Acknowledge(it.ID, id)
		if errors.Is(err, vault.ErrIncomplete) {
			return fault(CodeConflict, "%s: it is not here as a whole: wait until it has arrived", doing)
		}
		return err
	})
	if err != nil {
		return ItemInfo{}, err
	}
	if !again {
		if err := errors.Join(s.queue(ctx, note), s.changed(ctx, it)); err != nil {
			return ItemInfo{}, err
		}
	}
	return s.item(it, c), nil
}

// CancelItem withdraws an outgoing item that is not on its way as a whole: the
// rest is never sent, and the other side drops what it has of it.
func (s *Station) CancelItem(ctx context.Context, ref string) (ItemInfo, error) {
	const doing = "withdrawing the letter"
	s.mu.Lock()
	defer s.mu.Unlock()
	before, _, err := s.with(doing, ref, func(_ *vault.Tx, it vault.Item) error {
		switch {
		case !it.Outgoing:
			return fault(CodeConflict, "%s: it came in: only what you sent can be withdrawn", doing)
		case !it.Finished.IsZero() && !it.Cancelled:
			return fault(CodeConflict, "%s: it was delivered: it can no longer be withdrawn", doing)
		}
		return nil
	})
	if err != nil {
		return ItemInfo{}, err
	}
	var begun, held bool
	if !before.Cancelled {
		if err := s.do(ctx, func(time.Time) { begun, held = s.node.Hold(before.Contact, before.ID) }); err != nil {
			return ItemInfo{}, err
		}
		if !held {
			return ItemInfo{}, fault(CodeConflict, "%s: all of it is on its way: it can no longer be withdrawn", doing)
		}
	}
	var note vault.Item
	it, c, err := s.with(doing, hex.EncodeToString(before.ID[:]), func(tx *vault.Tx, it vault.Item) (err error) {
		if it.Cancelled {
			return nil
		}
		var id wire.ItemID
		suite.Random(id[:])
		note, err = tx.CancelOutgoing(it.ID, id, begun || it.Done > 0)
		return err
	})
	if err != nil {
		return ItemInfo{}, errors.Join(err, s.do(ctx, func(time.Time) { s.node.Release(before.Contact, before.ID) }))
	}
	if err := s.do(ctx, func(now time.Time) {
		if !held {
			return
		}
		s.node.Drop(now, before.Contact, before.ID)
		if note.Size > 0 {
			s.node.Queue(note.Contact, Outgoing{note.ID, note.Class, note.Size, 0, true})
		}
	}); err != nil {
		return ItemInfo{}, err
	}
	return s.item(it, c), nil
}

// EraseItem erases one's own copy of an item, from the index too. What is still to
// be delivered must be withdrawn first. The other side's copy stays.
func (s *Station) EraseItem(ctx context.Context, ref string) error {
	const doing = "erasing the letter"
	s.mu.Lock()
	defer s.mu.Unlock()
	it, _, err := s.with(doing, ref, func(tx *vault.Tx, it vault.Item) error {
		if it.Outgoing && it.Finished.IsZero() {
			return fault(CodeConflict, "%s: it is not delivered yet: withdraw it first (backchannel cancel)", doing)
		}
		return tx.DeleteItem(it.ID)
	})
	if err != nil {
		return err
	}
	return s.changed(ctx, it)
}

// Edit changes one's own copy of an item; what is nil stays.
type Edit struct {
	Subject *string    `json:"subject,omitempty" doc:"another subject; a letter only"`
	Text    *string    `json:"text,omitempty" doc:"another text; refused for a letter that is a file"`
	Time    *time.Time `json:"time,omitempty" doc:"the time shown"`
}

// checkTime refuses times that no item can have.
func checkTime(doing string, t, now time.Time) error {
	if t.Year() < 1980 || t.After(now) {
		return fault(CodeInvalid, "%s: its time must be between 1980 and now", doing)
	}
	return nil
}

// checkText refuses what the kind cannot hold.
func checkText(doing, kind, subject, text string) error {
	h := contact.Letter
	if kind == "signal" {
		h = contact.Signal
		if text == "" || subject != "" {
			return fault(CodeInvalid, "%s: a signal has text and no subject", doing)
		}
	}
	_, err := contact.NewHeader(h, subject, "", "", time.Time{}, []byte(text))
	switch {
	case errors.Is(err, contact.ErrTooLarge):
		return &Error{CodeTooLarge, doing, err}
	case err != nil:
		return &Error{CodeInvalid, doing, err}
	case len(subject) > contact.MaxSubject:
		return fault(CodeInvalid, "%s: the subject has more than %d bytes", doing, contact.MaxSubject)
	}
	return nil
}

// EditItem changes one's own copy of an item, whoever wrote it, so that nothing
// tells it. The other side's copy stays as it is: copies prove nothing.
func (s *Station) EditItem(ctx context.Context, ref string, e Edit) (ItemInfo, error) {
	const doing = "changing the copy"
	s.mu.Lock()
	defer s.mu.Unlock()
	it, c, err := s.with(doing, ref, func(tx *vault.Tx, it vault.Item) error {
		if e.Time != nil {
			if err := checkTime(doing, *e.Time, tx.Now()); err != nil {
				return err
			}
		}
		kind, subject, text := "letter", it.Header.Subject, it.Body
		if it.Class == wire.ClassSignal {
			kind = "signal"
		}
		if e.Subject != nil {
			subject = *e.Subject
		}
		if e.Text != nil {
			text = *e.Text
		}
		if err := checkText(doing, kind, subject, text); err != nil {
			return err
		}
		_, err := tx.ChangeItem(it.ID, vault.Change{Subject: e.Subject, Text: e.Text, Time: e.Time})
		switch {
		case errors.Is(err, vault.ErrFixed), errors.Is(err, contact.ErrTooLarge), errors.Is(err, contact.ErrParts):
			return &Error{CodeConflict, doing, err}
		case errors.Is(err, contact.ErrFile):
			return &Error{CodeInvalid, doing, err}
		}
		return err
	})
	if err != nil {
		return ItemInfo{}, err
	}
	return s.item(it, c), s.changed(ctx, it)
}

// Insert is an item to put into one's own copy of a conversation.
type Insert struct {
	Outgoing bool      `json:"outgoing" doc:"as if sent from here; else as if it had come in"`
	Kind     string    `json:"kind" enum:"signal,letter" doc:"which of the two"`
	Subject  string    `json:"subject,omitempty" required:"false" doc:"of a letter"`
	Text     string    `json:"text" doc:"4,000 bytes at most for a signal, which must have some"`
	Time     time.Time `json:"time" doc:"the time shown"`
}

// signalType and letterType are the media types of texts written at a station.
const (
	signalType = "text/plain; charset=utf-8"
	letterType = "text/markdown; charset=utf-8"
)

// InsertItem puts an item into one's own copy of a conversation as if it had been
// sent or had arrived at its time. Nothing is sent.
func (s *Station) InsertItem(ctx context.Context, ref string, in Insert) (ItemInfo, error) {
	const doing = "putting the item in"
	k, err := s.find(ctx, ref)
	if err != nil {
		return ItemInfo{}, err
	}
	kind, mediaType := contact.Letter, letterType
	if in.Kind == "signal" {
		kind, mediaType = contact.Signal, signalType
	}
	if err := checkText(doing, in.Kind, in.Subject, in.Text); err != nil {
		return ItemInfo{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return ItemInfo{}, err
	}
	var it vault.Item
	if err := v.Update(func(tx *vault.Tx) error {
		now := tx.Now()
		if err := checkTime(doing, in.Time, now); err != nil {
			return err
		}
		took := s.tookAbout(len(in.Text))
		written := in.Time
		if !in.Outgoing {
			written = in.Time.Add(-took)
		}
		h, err := contact.NewHeader(kind, in.Subject, "", mediaType, written, []byte(in.Text))
		if err != nil {
			return err
		}
		n := vault.Inserted{Contact: k.contact.ID, Outgoing: in.Outgoing, Header: h, Content: []byte(in.Text), Created: in.Time, Finished: in.Time.Add(took)}
		if !in.Outgoing {
			// created is when the first of it was here, which for one record is the end.
			if len(in.Text) < wire.MaxRecordData-contact.MaxHeader {
				n.Finished = in.Time
			}
			n.Seen = n.Finished.Add(time.Duration(1+randomBelow(300)) * time.Second).Add(time.Duration(randomBelow(1000)) * time.Millisecond)
			if n.Seen.After(now) {
				n.Seen = now
			}
		}
		if n.Finished.After(now) {
			n.Finished = now
		}
		suite.Random(n.ID[:])
		it, err = tx.InsertItem(n)
		return err
	}); err != nil {
		return ItemInfo{}, s.trouble(doing, err)
	}
	return s.item(it, k.contact), s.changed(ctx, it)
}

// tookAbout is how long an item of n bytes may have taken to be delivered while
// both stations were there.
func (s *Station) tookAbout(n int) time.Duration {
	round := s.nw.Params.Round
	rounds := s.left(int64(n+64)).Rounds + 4 + int64(randomBelow(3))
	return time.Duration(rounds)*round - time.Duration(randomBelow(int(max(round.Milliseconds(), 1))))*time.Millisecond
}

// randomBelow is a number below n, which is small; it decides nothing secret.
func randomBelow(n int) int {
	var b [4]byte
	suite.Random(b[:])
	return int(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])) % n
}

// PartContent returns an attachment of a letter that is here whole.
func (s *Station) PartContent(ctx context.Context, ref string, number int) ([]byte, Part, error) {
	const doing = "reading the attachment"
	v, err := s.open()
	if err != nil {
		return nil, Part{}, err
	}
	var content []byte
	var it vault.Item
	err = v.View(func(tx *vault.Tx) error {
		id, err := s.resolve(tx, ref)
		if err != nil {
			return err
		}
		if it, err = tx.Item(id); err != nil {
			return err
		}
		r, err := tx.ReadContent(id)
		if err != nil {
			return err
		}
		content, err = io.ReadAll(r)
		return err
	})
	if errors.Is(err, vault.ErrIncomplete) {
		return nil, Part{}, fault(CodeConflict, "%s: its letter has not arrived as a whole, or came damaged: look at \"backchannel inbox\"", doing)
	}
	if err != nil {
		return nil, Part{}, s.trouble(doing, err)
	}
	_, parts, err := contact.ParseLetter(it.Header.Type, content)
	if err != nil || number < 1 || number > len(parts) {
		return nil, Part{}, fault(CodeNotFound, "%s: the letter has no attachment of that number: \"backchannel read\" lists them", doing)
	}
	p := parts[number-1]
	digest := p.Digest()
	return p.Content, Part{number, p.Name, p.Type, int64(len(p.Content)), hex.EncodeToString(digest[:])}, nil
}

// Estimate tells how long a letter of so many bytes would take, behind what waits
// for that contact already, if both stay connected.
func (s *Station) Estimate(ctx context.Context, ref string, bytes int64) (*Left, error) {
	if bytes < 0 || bytes > contact.MaxContent {
		return nil, fault(CodeTooLarge, "a letter has %d bytes at most", contact.MaxContent)
	}
	k, err := s.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := v.View(func(tx *vault.Tx) error {
		waiting, err := tx.Outgoing(k.contact.ID)
		for _, o := range waiting {
			bytes += int64(o.Size - o.Assigned)
		}
		return err
	}); err != nil {
		return nil, s.trouble("estimating", err)
	}
	return s.left(bytes + headerAbout), nil
}

// headerAbout is what the header of a usual letter takes.
const headerAbout = 100
