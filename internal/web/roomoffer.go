package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// offerPage writes an offer: the two columns of a contract, and what must hold
// besides. Looked says that it is read aloud before it is made.
type offerPage struct {
	Room       *roomView
	Gives      []termField
	Gets       []termField
	To         []pick
	Private    string
	Conditions []pick
	Until      string // local, as the browser's field writes it
	Note       string
	Answers    string
	Replaces   string
	Unsent     uint64     // the kept offer that is written on, 0 for none
	About      *offerCard // the offer that is answered or replaced
	Aloud      []string
	Problem    string
	Others     []station.TableMember
}

// termField is one line of a column.
type termField struct {
	Column string // gives or gets
	N      int
	By     []pick
	Value  valueField
	Again  bool // not the first about its issue
}

func (r *roomView) termField(column string, n int, i station.RoomIssue, by string, value *station.RoomValue) termField {
	f := termField{Column: column, N: n, Value: r.fieldOf(column+"-value-"+itoa(n), i, value)}
	for _, m := range r.Members {
		f.By = append(f.By, pick{ID: m.ID.String(), Name: m.Name, On: m.ID.String() == by})
	}
	return f
}

// column has a line for every issue, and more for those about which more is said.
func (r *roomView) column(name, by string, terms []station.RoomTerm) (out []termField) {
	for _, i := range r.held() {
		had := false
		for _, t := range terms {
			if t.Issue == i.ID && t.Value.Type == i.Type {
				f := r.termField(name, len(out), i, t.By.String(), &t.Value)
				f.Again, had = had, true
				out = append(out, f)
			}
		}
		if !had {
			out = append(out, r.termField(name, len(out), i, by, nil))
		}
	}
	return out
}

func (r *roomView) offer(id string) *station.RoomOffer {
	for i := range r.Offers {
		if r.Offers[i].ID.String() == id {
			return &r.Offers[i]
		}
	}
	return nil
}

func (p *Pages) showOfferForm(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	page := offerPage{Room: r, Until: p.cfg.Now().AddDate(0, 0, 3).Format(fieldTime)}
	q := v.r.URL.Query()
	var from *station.RoomOffer
	first := ""
	if others := r.others(); len(others) > 0 {
		first = others[0].ID.String()
	}
	var gives, gets []station.RoomTerm
	var to []station.MemberID
	var onlyIf []station.StatementID
	switch {
	case q.Get("answers") != "":
		// An answer begins with the other way round of what it answers.
		if from = r.offer(q.Get("answers")); from != nil {
			gives, gets, to, page.Answers = from.Gets, from.Gives, []station.MemberID{from.Author}, from.ID.String()
			first = from.Author.String()
		}
	case q.Get("replaces") != "":
		if from = r.offer(q.Get("replaces")); from != nil && from.Author == r.Self {
			gives, gets, to, onlyIf, page.Replaces, page.Note = from.Gives, from.Gets, from.To, from.OnlyIf, from.ID.String(), from.Note
		}
	case q.Get("unsent") != "":
		u := r.unsent(q.Get("unsent"))
		if u == nil {
			p.notFound(v)
			return
		}
		gives, gets, to, onlyIf, page.Unsent, page.Note = u.Gives, u.Gets, u.To, u.OnlyIf, u.Number, u.Note
		page.Answers, page.Replaces, page.Private = r.about(u)
		page.Until = ""
		if u.Expires > 0 {
			page.Until = time.Unix(int64(u.Expires), 0).Format(fieldTime)
		}
	}
	if from != nil {
		if page.Private = r.audience(from.ID); page.Private != "" {
			to = nil
		}
	}
	page.Gives, page.Gets = r.column("gives", r.Self.String(), gives), r.column("gets", first, gets)
	p.offerPage(v, http.StatusOK, page, idsOf(to), idsOf(onlyIf))
}

func idsOf[T interface{ String() string }](list []T) (out []string) {
	for _, id := range list {
		out = append(out, id.String())
	}
	return out
}

func (p *Pages) offerPage(v *visit, code int, page offerPage, to, onlyIf []string) {
	r := page.Room
	page.Others = r.others()
	page.To, page.Conditions = nil, nil
	for _, m := range page.Others {
		page.To = append(page.To, pick{ID: m.ID.String(), Name: m.Name, On: slices.Contains(to, m.ID.String())})
	}
	for _, o := range r.Offers {
		if id := o.ID.String(); id != page.Replaces && (o.State == "open" || o.State == "countered" || o.State == "taken" || slices.Contains(onlyIf, id)) {
			page.Conditions = append(page.Conditions, pick{ID: id, Name: r.condition(o.ID, "offer", "").Sentence, On: slices.Contains(onlyIf, id)})
		}
	}
	for _, k := range r.Packages {
		if id := k.ID.String(); k.Problem == "" {
			page.Conditions = append(page.Conditions, pick{ID: id, Name: r.condition(k.ID, "package", "").Sentence, On: slices.Contains(onlyIf, id)})
		}
	}
	for _, id := range []string{page.Answers, page.Replaces} {
		if o := r.offer(id); o != nil {
			c := r.Card(*o)
			page.About = &c
		}
	}
	p.show(v, code, "offer", page)
}

