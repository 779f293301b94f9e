package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Templates: templates/frame.html and bare.html are the two frames, parts/*.html
// what more than one screen shows or what refreshes itself, screens/*.html one
// screen each, which defines "content". What stands in bare.html shows nothing of
// the station.
//
// All of them are one set, in which the content of a screen bears the screen's name
// and is rendered before its frame: a set of its own for each screen would hold
// every part once more, some fifteen megabytes in all.

// screens are the templates and texts from which every page is made.
type screens struct {
	tmpl *template.Template
	text texts
	log  *slog.Logger
}

func newScreens(log *slog.Logger, now func() time.Time) (*screens, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	text, err := loadTexts("en")
	if err != nil {
		return nil, err
	}
	tmpl, err := parseTemplates(text, now)
	if err != nil {
		return nil, fmt.Errorf("reading the pages' templates: %w", err)
	}
	return &screens{tmpl, text, log}, nil
}

// contentOf is the name of a screen's content in the set.
func contentOf(screen string) string { return "content of " + screen }

// parseTemplates makes the set.
func parseTemplates(text texts, now func() time.Time) (*template.Template, error) {
	funcs := template.FuncMap{
		"t": text.say, "n": text.count, "size": text.size, "left": text.left,
		"day":      func(t time.Time) string { return text.day(t, now()) },
		"moment":   func(t time.Time) string { return text.moment(t, now()) },
		"clock":    func(t time.Time) string { return t.Local().Format("15:04") },
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"duration": func(s float64) string { return text.duration(seconds(s)) },
		"join":     strings.Join,
		"add":      func(a, b int) int { return a + b },
		"list":     func(v ...any) []any { return v },
		"int":      func(n uint64) int { return int(n) },
		"unix":     func(s uint64) time.Time { return time.Unix(int64(s), 0) },
	}
	set, err := template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/*.html", "templates/parts/*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/screens/*.html")
	if err != nil {
		return nil, err
	}
	const content = `{{define "content"}}`
	for _, file := range files {
		b, err := templateFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		screen := strings.TrimSuffix(path.Base(file), ".html")
		if strings.Count(string(b), content) != 1 {
			return nil, fmt.Errorf("%s: a screen defines its content once", file)
		}
		text := strings.Replace(string(b), content, fmt.Sprintf("{{define %q}}", contentOf(screen)), 1)
		if _, err := set.New(screen + ".html").Parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return set, nil
}

// frame is what every page of somebody who is signed in shows around its content.
type frame struct {
	Screen  string
	Token   string
	Said    string
	Name    string // of the station, on its own pages
	Facts   factsView
	People  []personView
	Unread  int // of the contacts
	News    int // for the title
	Notify  bool
	Body    any
	Content template.HTML // the screen's, rendered
	Contact string        // identifier of the contact whose page this is, ""
	Rooms   []roomLine
	Room    string // identifier of the room whose page this is, ""

	RoomsUnread int
	Told        uint64 // hints before the page was made
}

// show renders a screen inside the frame.
func (p *Pages) show(v *visit, code int, screen string, body any) {
	f := frame{Screen: screen, Token: v.session.form, Body: body, Contact: v.r.PathValue("contact")}
	f.Told = v.told
	if !v.part() { // which takes a part of it and would lose what is said beside
		f.Said = p.sessions.said(v.session)
	}
	o := p.s.PageOptions()
	f.Name, f.Notify = o.Name, o.Notify
	var err error
	if f.Facts, err = p.facts(v.r.Context()); err != nil {
		p.cfg.Log.Warn("pages: describing the station failed", "error", err)
	}
	if f.People, f.Unread, err = p.people(v.r.Context(), f.Contact); err != nil && statusOf(err) == http.StatusLocked {
		v.redirect("/unlock")
		return
	}
	f.Room = v.r.PathValue("room")
	if f.Rooms, err = p.rooms(v, f.Room); err != nil {
		p.cfg.Log.Warn("pages: listing the rooms failed", "error", err)
	}
	f.RoomsUnread = unread(f.Rooms)
	f.News = f.Unread + f.RoomsUnread
	p.execute(v.w, code, screen, "frame", f)
}

// showPart renders one part, for htmx.
func (p *Pages) showPart(v *visit, part string, data any) {
	p.execute(v.w, http.StatusOK, "", part, data)
}

// render shows a bare screen.
func (s *screens) render(w http.ResponseWriter, code int, screen string, body any) {
	s.execute(w, code, screen, "bare", body)
}

// execute renders wholly before it answers, so that a failure is a failure: the
// screen's content first, if there is one, and then what is around it.
func (s *screens) execute(w http.ResponseWriter, code int, screen, name string, data any) {
	var b bytes.Buffer
	err := error(nil)
	if screen != "" {
		if err = s.tmpl.ExecuteTemplate(&b, contentOf(screen), data); err == nil {
			f, ok := data.(frame)
			if !ok || name != "frame" {
				f = frame{}
			}
			f.Content = template.HTML(b.String()) //nolint:gosec // what the set itself has just escaped
			data = f
			b.Reset()
		}
	}
	if err == nil {
		err = s.tmpl.ExecuteTemplate(&b, name, data)
	}
	if err != nil {
		s.log.Error("pages: a template failed", "template", screen+"/"+name, "error", err)
		http.Error(w, "this page could not be shown; the station goes on", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the browser is gone, or it is not
}

// serveAsset serves what is embedded. The names carry no version; a browser asks
// again each time, for nothing of a station is to stay in its cache.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	kind := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // not what the machine's own table says
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b)
}

// serveManifest lets a phone put the pages on its home screen.
func serveManifest(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/manifest+json")
	_, _ = w.Write([]byte(`{"name":"Backchannel","short_name":"Backchannel","start_url":"/","display":"standalone","background_color":"#fbfaf7","theme_color":"#fbfaf7"}`))
}
