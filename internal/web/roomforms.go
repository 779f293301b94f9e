package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// The forms of a room. Every button of a form sends all of it, so that lines are
// added and looked at without a script and nothing that was typed is lost.

// fieldMoment reads a field of date and time, which browsers write with or without
// seconds.
func fieldMoment(s string) (time.Time, error) {
	t, err := time.ParseInLocation(fieldTime, s, time.Local)
	if err != nil {
		t, err = time.ParseInLocation(fieldTime+":05", s, time.Local)
	}
	return t, err
}

// valueField is the control for what one issue is settled at.
type valueField struct {
	Name   string // of the control
	Issue  station.RoomIssue
	Bounds string
	Value  string // as the control has it: the option's place, the figure, the words
	Label  string
}

// fieldOf is the control with a value in it, nil for none.
func (r *roomView) fieldOf(name string, i station.RoomIssue, v *station.RoomValue) valueField {
	f := valueField{Name: name, Issue: i, Bounds: r.Bounds(i), Label: i.Title}
	if v == nil || v.Type != i.Type {
		return f
	}
	switch v.Type {
	case station.IssueChoice:
		f.Value = strconv.FormatUint(v.Option, 10)
	case station.IssueRange:
		f.Value = v.Number.String()
	default:
		f.Value = v.Text
	}
	return f
}

// valueJSON reads a control; ok is false if nothing was chosen.
func valueJSON(i station.RoomIssue, s string) (value map[string]any, ok bool) {
	s = strings.TrimSpace(lines(s))
	if s == "" {
		return nil, false
	}
	switch i.Type {
	case station.IssueChoice:
		n, err := strconv.ParseUint(s, 10, 64)
		return map[string]any{"option": n}, err == nil
	case station.IssueRange:
		return map[string]any{"number": strings.ReplaceAll(s, ",", ".")}, true
	}
	return map[string]any{"text": s}, true
}

// agendaPage writes the next revision of the agenda.
type agendaPage struct {
	Room    *roomView
	Rev     uint64
	Issues  []issueField
	Problem string
}

type issueField struct {
	N                         int
	ID                        uint64 // 0: new
	Title, Type, Options      string
	Min, Max, Step, Unit, Out string
	Affects                   []pick
	Last                      bool
}

func (r *roomView) issueField(i station.RoomIssue) issueField {
	f := issueField{ID: i.ID, Title: i.Title, Type: i.Type.String(), Options: strings.Join(i.Options, "\n"), Out: strings.Join(i.Outsiders, "\n")}
	if i.Range != nil {
		f.Min, f.Max, f.Step, f.Unit = i.Range.Min.String(), i.Range.Max.String(), i.Range.Step.String(), i.Range.Unit
	}
	if i.Type == 0 {
		f.Type = "choice"
	}
	for _, m := range r.Members {
		f.Affects = append(f.Affects, pick{ID: m.ID.String(), Name: m.Name, On: len(i.Affects) == 0 || slices.Contains(i.Affects, m.ID)})
	}
	return f
}

func (p *Pages) showAgendaForm(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := agendaPage{Room: r}
	for _, i := range r.held() {
		page.Issues = append(page.Issues, r.issueField(i))
	}
	if len(page.Issues) == 0 {
		page.Issues = []issueField{r.issueField(station.RoomIssue{}), r.issueField(station.RoomIssue{})}
	}
	p.agendaPage(v, http.StatusOK, page)
}

func (p *Pages) agendaPage(v *visit, code int, page agendaPage) {
	for i := range page.Issues {
		page.Issues[i].N, page.Issues[i].Last = i, i == len(page.Issues)-1
	}
	page.Rev = page.Room.nextRevision()
	p.show(v, code, "agenda", page)
}

// nextRevision follows the highest that was proposed.
func (r *roomView) nextRevision() uint64 {
	next := uint64(1)
	if r.Agenda != nil {
		next = r.Agenda.Rev + 1
	}
	for _, a := range r.Proposed {
		next = max(next, a.Rev+1)
	}
	return next
}

func (p *Pages) saveAgenda(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := agendaPage{Room: r}
	for i := 0; v.r.PostForm.Has("title-" + itoa(i)); i++ {
		n := "-" + itoa(i)
		f := r.issueField(station.RoomIssue{})
		f.ID, _ = strconv.ParseUint(v.field("id"+n), 10, 64) // an empty field is a new issue
		f.Title, f.Type, f.Options, f.Out = v.field("title"+n), v.field("type"+n), lines(v.field("options"+n)), lines(v.field("outside"+n))
		f.Min, f.Max, f.Step, f.Unit = v.field("min"+n), v.field("max"+n), v.field("step"+n), v.field("unit"+n)
		for j := range f.Affects {
			f.Affects[j].On = slices.Contains(v.r.PostForm["affects"+n], f.Affects[j].ID)
		}
		page.Issues = append(page.Issues, f)
	}
	do, at, _ := strings.Cut(v.field("do"), "-")
	if n, err := strconv.Atoi(at); do == "remove" && err == nil && n >= 0 && n < len(page.Issues) {
		page.Issues = slices.Delete(page.Issues, n, n+1)
	}
	if do == "add" {
		page.Issues = append(page.Issues, r.issueField(station.RoomIssue{}))
	}
	if do != "say" {
		p.agendaPage(v, http.StatusOK, page)
		return
	}
	if _, err := p.say(v, r, "agenda", page.body(), ""); err != nil {
		page.Problem = p.text.sentence(err)
		p.agendaPage(v, statusOf(err), page)
		return
	}
	p.done(v, "/r/"+r.Info.ID+"/table", "agenda.proposed")
}

