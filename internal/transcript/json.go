package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// format marks the JSON form. A change of the form changes it.
const format = "backchannel-transcript-1"

type document struct {
	Format  string      `json:"format"`
	Title   string      `json:"title,omitempty"`
	Self    string      `json:"self"`
	Other   string      `json:"other"`
	Entries []jsonEntry `json:"entries"`
}

type jsonEntry struct {
	Outgoing    bool             `json:"outgoing"`
	Kind        string           `json:"kind"`
	Time        string           `json:"time"`
	State       string           `json:"state"`
	Subject     string           `json:"subject,omitempty"`
	Text        string           `json:"text,omitempty"`
	Attachments []jsonAttachment `json:"attachments,omitempty"`
}

type jsonAttachment struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// minute is how times are written, in UTC.
const minute = "2006-01-02T15:04Z"

// WriteJSON writes the transcript as JSON: one form for one transcript.
func WriteJSON(t Transcript) ([]byte, error) {
	t, err := ready(t)
	if err != nil {
		return nil, err
	}
	d := document{Format: format, Title: t.Title, Self: t.Self, Other: t.Other, Entries: make([]jsonEntry, len(t.Entries))}
	for i, e := range t.Entries {
		j := jsonEntry{Outgoing: e.Outgoing, Kind: e.Kind, Time: e.Time.Format(minute), State: e.State, Subject: e.Subject, Text: e.Text}
		for _, a := range e.Attachments {
			j.Attachments = append(j.Attachments, jsonAttachment(a))
		}
		d.Entries[i] = j
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("writing the transcript: %w", err)
	}
	return b.Bytes(), nil
}

// ready is the normal form of a transcript that may be written.
func ready(t Transcript) (Transcript, error) {
	t = t.Normal()
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("writing the transcript: %w", err)
	}
	return t, nil
}

// ParseJSON reads what WriteJSON writes, and what a person made of it by hand:
// spaces and the order of keys are free, everything else is not. Unknown and
// repeated keys are refused, since a misspelt one would silently change what is
// said. The result is in its normal form.
func ParseJSON(b []byte) (Transcript, error) {
	bad := func(err error) (Transcript, error) {
		return Transcript{}, fmt.Errorf("reading the transcript: %w", err)
	}
	if !utf8.Valid(b) {
		return bad(errors.New("it is not text in UTF-8"))
	}
	if err := checkKeys(b); err != nil {
		return bad(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		return bad(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return bad(errors.New("something follows the transcript"))
	}
	if d.Format != format {
		return bad(fmt.Errorf("its format is %q, and this program reads %q", d.Format, format))
	}
	t := Transcript{Title: d.Title, Self: d.Self, Other: d.Other}
	for i, j := range d.Entries {
		at, err := time.Parse(minute, j.Time)
		if err != nil {
			return bad(fmt.Errorf("entry %d: the time %q is not like %s", i+1, j.Time, minute))
		}
		e := Entry{Outgoing: j.Outgoing, Kind: j.Kind, Time: at, State: j.State, Subject: j.Subject, Text: j.Text}
		for _, a := range j.Attachments {
			e.Attachments = append(e.Attachments, Attachment(a))
		}
		t.Entries = append(t.Entries, e)
	}
	t = t.Normal()
	if err := t.Check(); err != nil {
		return bad(err)
	}
	return t, nil
}

// keys are those of the three kinds of objects; package json would take them in
// any case and any number.
var keys = map[string]bool{
	"format": true, "title": true, "self": true, "other": true, "entries": true,
	"outgoing": true, "kind": true, "time": true, "state": true, "subject": true, "text": true, "attachments": true,
	"name": true, "size": true, "sha256": true,
}

// maxDepth is that of an attachment's value: document, entries, entry,
// attachments, attachment.
const maxDepth = 5

// checkKeys refuses repeated and unknown keys.
func checkKeys(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		object bool
		value  bool // a key was read: its value follows
		seen   map[string]bool
	}
	var open []level
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var top *level
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
			open = open[:len(open)-1]
			continue
		}
		if top != nil && top.object && !top.value {
			k, _ := tok.(string) // a key is always a string
			if !keys[k] {
				return fmt.Errorf("unknown key %q", k)
			}
			if top.seen[k] {
				return fmt.Errorf("the key %q stands there twice", k)
			}
			top.seen[k], top.value = true, true
			continue
		}
		if top != nil {
			top.value = false
		}
		if d, ok := tok.(json.Delim); ok {
			if len(open) == maxDepth {
				return errors.New("it is nested too deeply")
			}
			open = append(open, level{object: d == '{', seen: map[string]bool{}})
		}
	}
}
