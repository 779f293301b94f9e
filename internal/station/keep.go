package station

import (
	"context"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// SearchQuery asks for items by words of subject, text and file names; the last
// word may be the beginning of one.
type SearchQuery struct {
	Text    string
	Contact string // only of this contact, by identifier or name
	Before  string // only what stands before this: an item's identifier, or the next of an answer
	Limit   int    // 1 to 1,000; 0 is 50
}

// Hit is an item that was found. Snippet shows where; matches stand between U+E000
// and U+E001.
type Hit struct {
	ItemInfo
	Snippet string `json:"snippet" doc:"matches stand between U+E000 and U+E001"`
}

// Search finds signals and letters, newest first. next, as SearchQuery.Before, asks
// for those that come after them; it is "" if there are none.
func (s *Station) Search(ctx context.Context, q SearchQuery) (out []Hit, next string, err error) {
	const doing = "searching"
	v, err := s.open()
	if err != nil {
		return nil, "", err
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	if q.Limit < 0 || q.Limit > maxPage {
		return nil, "", fault(CodeInvalid, "%s: ask for 1 to %d items at once", doing, maxPage)
	}
	var only contact.ID
	if q.Contact != "" {
		k, err := s.find(ctx, q.Contact)
		if err != nil {
			return nil, "", err
		}
		only = k.contact.ID
	}
	var hits []vault.Hit
	people := map[contact.ID]contact.Contact{}
	if err := v.View(func(tx *vault.Tx) (err error) {
		before, err := s.place(tx, doing, q.Before)
		if err != nil {
			return err
		}
		if hits, err = tx.Search(q.Text, only, before, q.Limit+1); err != nil {
			return err
		}
		all, err := tx.Contacts()
		for _, c := range all {
			people[c.ID] = c
		}
		return err
	}); err != nil {
		return nil, "", s.trouble(doing, err)
	}
	if len(hits) > q.Limit {
		hits = hits[:q.Limit]
		next = cursorAt(hits[len(hits)-1].Number)
	}
	out = make([]Hit, 0, len(hits))
	for _, h := range hits {
		if h.Class != wire.ClassNegotiation {
			out = append(out, Hit{s.item(h.Item, people[h.Contact]), h.Snippet})
		}
	}
	return out, next, nil
}

// KeptDraft is what somebody began to write to a contact and did not send.
type KeptDraft struct {
	Kind    string `json:"kind,omitempty" required:"false" default:"signal" enum:"signal,letter" doc:"what it was to be"`
	Subject string `json:"subject" required:"false" doc:"of a letter, 1,000 bytes at most"`
	Text    string `json:"text" required:"false" doc:"a MiB at most; with no subject either, the draft is erased"`
}

// maxDraft bounds a kept draft in bytes.
const maxDraft = 1 << 20

// KeepDraft keeps a draft in the vault; an empty one erases it.
func (s *Station) KeepDraft(ctx context.Context, ref string, d KeptDraft) error {
	const doing = "keeping the draft"
	k, err := s.find(ctx, ref)
	if err != nil {
		return err
	}
	if d.Kind == "" {
		d.Kind = "signal"
	}
	if d.Kind != "signal" && d.Kind != "letter" || !utf8.ValidString(d.Subject+d.Text) {
		return fault(CodeInvalid, "%s: it is a signal or a letter, and text", doing)
	}
	if len(d.Subject) > contact.MaxSubject || len(d.Text) > maxDraft {
		return fault(CodeTooLarge, "%s: it has more than %d bytes: keep it as a file", doing, maxDraft)
	}
	v, err := s.open()
	if err != nil {
		return err
	}
	return s.trouble(doing, v.Update(func(tx *vault.Tx) error {
		return tx.PutDraft(k.contact.ID, vault.Draft{Kind: d.Kind, Subject: d.Subject, Text: d.Text})
	}))
}

// KeptDraft returns the draft to a contact; it is empty if there is none.
func (s *Station) KeptDraft(ctx context.Context, ref string) (KeptDraft, error) {
	k, err := s.find(ctx, ref)
	if err != nil {
		return KeptDraft{}, err
	}
	v, err := s.open()
	if err != nil {
		return KeptDraft{}, err
	}
	var d vault.Draft
	if err := v.View(func(tx *vault.Tx) (err error) {
		d, err = tx.Draft(k.contact.ID)
		return err
	}); err != nil {
		return KeptDraft{}, s.trouble("reading the draft", err)
	}
	if d.Kind == "" {
		d.Kind = "signal"
	}
	return KeptDraft{d.Kind, d.Subject, d.Text}, nil
}

// SetMuted lets a contact arrive without notice, or with.
func (s *Station) SetMuted(ctx context.Context, ref string, muted bool) (ContactInfo, error) {
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	return s.change(ctx, "muting the contact", k, func(c *contact.Contact) { c.Muted = muted })
}

// SetSealKey notes the key of which a contact's principal publishes that it signs with
// it, 64 hexadecimal digits in any grouping; "" forgets it. At level public this station
// signs with no other key of that contact.
func (s *Station) SetSealKey(ctx context.Context, ref, key string) (ContactInfo, error) {
	const doing = "noting the published key"
	var noted []byte
	if digits := strings.Join(strings.Fields(key), ""); digits != "" {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) != seal.PointSize {
			return ContactInfo{}, fault(CodeInvalid, "%s: a key is 64 digits from 0 to 9 and a to f: copy it from where it is published", doing)
		}
		if _, err := seal.ParsePublicKey(b); err != nil {
			return ContactInfo{}, fault(CodeInvalid, "%s: no station signs with such a key: copy it from where it is published", doing)
		}
		own, err := s.SealKey(ctx)
		if err != nil {
			return ContactInfo{}, err
		}
		if own == hex.EncodeToString(b) {
			return ContactInfo{}, fault(CodeInvalid, "%s: that is the key of this station: note the one that the contact publishes", doing)
		}
		noted = b
	}
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	return s.change(ctx, doing, k, func(c *contact.Contact) { c.SealKey = noted })
}

// maxExpiry is a hundred years.
const maxExpiry = 100 * 365 * 24 * time.Hour

func checkExpiry(d time.Duration) error {
	if d < 0 || d > 0 && d < time.Minute || d > maxExpiry {
		return fault(CodeInvalid, "setting the expiry: it is a minute to a hundred years, or 0 for never")
	}
	return nil
}

// SetExpiry sets after how long own copies of what is exchanged with a contact are
// erased: counted from delivery for what goes out, from reading for what came in.
// It holds for what is there already too. 0 is never.
func (s *Station) SetExpiry(ctx context.Context, ref string, d time.Duration) (ContactInfo, error) {
	if err := checkExpiry(d); err != nil {
		return ContactInfo{}, err
	}
	k, err := s.find(ctx, ref)
	if err != nil {
		return ContactInfo{}, err
	}
	return s.change(ctx, "setting the expiry", k, func(c *contact.Contact) { c.Expiry = d.Truncate(time.Second) })
}
