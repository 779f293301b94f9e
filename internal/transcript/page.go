package transcript

import (
	"bytes"
	"fmt"
	"html/template"
)

// WriteHTML writes the transcript as one page to print. It holds its style, runs
// nothing and asks for nothing, and shows texts as they are.
func WriteHTML(t Transcript) ([]byte, error) {
	t, err := ready(t)
	if err != nil {
		return nil, err
	}
	type row struct {
		Entry
		Way, When string
		Files     []string
	}
	view := struct {
		Title, Self, Other string
		Rows               []row
	}{t.title(), t.Self, t.Other, nil}
	for _, e := range t.Entries {
		r := row{Entry: e, Way: t.way(e), When: e.Time.Format(stamp)}
		for _, a := range e.Attachments {
			r.Files = append(r.Files, a.Name+", "+a.details())
		}
		view.Rows = append(view.Rows, r)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, view); err != nil {
		return nil, fmt.Errorf("writing the transcript: %w", err)
	}
	return b.Bytes(), nil
}

// style is that of every page to print.
// pageHead is the beginning of every page to print, up to its title.
const pageHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
<style>
` + style + `</style>
</head>
<body>
<h1>{{.Title}}</h1>
`

const style = `body { max-width: 42em; margin: 2em auto; padding: 0 1em; font: 1.1em/1.55 Charter, "Iowan Old Style", Georgia, serif; color: #1d1b18; background: #fbfaf7 }
article { border-top: 1px solid #ddd8ce; padding: 1em 0; break-inside: avoid }
h2 { font-size: 1em; margin: 0 }
h3 { font-size: 1em; font-style: italic; margin: .5em 0 }
article > p { margin: 0; font-size: .85em; color: #5b554b }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: .7em 0 0 }
ul { font-size: .85em; overflow-wrap: anywhere }
@media print { body { margin: 0; max-width: none; background: none; color: #000; font-size: 11pt } article { break-inside: auto } h2, h3 { break-after: avoid } }
`

var page = template.Must(template.New("transcript").Parse(pageHead + `<p>{{.Self}} and {{.Other}}.</p>
{{range .Rows}}<article>
<h2>{{.Way}}</h2>
<p>{{.When}} UTC, {{.Kind}}, {{.State}}</p>
{{with .Subject}}<h3>{{.}}</h3>
{{end}}{{with .Text}}<div class="text">{{.}}</div>
{{end}}{{with .Files}}<ul>
{{range .}}<li>{{.}}</li>
{{end}}</ul>
{{end}}</article>
{{end}}</body>
</html>
`))
