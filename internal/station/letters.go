package station

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
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
	const doing = "accepting the letter"
	k, err := s.find(ctx, ref)
	if err != nil {
		return ItemInfo{}, err
	}
	kind := contact.Letter
	if d.Kind == "signal" {
		kind = contact.Signal
		if len(d.Content) == 0 {
			return ItemInfo{}, fault(CodeInvalid, "accepting the signal: it is empty: write something")
		}
		if !utf8.Valid(d.Content) {
			return ItemInfo{}, fault(CodeInvalid, "accepting the signal: it is not text in UTF-8: send it as a letter")
		}
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
	if err := s.do(ctx, func(time.Time) {
		s.node.Queue(k.contact.ID, Outgoing{id, it.Class, it.Size, 0})
	}); err != nil {
		return ItemInfo{}, err
	}
	return s.item(it, k.contact), nil
}

// ItemFilter chooses items. The zero value chooses all.
type ItemFilter struct {
	Contact     string // by identifier or name
	Inbox       bool   // only what came in
	Unread      bool   // only what came in whole and was not read
	Undelivered bool   // only what goes out and was not delivered
	Limit       int    // the newest so many; 0 for all
}

// Items lists signals and letters, oldest first.
func (s *Station) Items(ctx context.Context, f ItemFilter) ([]ItemInfo, error) {
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	vf := vault.Filter{Incoming: f.Inbox, Unread: f.Unread, Undelivered: f.Undelivered, Limit: f.Limit}
	if f.Contact != "" {
		k, err := s.find(ctx, f.Contact)
		if err != nil {
			return nil, err
		}
		vf.Contact = k.contact.ID
	}
	var items []vault.Item
	people := map[contact.ID]contact.Contact{}
	if err := v.View(func(tx *vault.Tx) (err error) {
		if items, err = tx.Items(vf); err != nil {
			return err
		}
		all, err := tx.Contacts()
		for _, c := range all {
			people[c.ID] = c
		}
		return err
	}); err != nil {
		return nil, s.trouble("listing letters", err)
	}
	out := make([]ItemInfo, 0, len(items))
	for _, it := range items {
		if it.Class == wire.ClassNegotiation {
			continue
		}
		out = append(out, s.item(it, people[it.Contact]))
	}
	return out, nil
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
	if !it.Finished.IsZero() {
		t := it.Finished
		out.Finished = &t
	}
	switch it.State() {
	case vault.StateWaiting:
		out.State = ItemWaiting
	case vault.StateSent:
		out.State = ItemSending
	case vault.StateDelivered:
		out.State = ItemDelivered
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
