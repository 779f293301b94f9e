package station

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// MaxContent is the most bytes of a letter's content.
const MaxContent = contact.MaxContent

// Send accepts a signal or a letter: when it returns, the item is in the vault
// and will be delivered exactly once.
func (s *Station) Send(ctx context.Context, ref string, d Draft) (ItemInfo, error) {
	doing := "accepting the letter"
	k, err := s.find(ctx, ref)
	if err != nil {
		return ItemInfo{}, err
	}
	kind := contact.Letter
	if d.Kind == "signal" {
		kind, doing = contact.Signal, "accepting the signal"
		if len(d.Content) == 0 {
			return ItemInfo{}, fault(CodeInvalid, "%s: it is empty: write something", doing)
		}
		if !utf8.Valid(d.Content) {
			return ItemInfo{}, fault(CodeInvalid, "%s: it is not text in UTF-8: send it as a letter", doing)
		}
	}
	if d, err = prepare(d); err != nil {
		return ItemInfo{}, err
	}
	h, err := contact.NewHeader(kind, d.Subject, d.FileName, d.MediaType, time.Now(), d.Content)
	switch {
	case errors.Is(err, contact.ErrTooLarge) && kind == contact.Signal:
		return ItemInfo{}, fault(CodeTooLarge, "accepting the signal: it has more than %d bytes: send it as a letter", contact.MaxSignal)
	case errors.Is(err, contact.ErrTooLarge):
		return ItemInfo{}, fault(CodeTooLarge, "accepting the letter: it has more than %d bytes: send it in parts", contact.MaxContent)
	case err != nil:
		return ItemInfo{}, &Error{CodeInvalid, doing, err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return ItemInfo{}, err
	}
	var id wire.ItemID
	suite.Random(id[:])
	var it vault.Item
	if err := v.Update(func(tx *vault.Tx) (err error) {
		it, err = tx.AddOutgoing(k.contact.ID, id, h, bytes.NewReader(d.Content))
		return err
	}); err != nil {
		return ItemInfo{}, s.trouble(doing, err)
	}
	if err := s.queue(ctx, it); err != nil {
		return ItemInfo{}, err
	}
	return s.item(it, k.contact), nil
}

// queue hands an accepted item to its session.
func (s *Station) queue(ctx context.Context, it vault.Item) error {
	return s.do(ctx, func(now time.Time) {
		s.node.Queue(it.Contact, Outgoing{it.ID, it.Class, it.Size, 0, it.Note()})
		if !it.Note() {
			s.node.notify(Event{Time: now, Kind: EventChanged, Contact: it.Contact, Item: it.ID})
		}
	})
}

// prepare strips the files of a draft if asked to, and makes one content of text
// and attachments.
func prepare(d Draft) (Draft, error) {
	if d.Kind == "signal" {
		if len(d.Attachments) > 0 {
			return d, fault(CodeInvalid, "accepting the signal: it cannot carry files: send a letter")
		}
		d.FileName = ""
		return d, nil
	}
	if d.Strip {
		if len(d.Attachments) == 0 && d.FileName != "" {
			name, content, err := Strip(d.FileName, d.Content)
			if err != nil {
				return d, &Error{CodeInvalid, "stripping the file", err}
			}
			d.FileName, d.Content = name, content
		}
		d.Attachments = slices.Clone(d.Attachments)
		for i, a := range d.Attachments {
			name, content, err := Strip(a.FileName, a.Content)
			if err != nil {
				return d, &Error{CodeInvalid, fmt.Sprintf("stripping attachment %d", i+1), err}
			}
			d.Attachments[i].FileName, d.Attachments[i].Content = name, content
		}
	}
	if len(d.Attachments) == 0 {
		return d, nil
	}
	parts := make([]contact.Part, len(d.Attachments))
	for i, a := range d.Attachments {
		parts[i] = contact.Part{Name: a.FileName, Type: a.MediaType, Content: a.Content}
	}
	var err error
	d.FileName = ""
	d.MediaType, d.Content, err = contact.ComposeLetter(string(d.Content), d.MediaType, parts)
	if errors.Is(err, contact.ErrTooLarge) {
		return d, fault(CodeTooLarge, "accepting the letter: text and attachments together have more than %d bytes: send them in several letters", contact.MaxContent)
	}
	if err != nil {
		return d, &Error{CodeInvalid, "accepting the letter", err}
	}
	return d, nil
}

// ItemFilter chooses items. The zero value chooses all.
type ItemFilter struct {
	Contact     string // by identifier or name
	Inbox       bool   // only what came in
	Unread      bool   // only what came in whole and was not read
	Undelivered bool   // only what goes out and was not delivered
	Before      string // only what stands before this: an item's identifier, or Page.Next
	Limit       int    // the newest so many; 0 for all
}

// Items lists signals and letters, oldest first.
func (s *Station) Items(ctx context.Context, f ItemFilter) ([]ItemInfo, error) {
	p, err := s.ItemPage(ctx, f)
	return p.Items, err
}

// ItemPage is Items with what a reader needs to go on to the items before them.
func (s *Station) ItemPage(ctx context.Context, f ItemFilter) (Page, error) {
	const doing = "listing letters"
	v, err := s.open()
	if err != nil {
		return Page{}, err
	}
	vf := vault.Filter{Incoming: f.Inbox, Unread: f.Unread, Undelivered: f.Undelivered, Talk: true}
	if f.Contact != "" {
		k, err := s.find(ctx, f.Contact)
		if err != nil {
			return Page{}, err
		}
		vf.Contact = k.contact.ID
	}
	return s.page(v, doing, vf, f.Before, f.Limit)
}

// item describes one item.
func (s *Station) item(it vault.Item, c contact.Contact) ItemInfo {
	out := ItemInfo{
		ID: hex.EncodeToString(it.ID[:]), Contact: hex.EncodeToString(c.ID[:]), Name: c.Name, Verified: c.Verified,
		Outgoing: it.Outgoing, Kind: "letter", Subject: it.Header.Subject, FileName: it.Header.Name, MediaType: it.Header.Type,
		Size: int64(it.Header.Size), SHA256: hex.EncodeToString(it.SHA256[:]),
		Done: int64(it.Done), Total: int64(it.Size), Read: it.Read, Created: it.Created, Damaged: it.Damaged,
	}
	if it.Class == wire.ClassSignal {
		out.Kind = "signal"
	}
	if it.SHA256 == ([32]byte{}) {
		out.SHA256 = ""
	}
	out.Finished, out.Acknowledged, out.Expires, out.Cancelled = moment(it.Finished), moment(it.Acknowledged), moment(it.Expires), it.Cancelled
	if len(it.Body) <= maxShownText {
		out.Text, out.TextType = it.Body, it.BodyType
	}
	for i, p := range it.Parts {
		out.Parts = append(out.Parts, Part{i + 1, p.Name, p.Type, p.Size, p.SHA256})
	}
	switch it.State() {
	case vault.StateWaiting:
		out.State = ItemWaiting
	case vault.StateSent:
		out.State = ItemSending
	case vault.StateDelivered:
		out.State = ItemDelivered
	case vault.StateAcknowledged:
		out.State = ItemAcknowledged
	case vault.StateCancelled:
		out.State = ItemCancelled
	case vault.StateArrived:
		out.State = ItemArrived
	default:
		out.State = ItemArriving
	}
	if it.Finished.IsZero() && it.Size > 0 {
		out.Left = s.left(int64(it.Size - min(it.Done, it.Size)))
	}
	return out
}

// SafeName makes of a name that somebody else chose one that names a file and
// nothing else, and looks like what it is.
func SafeName(name string) string { return contact.SafeName(name) }

// maxShownText is the longest text in bytes that an ItemInfo carries.
const maxShownText = 64 << 10

// moment is a time as a value that may be absent.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// resolve finds an item by its identifier or the first digits of it.
func (s *Station) resolve(tx *vault.Tx, ref string) (wire.ItemID, error) {
	found, err := tx.Find(ref)
	switch {
	case err != nil:
		return wire.ItemID{}, err
	case len(found) == 0:
		return wire.ItemID{}, fault(CodeNotFound, "there is no letter or signal with that number: \"backchannel inbox --all\" lists them")
	case len(found) > 1:
		return wire.ItemID{}, fault(CodeInvalid, "more than one letter begins with these digits: give more of them")
	}
	return found[0], nil
}

// Item describes one signal or letter.
func (s *Station) Item(_ context.Context, ref string) (ItemInfo, error) {
	v, err := s.open()
	if err != nil {
		return ItemInfo{}, err
	}
	var it vault.Item
	var c contact.Contact
	if err := v.View(func(tx *vault.Tx) error {
		id, err := s.resolve(tx, ref)
		if err != nil {
			return err
		}
		if it, err = tx.Item(id); err != nil {
			return err
		}
		c, err = tx.Contact(it.Contact)
		return err
	}); err != nil {
		return ItemInfo{}, s.trouble("looking for the letter", err)
	}
	return s.item(it, c), nil
}

// Content returns the content of an item that is here whole.
func (s *Station) Content(_ context.Context, ref string) ([]byte, error) {
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	var out []byte
	err = v.View(func(tx *vault.Tx) error {
		id, err := s.resolve(tx, ref)
		if err != nil {
			return err
		}
		r, err := tx.ReadContent(id)
		if err != nil {
			return err
		}
		out, err = io.ReadAll(r)
		return err
	})
	if errors.Is(err, vault.ErrIncomplete) {
		return nil, fault(CodeConflict, "reading the letter: it has not arrived as a whole, or came damaged: look at \"backchannel inbox\"")
	}
	return out, s.trouble("reading the letter", err)
}

// MarkRead notes here, and nowhere else, that an item was read.
func (s *Station) MarkRead(_ context.Context, ref string) error {
	v, err := s.open()
	if err != nil {
		return err
	}
	return s.trouble("marking the letter as read", v.Update(func(tx *vault.Tx) error {
		id, err := s.resolve(tx, ref)
		if err != nil {
			return err
		}
		if err := tx.MarkRead(id); !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		return nil // an outgoing one is not read
	}))
}
