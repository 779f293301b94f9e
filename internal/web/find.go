package web

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"backchannel/internal/station"
)

type searchPage struct {
	Words   string
	Key     string      // by which the session knows the search, "" without one
	Contact contactView // of whom, if only of one
	Hits    []hitView
	Asked   bool
	Earlier string // address of what comes after them, "" for none
}

type hitView struct {
	ID      string
	Contact string
	Name    string
	Mine    bool
	Letter  bool
	Subject string
	When    time.Time
	Snippet template.HTML
}

// asked is a search that somebody has made on a page.
type asked struct{ key, words, in string }

// maxAsked bounds how many searches of a session have a page; the oldest gives way.
const maxAsked = 50

// ask keeps a search while the session lasts and returns its name. Addresses of pages
// go into the browser's history, and words do not belong there.
func (s *sessions) ask(v *session, words, in string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range v.asked {
		if a.words == words && a.in == in {
			return a.key
		}
	}
	if len(v.asked) == maxAsked {
		v.asked = v.asked[1:]
	}
	key := rand.Text()
	v.asked = append(v.asked, asked{key, words, in})
	return key
}

// asked returns a search of the session, or an empty one.
func (s *sessions) asked(v *session, key string) asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range v.asked {
		if a.key == key {
			return a
		}
	}
	return asked{}
}

// startSearch takes what is searched and leads to the page of what was found.
func (p *Pages) startSearch(v *visit) {
	words := strings.TrimSpace(v.field("q"))
	in := v.field("in")
	if words == "" && in == "" {
		v.redirect("/search")
		return
	}
	v.redirect("/search?s=" + p.sessions.ask(v.session, words, in))
}

func (p *Pages) search(v *visit) {
	q := v.r.URL.Query()
	a := p.sessions.asked(v.session, q.Get("s"))
	if words := strings.TrimSpace(q.Get("q")); words != "" { // an address that somebody wrote by hand
		v.redirect("/search?s=" + p.sessions.ask(v.session, words, q.Get("in")))
		return
	}
	if a.words != "" && q.Get("everywhere") != "" {
		v.redirect("/search?s=" + p.sessions.ask(v.session, a.words, ""))
		return
	}
	page := searchPage{Words: a.words, Key: a.key}
	if id := a.in; id != "" {
		k, err := p.s.Contact(v.r.Context(), id)
		if err != nil {
			p.fail(v, err)
			return
		}
		page.Contact = contactView{ContactInfo: k}
	}
	if page.Words != "" {
		page.Asked = true
		hits, next, err := p.s.Search(v.r.Context(), station.SearchQuery{Text: page.Words, Contact: page.Contact.ID, Before: q.Get("before"), Limit: 100})
		if err != nil {
			p.fail(v, err)
			return
		}
		if next != "" {
			page.Earlier = "/search?" + url.Values{"s": {a.key}, "before": {next}}.Encode()
		}
		for _, h := range hits {
			page.Hits = append(page.Hits, hitView{h.ID, h.Contact, h.Name, h.Outgoing, h.Kind == "letter", h.Subject, h.Created, marked(h.Snippet)})
		}
	}
	p.show(v, http.StatusOK, "search", page)
}

// marked shows where the words were found.
func marked(snippet string) template.HTML {
	s := template.HTMLEscapeString(snippet)
	s = strings.NewReplacer("\ue000", "<mark>", "\ue001", "</mark>").Replace(s)
	return template.HTML(s) //nolint:gosec // the text is escaped
}

func (p *Pages) mute(v *visit) {
	p.act(v, "about.kept", func(c contactView) error {
		_, err := p.s.SetMuted(v.r.Context(), c.ID, v.field("muted") == "yes")
		return err
	})
}

// keepTimes are the self-expiries that the page offers.
var keepTimes = []struct {
	Name string
	For  time.Duration
}{{"never", 0}, {"hour", time.Hour}, {"day", 24 * time.Hour}, {"week", 7 * 24 * time.Hour}, {"month", 30 * 24 * time.Hour}, {"year", 365 * 24 * time.Hour}}

// keepName names a self-expiry in seconds as the page offers it.
func keepName(seconds int64) string {
	for _, k := range keepTimes {
		if int64(k.For/time.Second) == seconds {
			return k.Name
		}
	}
	return "other"
}

func (p *Pages) expire(v *visit) {
	p.act(v, "about.kept", func(c contactView) error {
		for _, k := range keepTimes {
			if k.Name == v.field("expiry") {
				_, err := p.s.SetExpiry(v.r.Context(), c.ID, k.For)
				return err
			}
		}
		return &station.Error{Code: station.CodeInvalid, Text: p.text.say("about.expiry.choose")}
	})
}
