package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"backchannel/internal/station"
)

// agreementFormPage proposes an agreement.
type agreementFormPage struct {
	Room     *roomView
	Text     string
	Level    string
	Lapses   string
	Parties  []pick
	Packages []pick
	Sides    []linkedID // agreements that this may be a side letter to
	Side     string
	Replaces string
	Problem  string
}

type linkedID struct{ ID, Title string }

func (p *Pages) showAgreementForm(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	q := v.r.URL.Query()
	page := agreementFormPage{Room: r, Level: "handshake", Lapses: p.cfg.Now().AddDate(0, 0, 7).Format(fieldTime), Side: q.Get("side")}
	var parties, packages []string
	for _, m := range r.Members {
		parties = append(parties, m.ID.String())
	}
	if a := r.agreement(q.Get("replaces")); a != nil && a.Author == r.Self {
		page.Text, page.Level, page.Replaces = a.Text, a.Level.String(), a.ID.String()
		page.Lapses = time.Unix(int64(a.Lapses), 0).Format(fieldTime)
		parties, packages = idsOf(a.Parties), idsOf(a.Packages)
	}
	if d := r.draft(q.Get("draft")); d != nil {
		page.Text = d.Text
	}
	if id := q.Get("package"); id != "" {
		packages = append(packages, id)
	}
	p.agreementForm(v, http.StatusOK, page, parties, packages)
}

func (p *Pages) agreementForm(v *visit, code int, page agreementFormPage, parties, packages []string) {
	r := page.Room
	for _, m := range r.Members {
		page.Parties = append(page.Parties, pick{ID: m.ID.String(), Name: m.Name, On: slices.Contains(parties, m.ID.String())})
	}
	for _, k := range r.Packages {
		if id := k.ID.String(); r.Agenda != nil && k.Agenda == r.Agenda.ID && !k.Private && k.Problem == "" {
			page.Packages = append(page.Packages, pick{ID: id, Name: r.Name(k.ID), On: slices.Contains(packages, id)})
		}
	}
	for _, a := range r.Agreements {
		page.Sides = append(page.Sides, linkedID{a.ID.String(), r.Name(a.ID)})
	}
	p.show(v, code, "newagreement", page)
}

func (r *roomView) agreement(id string) *station.RoomAgreement {
	for i := range r.Agreements {
		if r.Agreements[i].ID.String() == id {
			return &r.Agreements[i]
		}
	}
	return nil
}

func (p *Pages) proposeAgreement(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	page := agreementFormPage{Room: r, Text: lines(v.field("text")), Level: v.field("level"), Lapses: v.field("lapses"), Side: v.field("side"), Replaces: v.field("replaces")}
	parties, packages := v.r.PostForm["party"], v.r.PostForm["package"]
	problem := ""
	lapses, err := fieldMoment(page.Lapses)
	if err != nil {
		problem = p.text.say("newagreement.time")
	}
	body := map[string]any{"text": page.Text, "parties": parties, "level": page.Level, "lapses": lapses.Unix()}
	if len(packages) > 0 && r.Agenda != nil {
		body["packages"], body["agenda"] = packages, r.Agenda.ID
	}
	if page.Side != "" {
		body["side_letter_of"] = page.Side
	}
	if page.Replaces != "" {
		body["replaces"] = page.Replaces
	}
	if problem == "" {
		id, err := p.say(v, r, "agreement", body, "")
		if err == nil {
			p.done(v, "/r/"+r.Info.ID+"/agreement/"+id, "agreement.proposed")
			return
		}
		problem = p.text.sentence(err)
	}
	page.Problem = problem
	p.agreementForm(v, http.StatusUnprocessableEntity, page, parties, packages)
}

// agreementPage is an agreement with its exact content, and what stands between
// it and being agreed.
type agreementPage struct {
	Room      *roomView
	A         station.RoomAgreement
	Token     string
	Title     string
	Parties   string
	Packages  []packageLines
	Needed    []neededLine
	Missing   int
	Lapses    time.Time
	Words     string
	Shape     string
	Agreed    bool
	Over      bool
	SideOf    *linked
	Next      *linked
	Core      []string // the id in groups that can be read to somebody
	Seat      SigningSeat
	Problem   string
	Public    []communiqueLine
	MayDraft  bool // of a communiqué
	MaySay    bool // consent
	MyConsent string
	MayTake   bool // the proposal may be withdrawn
	Signing   bool
}

