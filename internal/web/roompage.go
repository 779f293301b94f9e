package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// boardViews are what is shown beside the conversation of a room, one at a time.
var boardViews = []string{"table", "offers", "texts", "rounds", "agreements", "timeline", "private", "about"}

// roomPage is a room: its conversation and the negotiation beside it.
type roomPage struct {
	Room    *roomView
	View    string // what is beside the conversation
	Talk    bool   // on a narrow screen the conversation is what is shown
	Log     roomLog
	Board   boardPart
	Writing string
	Text    string
	Subject string
	To      string
	Problem string
	Members []station.TableMember // the others
}

// roomLog is the conversation of a room.
type roomLog struct {
	Room    *roomView
	Entries []spoken
	Earlier string
	Before  string
	Seen    string
}

// spoken is one statement: a signal or letter as it is read, everything else in a
// line with the way to it.
type spoken struct {
	ID      string
	Who     string
	Mine    bool
	To      string // private
	NewDay  bool
	When    time.Time
	Kind    string
	Did     string // what it was, in words
	Title   string
	Href    string
	Subject string
	Body    template.HTML
	Cut     bool
	Files   []roomFile
	Unread  string // why it could not be read
	Talk    bool   // signal, letter or comment
}

type roomFile struct {
	Name, Href string
	Size       int64
}

func (r *roomView) spoken(s *station.RoomStatement) spoken {
	e := spoken{ID: s.ID.String(), Who: r.Who(s.From), Mine: s.From == r.Self, When: s.Time, Kind: string(s.Kind), Href: r.Href(s.ID)}
	if s.Private() {
		e.To = r.Called(r.other(s))
	}
	if s.Body == nil {
		e.Unread = r.text.say("said.unknown", s.Kind)
		if s.Unreadable != "" {
			e.Unread = r.text.say("said.unreadable", s.Unreadable)
		}
		if strings.HasPrefix(e.Kind, "round/") || strings.HasPrefix(e.Kind, "sign/") {
			e.Unread, e.Did, e.Href = "", r.text.say("said.machine"), ""
		}
		return e
	}
	readBody := func(text, kind string) {
		if len(text) > shownText {
			text, e.Cut = cut(text, shownText), true
		}
		e.Body, e.Talk = readable(text, kind), true
	}
	switch b := s.Body.(type) {
	case *station.RoomSignal:
		e.Did = r.text.say("said.signal")
		readBody(b.Text, "text/plain")
	case *station.RoomLetter:
		e.Did, e.Subject = r.text.say("said.letter"), b.Subject
		readBody(b.Text, "text/markdown")
		for i, a := range b.Attachments {
			e.Files = append(e.Files, roomFile{a.Name, fmt.Sprintf("/r/%s/s/%s/file?part=%d", r.Info.ID, s.ID, i), int64(len(a.Data))})
		}
	case *station.RoomComment:
		e.Did, e.Title, e.Href = r.text.say("said.comment"), r.Name(b.On), r.Href(b.On)
		if r.titles[b.On] == "" && r.byID[b.On] != nil {
			e.Title = r.text.say("said.statement", r.Called(r.byID[b.On].From))
		}
		readBody(b.Text, "text/plain")
	default:
		e.Did, e.Title = r.did(s)
	}
	return e
}

// did says in words what a statement of the negotiation was.
func (r *roomView) did(s *station.RoomStatement) (what, title string) {
	var of struct {
		Of, Core *station.StatementID
	}
	if b, err := json.Marshal(s.Body); err == nil {
		_ = json.Unmarshal(b, &of) // other fields differ from kind to kind
	}
	if of.Of != nil {
		title = r.Name(*of.Of)
	} else {
		title = r.titles[s.ID]
	}
	switch s.Kind {
	case "agenda":
		what = r.text.say("said.agenda")
	case "confirm":
		what = r.text.say("said.confirm")
	case "package":
		what = r.text.say("said.package")
	case "offer":
		what = r.text.say("said.offer")
	case "take":
		what = r.text.say("said.take")
	case "taken":
		what = r.text.say("said.taken")
	case "withdraw":
		what = r.text.say("said.withdraw")
	case "draft":
		what = r.text.say("said.draft")
	case "round":
		what = r.text.say("said.round")
	case "join":
		what = r.text.say("said.join")
	case "agreement":
		what = r.text.say("said.agreement")
	case "consent":
		what = r.text.say("said.consent")
		for _, a := range r.Agreements {
			if of.Core != nil && a.Core == *of.Core {
				title = r.Name(a.ID)
			}
		}
	case "communique":
		what = r.text.say("said.communique")
	case "approve":
		what = r.text.say("said.approve")
	case "release":
		what = r.text.say("said.release")
	default:
		what = string(s.Kind)
	}
	return what, title
}

// hidden are steps of machines and confirmations that would only be noise between
// what people say; the time line has them.
func hidden(kind string) bool {
	return strings.HasPrefix(kind, "round/") || strings.HasPrefix(kind, "sign/")
}