// readColumn reads a column back; a line without a value is none.
func (r *roomView) readColumn(v *visit, name string) (fields []termField, terms []map[string]any, aloud []string) {
	last := uint64(0)
	for n := 0; v.r.PostForm.Has(name + "-issue-" + itoa(n)); n++ {
		id, _ := strconv.ParseUint(v.field(name+"-issue-"+itoa(n)), 10, 64) // 0 is no issue
		at := slices.IndexFunc(r.held(), func(i station.RoomIssue) bool { return i.ID == id })
		if at < 0 {
			continue
		}
		i, by, value := r.held()[at], v.field(name+"-by-"+itoa(n)), v.field(name+"-value-"+itoa(n))
		add := func(value string) {
			f := r.termField(name, len(fields), i, by, nil)
			f.Value.Value, f.Again = value, id == last
			fields, last = append(fields, f), id
		}
		add(value)
		if j, ok := valueJSON(i, value); ok {
			terms = append(terms, map[string]any{"by": by, "issue": id, "value": j})
			aloud = append(aloud, r.sayTerm(i, by, value))
		}
		if v.field("do") == "more-"+name+"-"+itoa(n) {
			add("")
		}
	}
	return fields, terms, aloud
}

// sayTerm is the sentence of a line that is being written.
func (r *roomView) sayTerm(i station.RoomIssue, by, value string) string {
	who := r.text.say("room.somebody")
	for _, m := range r.Members {
		if m.ID.String() == by {
			who = m.Name
		}
	}
	value = strings.TrimSpace(value)
	switch i.Type {
	case station.IssueChoice:
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < len(i.Options) {
			value = i.Options[n]
		}
		return r.text.say("offer.term.choice", who, i.Title, value)
	case station.IssueRange:
		if i.Range != nil && i.Range.Unit != "" {
			value += " " + i.Range.Unit
		}
		return r.text.say("offer.term.range", who, i.Title, value)
	}
	return r.text.say("offer.term.text", who, i.Title, value)
}

func (p *Pages) saveOffer(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	page := offerPage{Room: r, Until: v.field("until"), Note: lines(v.field("note")), Private: v.field("private"), Answers: v.field("answers"), Replaces: v.field("replaces")}
	page.Unsent, _ = strconv.ParseUint(v.field("unsent"), 10, 64) // 0 is none
	var gives, gets []map[string]any
	var saidGives, saidGets []string
	page.Gives, gives, saidGives = r.readColumn(v, "gives")
	page.Gets, gets, saidGets = r.readColumn(v, "gets")
	to, onlyIf := v.r.PostForm["to"], v.r.PostForm["only-if"]
	if page.Private != "" {
		to = nil
	}
	body := map[string]any{"agenda": r.Agenda.ID, "gives": gives, "gets": gets, "note": strings.TrimSpace(page.Note)}
	if len(to) > 0 {
		body["to"] = to
	}
	if len(onlyIf) > 0 {
		body["only_if"] = onlyIf
	}
	for name, id := range map[string]string{"answers": page.Answers, "replaces": page.Replaces} {
		if id != "" {
			body[name] = id
		}
	}
	var until *time.Time
	if page.Until != "" {
		t, err := fieldMoment(page.Until)
		if err != nil {
			page.Problem = p.text.say("offer.time")
			p.offerPage(v, http.StatusUnprocessableEntity, page, to, onlyIf)
			return
		}
		body["expires"], until = t.Unix(), &t
	}
	switch v.field("do") {
	case "look":
		page.Aloud = p.aloud(r, saidGives, saidGets, onlyIf, until)
		if len(gives)+len(gets) == 0 {
			page.Aloud, page.Problem = nil, p.text.say("offer.empty")
		}
		p.offerPage(v, http.StatusOK, page, to, onlyIf)
		return
	case "say", "keep":
	default:
		p.offerPage(v, http.StatusOK, page, to, onlyIf)
		return
	}
	done, err := p.makeOffer(v, &page, body)
	if err != nil {
		page.Problem = p.text.sentence(err)
		p.offerPage(v, statusOf(err), page, to, onlyIf)
		return
	}
	p.sessions.say(v.session, done)
	v.redirect("/r/" + r.Info.ID + "/offers")
}

// aloud is the offer as one reads it to somebody.
func (p *Pages) aloud(r *roomView, gives, gets, onlyIf []string, until *time.Time) (out []string) {
	out = append(out, gives...)
	if len(gets) > 0 && len(gives) > 0 {
		out = append(out, p.text.say("offer.inreturn"))
	}
	out = append(out, gets...)
	for _, id := range onlyIf {
		if o := r.offer(id); o != nil {
			out = append(out, r.condition(o.ID, "offer", "").Sentence)
		}
		for _, k := range r.Packages {
			if k.ID.String() == id {
				out = append(out, r.condition(k.ID, "package", "").Sentence)
			}
		}
	}
	if until != nil {
		out = append(out, p.text.say("offer.until", p.text.moment(*until, p.cfg.Now())))
	} else {
		out = append(out, p.text.say("offer.forever"))
	}
	return append(out, p.text.say("offer.notbinding"))
}