type packageLines struct {
	Title, Href string
	Values      []valueLine
}

type neededLine struct {
	Who       string
	Self      bool
	Why       []string
	Consented bool
	Key       *keyLine // of another signer at level public
}

// keyLine says how far a signer's key is known to be its own.
type keyLine struct {
	Words string
	Wrong bool
	Shown []string // in groups, if it has to be compared by eye
	At    string   // the page on which it is noted, if there is something to do
	Link  string
}

func (r *roomView) keyLine(name string, k SignerKey) *keyLine {
	at := ""
	for _, m := range r.Info.Members {
		if m.Member == k.Member {
			at = "/c/" + m.Contact + "/about#published"
		}
	}
	switch {
	case k.Other:
		return &keyLine{Words: r.text.say("agreement.key.other", name), Wrong: true, Shown: groups(k.Shown), At: at, Link: r.text.say("agreement.key.look")}
	case k.Noted && k.Shown != "":
		return &keyLine{Words: r.text.say("agreement.key.same", name)}
	case k.Noted:
		return &keyLine{Words: r.text.say("agreement.key.noted", name)}
	}
	l := &keyLine{Words: r.text.say("agreement.key.none", name), At: at, Link: r.text.say("agreement.key.note")}
	if k.Shown != "" {
		l.Words, l.Shown = r.text.say("agreement.key.shown", name), groups(k.Shown)
	}
	return l
}

// agreementWords says where an agreement stands. Only two states are agreed.
func (r *roomView) agreementWords(a station.RoomAgreement) (string, string) {
	switch a.State {
	case "drafting":
		return r.text.say("agreement.state.drafting"), "open"
	case "consenting":
		return r.text.say("agreement.state.consenting"), "countered"
	case "ready":
		return r.text.say("agreement.state.ready"), "countered"
	case "confirmed":
		return r.text.say("agreement.state.confirmed"), "taken"
	case "sealed":
		return r.text.say("agreement.state.sealed"), "taken"
	case "stalled":
		return r.text.say("agreement.state.stalled"), "void"
	case "lapsed":
		return r.text.say("agreement.state.lapsed"), "expired"
	}
	return r.text.say("agreement.state.signing"), "halftaken"
}

// AgreementLine is an agreement in the list.
func (r *roomView) AgreementLine(a station.RoomAgreement) (l struct {
	Title, Href, Words, Shape, Who, Level string
	Agreed                                bool
}) {
	l.Title, l.Href, l.Who, l.Agreed, l.Level = r.Name(a.ID), r.Href(a.ID), r.NamesOf(a.Parties), a.IsAgreed(), r.level(a.Level.String())
	l.Words, l.Shape = r.agreementWords(a)
	return l
}

// level says in a few words what an agreement leaves behind.
func (r *roomView) level(name string) string {
	switch name {
	case "sealed":
		return r.text.say("level.sealed.short")
	case "public":
		return r.text.say("level.public.short")
	}
	return r.text.say("level.handshake.short")
}

