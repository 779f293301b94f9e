package transcript

import (
	"bytes"
	"fmt"
	"strings"
)

// WriteMarkdown writes the transcript as Markdown. Texts stand indented, as they
// are: whatever they hold, no reader takes it for an entry, a picture to fetch or
// markup to run.
func WriteMarkdown(t Transcript) ([]byte, error) {
	t, err := ready(t)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s.\n", escape(t.title()), escape(t.Self+" and "+t.Other))
	for _, e := range t.Entries {
		fmt.Fprintf(&b, "\n## %s\n\n%s UTC, %s, %s\n", escape(t.way(e)), e.Time.Format(stamp), e.Kind, e.State)
		if e.Subject != "" {
			fmt.Fprintf(&b, "\n**%s**\n", escape(e.Subject))
		}
		writeContent(&b, e.Text, e.Attachments)
	}
	return b.Bytes(), nil
}

// writeContent writes a text as it is, indented, and the names of files.
func writeContent(b *bytes.Buffer, text string, files []Attachment) {
	if text != "" {
		b.WriteByte('\n')
		for l := range strings.SplitSeq(text, "\n") {
			if l != "" {
				l = "    " + l
			}
			fmt.Fprintln(b, l)
		}
	}
	for i, a := range files {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "- %s, %s\n", escape(a.Name), escape(a.details()))
	}
}

// title is what stands on top.
func (t Transcript) title() string {
	if t.Title != "" {
		return t.Title
	}
	return "Conversation of " + t.Self + " and " + t.Other
}

// way says who wrote an entry to whom.
func (t Transcript) way(e Entry) string {
	if e.Outgoing {
		return t.Self + " to " + t.Other
	}
	return t.Other + " to " + t.Self
}

// details are size and hash of a file.
func (a Attachment) details() string {
	s := fmt.Sprintf("%d bytes", a.Size)
	if a.SHA256 != "" {
		s += ", SHA-256 " + a.SHA256
	}
	return s
}

// escape takes the meaning from every character that Markdown gives one.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>()#+!|&~^$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
