package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Record is a negotiation of several principals as it is written down for people. Like
// a Transcript it has names, times to the minute and words, and no identifier.
type Record struct {
	Title   string
	Self    string   // whose copy it is
	People  []string // all, Self included
	Remarks []string // by whoever wrote it down
	Entries []RecordEntry
}

// RecordEntry is one thing that was said or done.
type RecordEntry struct {
	By      string
	To      string // who alone was told; empty: all
	Kind    string // what it is, such as "offer"
	Time    time.Time
	State   string // what became of it; may be empty
	Subject string
	Lines   []string // its terms, one each
	Text    string
	Files   []Attachment
}

// normal is a record without anything that could pass for another entry.
func (r Record) normal() (Record, error) {
	r.Title, r.Self = line(r.Title), line(r.Self)
	each := func(list []string) (out []string) {
		for _, s := range list {
			out = append(out, line(s))
		}
		return out
	}
	r.People, r.Remarks = each(r.People), each(r.Remarks)
	if r.Title == "" || r.Self == "" {
		return r, errors.New("writing the record: it has no title, or nobody's copy it is")
	}
	var entries []RecordEntry
	for _, e := range r.Entries {
		e.By, e.To, e.Kind, e.State, e.Subject = line(e.By), line(e.To), line(e.Kind), line(e.State), line(e.Subject)
		e.Text, e.Lines, e.Time = text(e.Text), each(e.Lines), e.Time.UTC().Truncate(time.Minute)
		var files []Attachment
		for _, a := range e.Files {
			a.Name = line(a.Name)
			files = append(files, a)
		}
		e.Files = files
		entries = append(entries, e)
	}
	r.Entries = entries
	return r, nil
}

func (r Record) people() string {
	list := r.People
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// way says who said it to whom.
func (e RecordEntry) way() string {
	if e.To != "" {
		return e.By + " to " + e.To + " alone"
	}
	return e.By
}

// what is the line below it.
func (e RecordEntry) what() string {
	s := e.Time.Format(stamp) + " UTC, " + e.Kind
	if e.State != "" {
		s += ", " + e.State
	}
	return s
}

// WriteRecordMarkdown writes the record as Markdown. Texts stand indented, as they are.
func WriteRecordMarkdown(r Record) ([]byte, error) {
	r, err := r.normal()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s; the copy of %s.\n", escape(r.Title), escape(r.people()), escape(r.Self))
	for _, s := range r.Remarks {
		fmt.Fprintf(&b, "\n> %s\n", escape(s))
	}
	for _, e := range r.Entries {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", escape(e.way()), escape(e.what()))
		if e.Subject != "" {
			fmt.Fprintf(&b, "\n**%s**\n", escape(e.Subject))
		}
		for i, l := range e.Lines {
			if i == 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "- %s\n", escape(l))
		}
		writeContent(&b, e.Text, e.Files)
	}
	return b.Bytes(), nil
}

// WriteRecordHTML writes the record as one page to print, in the style of WriteHTML.
func WriteRecordHTML(r Record) ([]byte, error) {
	r, err := r.normal()
	if err != nil {
		return nil, err
	}
	type row struct {
		RecordEntry
		Way, What string
		Names     []string
	}
	view := struct {
		Record
		People string
		Rows   []row
	}{Record: r, People: r.people()}
	for _, e := range r.Entries {
		x := row{RecordEntry: e, Way: e.way(), What: e.what()}
		for _, a := range e.Files {
			x.Names = append(x.Names, a.Name+", "+a.details())
		}
		view.Rows = append(view.Rows, x)
	}
	var b bytes.Buffer
	if err := recordPage.Execute(&b, view); err != nil {
		return nil, fmt.Errorf("writing the record: %w", err)
	}
	return b.Bytes(), nil
}

var recordPage = template.Must(template.New("record").Parse(pageHead + `<p>{{.People}}; the copy of {{.Self}}.</p>
{{range .Remarks}}<p><em>{{.}}</em></p>
{{end}}{{range .Rows}}<article>
<h2>{{.Way}}</h2>
<p>{{.What}}</p>
{{with .Subject}}<h3>{{.}}</h3>
{{end}}{{with .Lines}}<ul>
{{range .}}<li>{{.}}</li>
{{end}}</ul>
{{end}}{{with .Text}}<div class="text">{{.}}</div>
{{end}}{{with .Names}}<ul>
{{range .}}<li>{{.}}</li>
{{end}}</ul>
{{end}}</article>
{{end}}</body>
</html>
`))