func (p *Pages) agreementOf(v *visit) (*agreementPage, bool) {
	r, ok := p.room(v)
	if !ok {
		return nil, false
	}
	a := r.agreement(v.r.PathValue("statement"))
	if a == nil {
		p.notFound(v)
		return nil, false
	}
	page := &agreementPage{
		Room: r, A: *a, Token: v.session.form, Title: r.Name(a.ID), Parties: r.NamesOf(a.Parties), Lapses: time.Unix(int64(a.Lapses), 0),
		Agreed: a.IsAgreed(), SideOf: r.link(a.SideLetterOf), Next: r.link(a.Replaced), Core: groups(a.Core.String()),
	}
	page.Words, page.Shape = r.agreementWords(*a)
	page.Over = a.State.Final() && !page.Agreed
	for _, id := range a.Packages {
		l := packageLines{Title: r.Name(id), Href: r.Href(id)}
		if k := r.Package(id); k != nil {
			l.Values = r.Values(*k)
		}
		page.Packages = append(page.Packages, l)
	}
	early := slices.Contains([]string{"drafting", "consenting", "ready"}, string(a.State))
	for _, n := range a.Needed {
		page.Needed = append(page.Needed, neededLine{Who: r.Called(n.Member), Self: n.Member == r.Self, Why: n.Why, Consented: n.Consented})
		if !n.Consented {
			page.Missing++
		}
		if n.Member == r.Self && early && !r.Frozen {
			if n.Consent != nil {
				page.MyConsent = n.Consent.String()
			}
			page.MaySay = !n.Consented && a.State != "ready"
		}
	}
	page.MayTake = early && a.Author == r.Self && !r.Frozen
	page.MayDraft = page.Agreed && !r.Frozen
	page.Signing = a.Level.String() != "handshake" && !early && a.State != "lapsed" || a.State == "ready"
	if page.Signing && slices.ContainsFunc(page.Needed, func(n neededLine) bool { return n.Self }) {
		seat, err := p.seats.Signing(v.r.Context(), r.Info.ID, a.ID.String())
		if err != nil {
			p.fail(v, err)
			return nil, false
		}
		page.Seat = seat
		for _, k := range seat.Keys {
			for i, n := range a.Needed {
				if n.Member.String() == k.Member {
					page.Needed[i].Key = r.keyLine(page.Needed[i].Who, k)
				}
			}
		}
	}
	for _, c := range r.Communiques {
		if c.Agreement == a.ID {
			page.Public = append(page.Public, r.communiqueLine(c))
		}
	}
	return page, true
}

// groups cuts an id into groups of four, as it is read to somebody.
func groups(id string) (out []string) {
	for len(id) > 4 {
		out, id = append(out, id[:4]), id[4:]
	}
	return append(out, id)
}

func (p *Pages) showAgreement(v *visit) {
	page, ok := p.agreementOf(v)
	if ok {
		p.show(v, http.StatusOK, "agreement", page)
	}
}

func (p *Pages) consent(v *visit) {
	page, ok := p.agreementOf(v)
	if !ok {
		return
	}
	if v.field("core") != page.A.Core.String() { // what was in view is what is consented to
		page.Problem = p.text.say("agreement.changed")
		p.show(v, http.StatusConflict, "agreement", page)
		return
	}
	if _, err := p.say(v, page.Room, "consent", map[string]any{"core": page.A.Core}, ""); err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "agreement", page)
		return
	}
	p.done(v, "/r/"+page.Room.Info.ID+"/agreement/"+page.A.ID.String(), "agreement.consented")
}

func (p *Pages) sign(v *visit) {
	page, ok := p.agreementOf(v)
	if !ok {
		return
	}
	fail := func(code int, problem string) {
		page.Problem = problem
		p.show(v, code, "agreement", page)
	}
	if v.field("core") != page.A.Core.String() {
		fail(http.StatusConflict, p.text.say("agreement.changed"))
		return
	}
	if v.field("understood") != "yes" {
		fail(http.StatusUnprocessableEntity, p.text.say("agreement.tick"))
		return
	}
	if err := p.seats.Sign(v.r.Context(), page.Room.Info.ID, page.A.ID.String()); err != nil {
		fail(statusOf(err), p.text.sentence(err))
		return
	}
	p.done(v, "/r/"+page.Room.Info.ID+"/agreement/"+page.A.ID.String(), "agreement.signed")
}

// stopSigning takes back what was said, as long as the share has not left.
func (p *Pages) stopSigning(v *visit) {
	page, ok := p.agreementOf(v)
	if !ok {
		return
	}
	if err := p.seats.StopSigning(v.r.Context(), page.Room.Info.ID, page.A.ID.String()); err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "agreement", page)
		return
	}
	p.done(v, "/r/"+page.Room.Info.ID+"/agreement/"+page.A.ID.String(), "agreement.stopped")
}

// communiqueLine is a communiqué in a list.
type communiqueLine struct {
	Title, Href, Words, Shape string
}

