package transcript

import "fmt"

// A Form is a way in which a transcript is written down.
type Form struct {
	Name      string // what it is called in commands and requests
	MediaType string
	Extension string
	write     func(Transcript) ([]byte, error)
}

// Forms lists the ways.
func Forms() []Form {
	return []Form{
		{"json", "application/json", ".json", WriteJSON},
		{"markdown", "text/markdown; charset=utf-8", ".md", WriteMarkdown},
		{"html", "text/html; charset=utf-8", ".html", WriteHTML},
		{"script", "text/plain; charset=utf-8", ".txt", WriteScript},
	}
}

// FormOf returns the form of that name.
func FormOf(name string) (Form, error) {
	for _, f := range Forms() {
		if f.Name == name {
			return f, nil
		}
	}
	return Form{}, fmt.Errorf("there is no format %q: it is json, markdown, html or script", name)
}

// Write writes a transcript in the form. Every transcript that leaves a station,
// real or made up, comes out of here.
func (f Form) Write(t Transcript) ([]byte, error) { return f.write(t) }
