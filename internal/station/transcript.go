package station

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"backchannel/internal/contact"
	"backchannel/internal/transcript"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// maxTranscriptText is how long a letter's text may be to stand in a transcript;
// a longer one is listed as a file.
const maxTranscriptText = 64 << 10

// Transcript writes down a real conversation as a value, in the form in which a
// made-up one is written down: nothing in it is known to this station alone. self
// is what to call its principal; empty for transcript.Me.
func (s *Station) Transcript(ctx context.Context, ref, self string) (transcript.Transcript, error) {
	const doing = "writing down the conversation"
	k, err := s.find(ctx, ref)
	if err != nil {
		return transcript.Transcript{}, err
	}
	v, err := s.open()
	if err != nil {
		return transcript.Transcript{}, err
	}
	t := transcript.Transcript{Self: self, Other: k.contact.Name}
	if err := v.View(func(tx *vault.Tx) error {
		items, err := tx.Items(vault.Filter{Contact: k.contact.ID})
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.Class == wire.ClassNegotiation || it.Damaged {
				continue
			}
			text, err := itemText(tx, it)
			if err != nil {
				return err
			}
			t.Entries = append(t.Entries, itemEntry(s.item(it, k.contact), text))
		}
		return nil
	}); err != nil {
		return t, s.trouble(doing, err)
	}
	t = t.Normal()
	if t.Self == t.Other { // a contact may well be called so here
		t.Self += " (this side)"
	}
	return t, nil
}

// itemText is the text of an item that is one and is here whole, else nil.
func itemText(tx *vault.Tx, it vault.Item) (*string, error) {
	if it.Size > maxTranscriptText+contact.MaxHeader || it.Class != wire.ClassSignal && !strings.HasPrefix(it.Header.Type, "text/") {
		return nil, nil
	}
	r, err := tx.ReadContent(it.ID)
	if errors.Is(err, vault.ErrIncomplete) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil || !utf8.Valid(b) {
		return nil, err
	}
	s := string(b)
	return &s, nil
}

// itemEntry is the one place where an item becomes an entry. text is nil if it is
// not here or is no text. What it leaves out (identifiers, exact times, media
// types, what was read) is what only a real conversation would have.
func itemEntry(it ItemInfo, text *string) transcript.Entry {
	e := transcript.Entry{Outgoing: it.Outgoing, Kind: it.Kind, Subject: it.Subject, Time: it.Created, State: string(it.State)}
	if text != nil {
		e.Text = *text
	}
	if it.Kind == transcript.Letter && (text == nil || it.FileName != "") {
		name := it.FileName
		if name = strings.TrimSpace(contact.Printable(name)); name == "" {
			name = "letter"
		}
		e.Attachments = []transcript.Attachment{{Name: name, Size: it.Size, SHA256: it.SHA256}}
	}
	return e
}

// Export writes down a real conversation. format is json, markdown, html or
// script; name is what to call the file.
func (s *Station) Export(ctx context.Context, ref, format string) (data []byte, mediaType, name string, err error) {
	return s.ExportAs(ctx, ref, "", format)
}

// ExportAs is Export with a name for this station's principal.
func (s *Station) ExportAs(ctx context.Context, ref, self, format string) (data []byte, mediaType, name string, err error) {
	t, err := s.Transcript(ctx, ref, self)
	if err != nil {
		return nil, "", "", err
	}
	return s.Forge(ctx, t, format)
}

// Forge writes down any conversation, with a contact or with somebody made up.
// Nothing of it is kept. It is the same code that Export ends in: the bytes do not
// tell which of the two was asked for.
func (s *Station) Forge(_ context.Context, t transcript.Transcript, format string) (data []byte, mediaType, name string, err error) {
	f, err := transcript.FormOf(format)
	if err != nil {
		return nil, "", "", &Error{CodeInvalid, "writing the transcript", err}
	}
	if data, err = f.Write(t); err != nil {
		return nil, "", "", &Error{Code: CodeInvalid, Text: err.Error()}
	}
	return data, f.MediaType, contact.SafeName(t.Normal().Other) + f.Extension, nil
}