// log is a page of the conversation, what was said before the statement before.
func (r *roomView) log(before string) roomLog {
	out := roomLog{Room: r, Before: before}
	var all []*station.RoomStatement
	for _, s := range r.Timeline {
		if s.ID.String() == before {
			break
		}
		if !hidden(string(s.Kind)) {
			all = append(all, s)
		}
	}
	if len(all) > pageSize {
		all = all[len(all)-pageSize:]
		out.Earlier = "/r/" + r.Info.ID + "?before=" + all[0].ID.String()
	}
	digest, day := fnv.New64a(), ""
	for _, s := range all {
		e := r.spoken(s)
		if d := e.When.Local().Format(time.DateOnly); d != day {
			e.NewDay, day = true, d
		}
		out.Entries = append(out.Entries, e)
		fmt.Fprintf(digest, "%s %s;", e.ID, e.Title)
	}
	out.Seen = fmt.Sprintf("%x", digest.Sum64())
	return out
}

// boardPart is what is shown beside the conversation.
type boardPart struct {
	Room *roomView
	View string
	Open []offerCard
	Over []offerCard
	Kept []keptCard
	Says []spoken // the time line
	Own  *privatePart
}

func (p *Pages) board(v *visit, r *roomView, view string) (boardPart, error) {
	b := boardPart{Room: r, View: view}
	b.Open, b.Over = r.Cards()
	switch view {
	case "offers":
		b.Kept = r.kept()
	case "timeline":
		day := ""
		for _, s := range r.Timeline {
			e := r.spoken(s)
			if d := e.When.Local().Format(time.DateOnly); d != day {
				e.NewDay, day = true, d
			}
			b.Says = append(b.Says, e)
		}
	case "private":
		own, err := p.private(v, r)
		b.Own = own
		return b, err
	}
	return b, nil
}

func (p *Pages) showRoom(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	if v.part() { // the page on which the room was being formed
		v.redirect("/r/" + r.ID())
		return
	}
	p.roomPage(v, http.StatusOK, r, roomPage{})
}

// roomPage shows a room; page carries what a refused sending leaves.
func (p *Pages) roomPage(v *visit, code int, r *roomView, page roomPage) {
	q := v.r.URL.Query()
	view := strings.TrimPrefix(v.r.URL.Path, "/r/"+r.Info.ID+"/")
	if !slices.Contains(boardViews, view) {
		view, page.Talk = "table", true
	}
	page.Room, page.View, page.Log = r, view, r.log(q.Get("before"))
	var err error
	if page.Board, err = p.board(v, r, view); err != nil {
		p.fail(v, err)
		return
	}
	for _, m := range r.Members {
		if !m.Self {
			page.Members = append(page.Members, m)
		}
	}
	if page.Writing == "" {
		page.Writing = "signal"
		if q.Get("write") == "letter" {
			page.Writing = "letter"
		}
	}
	if page.To == "" {
		page.To = q.Get("to")
	}
	p.looked(v, r.Info)
	p.show(v, code, "room", page)
}

func (p *Pages) partRoom(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	q := v.r.URL.Query()
	p.looked(v, r.Info)
	log := r.log(q.Get("before"))
	if q.Get("seen") == log.Seen {
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	p.showPart(v, "roomlog", log)
}

func (p *Pages) partBoard(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	view := v.r.URL.Query().Get("view")
	if !slices.Contains(boardViews, view) {
		view = "table"
	}
	b, err := p.board(v, r, view)
	if err != nil {
		p.fail(v, err)
		return
	}
	p.showPart(v, "board", b)
}

// say says something in a room.
func (p *Pages) say(v *visit, r *roomView, kind string, body any, to string) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	said, err := p.desk.Say(v.r.Context(), r.Info.ID, station.Saying{Kind: kind, To: to, Body: b})
	return said.ID, err
}

func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func (p *Pages) roomSignal(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := roomPage{Text: lines(v.field("text")), To: v.field("to"), Writing: "signal"}
	if _, err := p.say(v, r, "signal", map[string]any{"text": strings.TrimSpace(page.Text)}, page.To); err != nil {
		page.Problem = p.text.sentence(err)
		p.roomPage(v, statusOf(err), r, page)
		return
	}
	v.redirect("/r/" + r.Info.ID + "#newest")
}