// body is the agenda as it is said. Issues that were left empty are left out; new
// ones get numbers that were never used.
func (page agendaPage) body() map[string]any {
	r := page.Room
	next := uint64(1)
	for _, list := range r.issues {
		for _, i := range list {
			next = max(next, i.ID+1)
		}
	}
	var issues []map[string]any
	for _, f := range page.Issues {
		if strings.TrimSpace(f.Title) == "" && f.ID == 0 {
			continue
		}
		if f.ID == 0 {
			f.ID = next
			next++
		}
		i := map[string]any{"id": f.ID, "title": strings.TrimSpace(f.Title), "type": f.Type}
		switch f.Type {
		case "choice":
			i["options"] = nonEmpty(f.Options)
		case "range":
			i["range"] = map[string]string{"min": number(f.Min), "max": number(f.Max), "step": number(f.Step), "unit": strings.TrimSpace(f.Unit)}
		}
		var affects []string
		for _, k := range f.Affects {
			if k.On {
				affects = append(affects, k.ID)
			}
		}
		if len(affects) < len(f.Affects) {
			i["affects"] = affects
		}
		if out := nonEmpty(f.Out); len(out) > 0 {
			i["outsiders"] = out
		}
		issues = append(issues, i)
	}
	slices.SortStableFunc(issues, func(a, b map[string]any) int { return int(int64(a["id"].(uint64)) - int64(b["id"].(uint64))) })
	body := map[string]any{"rev": r.nextRevision(), "issues": issues}
	if r.Agenda != nil {
		body["base"] = r.Agenda.ID
	}
	return body
}

func number(s string) string {
	if s = strings.ReplaceAll(strings.TrimSpace(s), ",", "."); s == "" {
		return "0"
	}
	return s
}

func nonEmpty(s string) []string {
	out := []string{}
	for l := range strings.SplitSeq(lines(s), "\n") {
		if l = strings.TrimSpace(l); l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// packagePage puts a package on the table.
type packagePage struct {
	Room    *roomView
	Fields  []valueField
	Note    string
	To      string
	Others  []station.TableMember
	Problem string
}

// needAgenda leads to the table as long as no agenda holds: there is nothing yet
// that an offer could be about.
func (p *Pages) needAgenda(v *visit) (*roomView, bool) {
	r, ok := p.room(v)
	if ok && r.Agenda == nil {
		p.done(v, "/r/"+r.Info.ID+"/table", "table.first")
		return nil, false
	}
	return r, ok
}

func (r *roomView) others() (out []station.TableMember) {
	for _, m := range r.Members {
		if !m.Self {
			out = append(out, m)
		}
	}
	return out
}

func (p *Pages) showPackageForm(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	page := packagePage{Room: r, Others: r.others()}
	for _, i := range r.held() {
		f := r.fieldOf("value-"+strconv.FormatUint(i.ID, 10), i, nil)
		f.Value = v.r.URL.Query().Get("v" + strconv.FormatUint(i.ID, 10)) // from a suggestion
		page.Fields = append(page.Fields, f)
	}
	p.show(v, http.StatusOK, "package", page)
}

func (p *Pages) savePackage(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	page := packagePage{Room: r, Others: r.others(), Note: lines(v.field("note")), To: v.field("to")}
	values := map[string]any{}
	for _, i := range r.held() {
		n := strconv.FormatUint(i.ID, 10)
		f := r.fieldOf("value-"+n, i, nil)
		f.Value = v.field("value-" + n)
		page.Fields = append(page.Fields, f)
		if value, ok := valueJSON(i, f.Value); ok {
			values[n] = value
		}
	}
	body := map[string]any{"agenda": r.Agenda.ID, "values": values, "note": strings.TrimSpace(page.Note)}
	if _, err := p.say(v, r, "package", body, page.To); err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "package", page)
		return
	}
	p.done(v, "/r/"+r.Info.ID+"/offers", "package.said")
}

// draftPage writes a version of a text.
type draftPage struct {
	Room    *roomView
	Base    *station.RoomDraft
	Name    string
	Title   string
	Text    string
	To      string
	Others  []station.TableMember
	Problem string
}

func (r *roomView) draft(id string) *station.RoomDraft {
	for i := range r.Drafts {
		if r.Drafts[i].ID.String() == id {
			return &r.Drafts[i]
		}
	}
	return nil
}

func (p *Pages) showDraftForm(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := draftPage{Room: r, Others: r.others(), Base: r.draft(v.r.URL.Query().Get("base"))}
	if page.Base != nil {
		page.Text, page.Name, page.To = page.Base.Text, r.Name(page.Base.ID), r.audience(page.Base.ID)
	}
	p.show(v, http.StatusOK, "text", page)
}

func (p *Pages) saveDraft(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := draftPage{Room: r, Others: r.others(), Base: r.draft(v.field("base")), Title: strings.TrimSpace(v.field("title")), Text: lines(v.field("text")), To: v.field("to")}
	body := map[string]any{"rev": 1, "text": page.Text, "title": page.Title}
	if page.Base != nil {
		page.Name = r.Name(page.Base.ID)
		body = map[string]any{"rev": page.Base.Rev + 1, "base": page.Base.ID, "text": page.Text}
	}
	id, err := p.say(v, r, "draft", body, page.To)
	if err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "text", page)
		return
	}
	p.done(v, "/r/"+r.Info.ID+"/s/"+id, "text.said")
}
