package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sample() Transcript {
	at := time.Date(2026, 3, 1, 10, 0, 31, 5e6, time.FixedZone("", 3600))
	return Transcript{
		Title: "The straits", Self: "Aldmark", Other: "Borvia, the other side",
		Entries: []Entry{
			{Outgoing: true, Kind: Signal, Text: "We could talk about X.", Time: at},
			{Kind: Letter, Subject: "Non-paper *1*", Text: "\r\nDear colleague,\r\n\r\n  an indent \t\n# no heading\n<script>alert(1)</script>\n![x](http://192.0.2.1/)\n\n", Time: at.Add(time.Hour), State: "acknowledged",
				Attachments: []Attachment{{Name: "draft, final.pdf", Size: 48213, SHA256: strings.Repeat("aB", 32)}, {Name: "x\u202egpj.exe", Size: 0}}},
			{Outgoing: true, Kind: Letter, Text: "  begins with an indent\n\tand a tab", Time: at.Add(-time.Hour), State: "waiting"},
			{Kind: Signal, Time: at.Add(2 * time.Hour), State: "cancelled"},
		},
	}
}

// The written forms as they are, so that a change of one is seen.
func TestForms(t *testing.T) {
	want := map[string]string{
		"script": `Title: The straits
Self: Aldmark
Other: Borvia, the other side

Aldmark, 2026-03-01 08:00, letter, waiting:
    begins with an indent
  	and a tab

Aldmark, 2026-03-01 09:00, signal, delivered: We could talk about X.

Borvia, the other side, 2026-03-01 10:00, letter, acknowledged: Dear colleague,
Subject: Non-paper *1*
File: draft, final.pdf, 48213, ` + strings.Repeat("ab", 32) + `
File: x` + "\uFFFD" + `gpj.exe, 0

    an indent
  # no heading
  <script>alert(1)</script>
  ![x](http://192.0.2.1/)

Borvia, the other side, 2026-03-01 11:00, signal, cancelled:
`,
		"markdown": `# The straits

Aldmark and Borvia, the other side.

## Aldmark to Borvia, the other side

2026-03-01 08:00 UTC, letter, waiting

      begins with an indent
    	and a tab

## Aldmark to Borvia, the other side

2026-03-01 09:00 UTC, signal, delivered

    We could talk about X.

## Borvia, the other side to Aldmark

2026-03-01 10:00 UTC, letter, acknowledged

**Non-paper \*1\***

    Dear colleague,

      an indent
    # no heading
    <script>alert(1)</script>
    ![x](http://192.0.2.1/)

- draft, final.pdf, 48213 bytes, SHA-256 ` + strings.Repeat("ab", 32) + `
- x` + "\uFFFD" + `gpj.exe, 0 bytes

## Borvia, the other side to Aldmark

2026-03-01 11:00 UTC, signal, cancelled
`,
	}
	for name, text := range want {
		f, err := FormOf(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Write(sample())
		if diff := cmp.Diff(text, string(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	page, err := WriteHTML(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "Non-paper *1*", "default-src &#39;none&#39;", "<title>The straits</title>"} {
		if !bytes.Contains(page, []byte(strings.ReplaceAll(want, "&#39;", "'"))) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, bad := range []string{"<script", "src=", "href=", "url("} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if _, err := FormOf("pdf"); err == nil {
		t.Error("a form that does not exist is found")
	}
	if _, err := WriteHTML(Transcript{Self: "a"}); err == nil {
		t.Error("a transcript with nobody was written")
	}
}

// Texts cannot look like something else of the transcript in Markdown: every line
// of one is indented, and names and subjects are on one line and escaped.
func TestMarkdownKeepsTextsApart(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		evil := rapid.StringOf(rapid.SampledFrom([]rune("#*_`<>[]()!-+=&\\\n\r\u2028\u0085 ab:,"))).Draw(r, "text")
		b, err := WriteMarkdown(Transcript{Self: "a", Other: "b", Entries: []Entry{{Kind: Letter, Subject: evil, Text: evil, Time: time.Unix(0, 0)}}})
		if err != nil {
			r.Fatal(err)
		}
		for i, l := range strings.Split(string(b), "\n") {
			known := l == "" || strings.HasPrefix(l, "    ") || l == "# Conversation of a and b" || l == "a and b." || l == "## b to a" ||
				l == "1970-01-01 00:00 UTC, letter, arrived" || strings.HasPrefix(l, "**") && strings.HasSuffix(l, "**")
			if !known {
				r.Errorf("line %d: %q", i, l)
			}
		}
	})
}

func TestChecks(t *testing.T) {
	entry := func(edit func(*Entry)) Transcript {
		e := Entry{Kind: Letter, Time: time.Unix(0, 0)}
		edit(&e)
		return Transcript{Self: "a", Other: "b", Entries: []Entry{{Kind: Signal, Text: "x", Time: time.Unix(0, 0)}, e}}
	}
	for name, c := range map[string]struct {
		t    Transcript
		want string // of the error; empty for none
	}{
		"nothing said":    {Transcript{Self: "a", Other: "b"}, ""},
		"nobody":          {Transcript{}, "the other's name"},
		"alone":           {Transcript{Self: "a", Other: " a "}, "the same name"},
		"me":              {Transcript{Other: "b"}, ""},
		"long name":       {Transcript{Other: strings.Repeat("b", MaxName+1)}, "name"},
		"long title":      {Transcript{Other: "b", Title: strings.Repeat("b", MaxLine+1)}, "title"},
		"too many":        {Transcript{Other: "b", Entries: make([]Entry, MaxEntries+1)}, "entries"},
		"no kind":         {entry(func(e *Entry) { e.Kind = "" }), "entry 2: there is no kind"},
		"offer":           {entry(func(e *Entry) { e.Kind = "offer" }), "no kind"},
		"their state":     {entry(func(e *Entry) { e.State = "delivered" }), "state"},
		"our state":       {entry(func(e *Entry) { e.State, e.Outgoing = "arrived", true }), "state"},
		"year":            {entry(func(e *Entry) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), "year"},
		"subject":         {entry(func(e *Entry) { e.Subject = strings.Repeat("x", MaxLine+1) }), "subject"},
		"signal subject":  {entry(func(e *Entry) { e.Kind, e.Subject = Signal, "x" }), "neither subject nor files"},
		"file":            {entry(func(e *Entry) { e.Attachments = []Attachment{{Name: "x", Size: 3}} }), ""},
		"file's name":     {entry(func(e *Entry) { e.Attachments = []Attachment{{Name: " ", Size: 3}} }), "name"},
		"file's size":     {entry(func(e *Entry) { e.Attachments = []Attachment{{Name: "x", Size: -1}} }), "size"},
		"file's hash":     {entry(func(e *Entry) { e.Attachments = []Attachment{{Name: "x", SHA256: "ab"}} }), "SHA-256"},
		"file's not hash": {entry(func(e *Entry) { e.Attachments = []Attachment{{Name: "x", SHA256: strings.Repeat("xy", 32)}} }), "SHA-256"},
	} {
		err := c.t.Normal().Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	good := `{"format":"backchannel-transcript-1","self":"a","other":"b","entries":[{"outgoing":true,"kind":"signal","time":"2026-03-01T10:00Z","state":"sent","text":"x"}]}`
	if _, err := ParseJSON([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"not JSON":               {`{"format"`, `{format`},
		"another format":         {`transcript-1`, `transcript-2`},
		"unknown key":            {`"self"`, `"sender":"x","self"`},
		"key in capitals":        {`"self"`, `"Self"`},
		"key twice":              {`"self":"a"`, `"self":"a","self":"c"`},
		"key in the wrong place": {`"self":"a"`, `"self":"a","size":1`},
		"nested":                 {`"text":"x"`, `"attachments":[{"name":{"name":{"name":1}}}]`},
		"second value":           {`]}`, `]} {}`},
		"time":                   {`10:00Z`, `10:00:00Z`},
		"kind":                   {`signal`, `rumour`},
		"same names":             {`"other":"b"`, `"other":"a"`},
		"not UTF-8":              {`"x"`, "\"\xff\""},
		"number for a text":      {`"x"`, `7`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s changes nothing", name)
		}
		if got, err := ParseJSON([]byte(bad)); err == nil {
			t.Errorf("%s is accepted: %+v", name, got)
		}
	}
}

func TestParseScript(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   string // of the error
	}{
		"empty":             {"", "other's name"},
		"only a remark":     {"# nothing", "other's name"},
		"text first":        {"\n  continued", "line 2: this line continues"},
		"junk":              {"Other: b\n\nhello", "line 3: it is neither"},
		"no such day":       {"b, 2026-02-30 10:00: x", "line 1: there is no such time"},
		"no such hour":      {"b, 2026-02-03 24:00: x", "line 1: there is no such time"},
		"third":             {"Me, 2026-02-03 10:00: x\nb, 2026-02-03 10:00: x\n\nc, 2026-02-03 10:00: x", "line 4: c writes"},
		"only me":           {"Me, 2026-02-03 10:00: x", "other's name"},
		"unknown word":      {"b, 2026-02-03 10:00, rumour: x", `line 1: "rumour"`},
		"two kinds":         {"b, 2026-02-03 10:00, letter, letter: x", `line 1: "letter"`},
		"two states":        {"b, 2026-02-03 10:00, arrived, arriving: x", `line 1: "arriving"`},
		"my state":          {"\nb, 2026-02-03 10:00, delivered: x", "line 2: the state"},
		"signal with file":  {"b, 2026-02-03 10:00, signal: x\nFile: a, 3", "line 1: a signal has"},
		"file without size": {"b, 2026-02-03 10:00: x\nFile: a", "line 2: a file is written"},
		"huge file":         {"b, 2026-02-03 10:00: x\nFile: a, 9999999999999999999", "line 2: a file is written"},
		"early subject":     {"Subject: x", "line 1: Subject belongs to an entry"},
		"late title":        {"b, 2026-02-03 10:00: x\nTitle: x", "line 2: Title belongs to the top"},
		"title twice":       {"Title: x\nTitle: y", "line 2: Title stands there twice"},
		"subject twice":     {"b, 2026-02-03 10:00: x\nSubject: x\nSubject: y", "line 3: Subject stands there twice"},
		"not UTF-8":         {"b, 2026-02-03 10:00: \xff", "UTF-8"},
		"two files":         {"b, 2026-02-03 10:00: x\nFile: x, 3\nFile: y, 3", ""},
		"comma and colon":   {"b, c: d, 2026-02-03 10:00: x: y", ""},
		"windows":           {"b, 2026-02-03 10:00: x\r\n  y\r\n", ""},
		"no text":           {"b, 2026-02-03 10:00:\n\tx", ""},
	} {
		_, err := ParseScript([]byte(c.script))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	got, err := ParseScript([]byte("b, 2026-02-03 10:00: one\n\n   two\n# a remark\n\n\nMe, 2026-02-03 10:01: # three\n"))
	want := Transcript{Self: Me, Other: "b", Entries: []Entry{
		{Kind: Signal, Text: "one\n\n two", State: "arrived", Time: time.Date(2026, 2, 3, 10, 0, 0, 0, time.UTC)},
		{Outgoing: true, Kind: Signal, Text: "# three", State: "delivered", Time: time.Date(2026, 2, 3, 10, 1, 0, 0, time.UTC)},
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// roundTrip checks that a transcript written in a form is read as the same, and
// written again is the same bytes, in every form.
func roundTrip(t Transcript) error {
	t = t.Normal()
	for _, f := range []struct {
		name  string
		write func(Transcript) ([]byte, error)
		parse func([]byte) (Transcript, error)
	}{{"json", WriteJSON, ParseJSON}, {"script", WriteScript, ParseScript}} {
		b, err := f.write(t)
		if err != nil {
			return err
		}
		back, err := f.parse(b)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", f.name, err, b)
		}
		if diff := cmp.Diff(t, back); diff != "" {
			return fmt.Errorf("%s: %s\n%s", f.name, diff, b)
		}
		again, err := f.write(back)
		if err != nil || !bytes.Equal(b, again) {
			return errors.Join(fmt.Errorf("%s: not the same bytes again", f.name), err)
		}
	}
	if diff := cmp.Diff(t, t.Normal()); diff != "" {
		return errors.New("the normal form is not its own: " + diff)
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	if err := roundTrip(sample()); err != nil {
		t.Error(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("abé #:,<&\n\r\t\\\u2028\u200b\ufeff\x00\x7f\u202e世")))
		tr := Transcript{Self: "Aldmark", Other: rapid.SampledFrom([]string{"b: c, 2026", "#b", "b, 2026-03-01 10:00: c", "Title: b"}).Draw(r, "other"), Title: text.Draw(r, "title")}
		for range rapid.IntRange(0, 4).Draw(r, "entries") {
			e := Entry{Outgoing: rapid.Bool().Draw(r, "outgoing"), Kind: rapid.SampledFrom([]string{Signal, Letter}).Draw(r, "kind"), Text: text.Draw(r, "text"),
				Time: time.Unix(rapid.Int64Range(0, 4e9).Draw(r, "time"), 7)}
			e.State = rapid.SampledFrom(States(e.Kind, e.Outgoing)).Draw(r, "state")
			if e.Kind == Letter {
				e.Subject = text.Draw(r, "subject")
				for range rapid.IntRange(0, 2).Draw(r, "files") {
					e.Attachments = append(e.Attachments, Attachment{Name: "n, 7" + text.Draw(r, "name"), Size: rapid.Int64Range(0, 1e15).Draw(r, "size"), SHA256: rapid.SampledFrom([]string{"", strings.Repeat("0a", 32)}).Draw(r, "hash")})
				}
			}
			tr.Entries = append(tr.Entries, e)
		}
		if err := roundTrip(tr); err != nil {
			r.Error(err)
		}
	})
}

// What parses is written to the same bytes after one writing: spaces and the
// order of keys are the reader's freedom, everything else is not.
func FuzzParseJSON(f *testing.F) {
	for _, t := range []Transcript{sample(), {Other: "b"}} {
		b, err := WriteJSON(t)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":"backchannel-transcript-1","self":"a","other":"b","entries":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseJSON(b)
		if err != nil {
			return
		}
		if err := roundTrip(got); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseScript(f *testing.F) {
	b, err := WriteScript(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("b, 2026-02-03 10:00: x\n\ty\n# z\nFile: a, 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseScript(b)
		if err != nil {
			return
		}
		if err := roundTrip(got); err != nil {
			t.Error(err)
		}
	})
}