func (p *Pages) roomLetter(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := roomPage{Text: lines(v.field("text")), Subject: strings.TrimSpace(v.field("subject")), To: v.field("to"), Writing: "letter"}
	type file struct {
		Name string `json:"name"`
		Type string `json:"type,omitempty"`
		Data string `json:"data"`
	}
	var files []file
	for _, f := range v.files("attachment") {
		in, err := f.Open()
		if err != nil {
			p.fail(v, err)
			return
		}
		b, err := io.ReadAll(in)
		in.Close()
		if err != nil {
			p.fail(v, err)
			return
		}
		files = append(files, file{f.Filename, f.Header.Get("Content-Type"), base64.StdEncoding.EncodeToString(b)})
	}
	body := map[string]any{"text": page.Text, "subject": page.Subject}
	if len(files) > 0 {
		body["attachments"] = files
	}
	if strings.TrimSpace(page.Text) == "" && len(files) == 0 {
		page.Problem = p.text.say("write.empty")
		p.roomPage(v, http.StatusUnprocessableEntity, r, page)
		return
	}
	if _, err := p.say(v, r, "letter", body, page.To); err != nil {
		page.Problem = p.text.sentence(err)
		p.roomPage(v, statusOf(err), r, page)
		return
	}
	v.redirect("/r/" + r.Info.ID + "#newest")
}

// statementPage is one statement on a page of its own, with what was said about it.
type statementPage struct {
	Room     *roomView
	Said     spoken
	Whole    template.HTML
	Raw      string // of one that is not understood, in base64
	Package  *station.RoomPackage
	Draft    *station.RoomDraft
	Comments []spoken
	Note     string
	Colour   string
	Coloured bool
	Problem  string
}

func (p *Pages) statement(v *visit) (*roomView, *station.RoomStatement, bool) {
	r, ok := p.room(v)
	if !ok {
		return nil, nil, false
	}
	for id, s := range r.byID {
		if id.String() == v.r.PathValue("statement") {
			return r, s, true
		}
	}
	p.notFound(v)
	return nil, nil, false
}

func (p *Pages) showStatement(v *visit) {
	r, s, ok := p.statement(v)
	if !ok {
		return
	}
	p.statementPage(v, http.StatusOK, r, s, "")
}

func (p *Pages) statementPage(v *visit, code int, r *roomView, s *station.RoomStatement, problem string) {
	page := statementPage{Room: r, Said: r.spoken(s), Note: r.note[s.ID], Colour: r.colour[s.ID], Problem: problem}
	page.Said.Did = strings.TrimSuffix(page.Said.Did, ":")
	page.Coloured = s.Kind == "package" || s.Kind == "offer"
	page.Package = r.Package(s.ID)
	for i := range r.Drafts {
		if r.Drafts[i].ID == s.ID {
			page.Draft = &r.Drafts[i]
		}
	}
	switch b := s.Body.(type) {
	case *station.RoomLetter:
		page.Whole = readable(b.Text, "text/markdown")
	case *station.RoomSignal:
		page.Whole = readable(b.Text, "text/plain")
	case *station.RoomComment:
		page.Whole = readable(b.Text, "text/plain")
	case nil:
		page.Raw = base64.StdEncoding.EncodeToString(s.Raw)
	}
	for _, c := range r.Timeline {
		if b, ok := c.Body.(*station.RoomComment); ok && b.On == s.ID {
			page.Comments = append(page.Comments, r.spoken(c))
		}
	}
	p.show(v, code, "statement", page)
}

func (p *Pages) statementFile(v *visit) {
	_, s, ok := p.statement(v)
	if !ok {
		return
	}
	n, err := strconv.Atoi(v.r.URL.Query().Get("part"))
	l, letter := s.Body.(*station.RoomLetter)
	if err != nil || !letter || n < 0 || n >= len(l.Attachments) {
		p.notFound(v)
		return
	}
	attach(v.w, l.Attachments[n].Name, "application/octet-stream")
	_, _ = v.w.Write(l.Attachments[n].Data) // the browser is gone, or it is not
}

func (p *Pages) comment(v *visit) {
	r, s, ok := p.statement(v)
	if !ok {
		return
	}
	if _, err := p.say(v, r, "comment", map[string]any{"on": s.ID, "text": strings.TrimSpace(lines(v.field("text")))}, r.audience(s.ID)); err != nil {
		p.statementPage(v, statusOf(err), r, s, p.text.sentence(err))
		return
	}
	p.done(v, "/r/"+r.Info.ID+"/s/"+s.ID.String(), "said.commented")
}

// tell says a short statement about another, and leads back to where that is shown.
func (p *Pages) tell(v *visit, kind, done string) {
	r, s, ok := p.statement(v)
	if !ok {
		return
	}
	if _, err := p.say(v, r, kind, map[string]any{"of": s.ID}, r.audience(s.ID)); err != nil {
		p.fail(v, err)
		return
	}
	p.sessions.say(v.session, done)
	v.redirect(r.Href(s.ID))
}

func (p *Pages) confirmAgenda(v *visit) { p.tell(v, "confirm", p.text.say("table.confirmed")) }
func (p *Pages) takeOffer(v *visit)     { p.tell(v, "take", p.text.say("offer.asked")) }
func (p *Pages) withdraw(v *visit)      { p.tell(v, "withdraw", p.text.say("room.withdrawn")) }
func (p *Pages) revoke(v *visit)        { p.tell(v, "withdraw", p.text.say("agreement.revoked")) }