func (r *roomView) communiqueWords(c station.RoomCommunique) (string, string) {
	switch {
	case c.Problem != "":
		return r.text.say("communique.state.void", c.Problem), "void"
	case c.State == "released":
		return r.text.say("communique.state.released"), "taken"
	case c.State == "approved by all":
		return r.text.say("communique.state.approved"), "halftaken"
	}
	return r.text.say("communique.state.drafted", len(c.Approved), len(c.Needed)), "open"
}

func (r *roomView) communiqueLine(c station.RoomCommunique) communiqueLine {
	words, shape := r.communiqueWords(c)
	return communiqueLine{r.Name(c.ID), r.Href(c.ID), words, shape}
}

func (p *Pages) proposeCommunique(v *visit) {
	page, ok := p.agreementOf(v)
	if !ok {
		return
	}
	text := strings.TrimSpace(lines(v.field("text")))
	if page.A.State == "sealed" {
		text = ""
	}
	id, err := p.seats.DraftCommunique(v.r.Context(), page.Room.Info.ID, page.A.ID.String(), text)
	if err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "agreement", page)
		return
	}
	p.done(v, "/r/"+page.Room.Info.ID+"/communique/"+id, "communique.proposed")
}

// communiquePage is a communiqué as it is printed.
type communiquePage struct {
	Room       *roomView
	C          station.RoomCommunique
	Token      string
	Title      string
	Words      string
	Shape      string
	Released   bool
	Agreement  linked
	Level      string
	Approved   []approval
	MayApprove bool
	MayRelease bool
	File       bool
	Parties    string
	Date       string // with the year: it is printed
	When       time.Time
}

type approval struct {
	Who  string
	Done bool
}

func (p *Pages) communiqueOf(v *visit) (*communiquePage, bool) {
	r, ok := p.room(v)
	if !ok {
		return nil, false
	}
	at := slices.IndexFunc(r.Communiques, func(c station.RoomCommunique) bool { return c.ID.String() == v.r.PathValue("statement") })
	if at < 0 {
		p.notFound(v)
		return nil, false
	}
	c := r.Communiques[at]
	page := &communiquePage{Room: r, C: c, Token: v.session.form, Title: r.Name(c.ID), Agreement: *r.link(&c.Agreement), Released: c.State == "released", When: c.Time}
	page.Words, page.Shape = r.communiqueWords(c)
	for _, m := range c.Needed {
		done := slices.Contains(c.Approved, m)
		page.Approved = append(page.Approved, approval{r.Called(m), done})
		if m == r.Self && !done && c.State == "drafted" && c.Problem == "" && !r.Frozen {
			page.MayApprove = true
		}
	}
	page.MayRelease = c.State == "approved by all" && !r.Frozen
	for _, s := range r.Timeline { // released: by whoever said so first
		if s.Kind == "release" && page.Released {
			page.When = s.Time
			break
		}
	}
	page.Date = p.text.day(page.When, time.Time{})
	if a := r.agreement(c.Agreement.String()); a != nil {
		page.Parties, page.Level = r.NamesOf(a.Parties), r.level(a.Level.String())
		page.File = page.Released && a.State == "sealed"
	}
	return page, true
}

func (p *Pages) showCommunique(v *visit) {
	page, ok := p.communiqueOf(v)
	if ok {
		p.show(v, http.StatusOK, "communique", page)
	}
}

func (p *Pages) approveCommunique(v *visit) { p.tell(v, "approve", p.text.say("communique.approved")) }
func (p *Pages) releaseCommunique(v *visit) { p.tell(v, "release", p.text.say("communique.released")) }

// communiqueFile is the file that "backchannel verify" reads.
func (p *Pages) communiqueFile(v *visit) {
	data, err := p.seats.CommuniqueFile(v.r.Context(), v.r.PathValue("room"), v.r.PathValue("statement"), p.s.PageOptions().Name)
	if err != nil {
		p.fail(v, err)
		return
	}
	attach(v.w, "communique.json", "application/json")
	_, _ = v.w.Write(data) // the browser is gone, or it is not
}
