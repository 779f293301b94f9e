package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// A blind round is three calm screens at one address: choose, wait, result. Which
// one is shown follows from where the round stands; nothing of an answer is on any
// page but one's own, before it is opened.

// roundFormPage proposes a round.
type roundFormPage struct {
	Room     *roomView
	Mode     string
	Packages []pick
	Parties  []pick
	Ranges   []station.RoomIssue
	Issue    string
	Figures  string
	Sells    string
	Cap      string
	Tier     string
	Leaves   string
	Ends     string
	Problem  string
}

func (p *Pages) showRoundForm(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	now := p.cfg.Now()
	page := roundFormPage{Room: r, Mode: "single", Leaves: now.Add(15 * time.Minute).Format(fieldTime), Ends: now.Add(2 * time.Hour).Format(fieldTime)}
	if m := v.r.URL.Query().Get("mode"); m == "list" || m == "ladder" {
		page.Mode = m
	}
	p.roundForm(v, http.StatusOK, page, nil, nil)
}

func (p *Pages) roundForm(v *visit, code int, page roundFormPage, packages, parties []string) {
	r := page.Room
	for _, k := range r.Packages {
		if !k.Private && k.Problem == "" && k.Agenda == r.Agenda.ID {
			id := k.ID.String()
			page.Packages = append(page.Packages, pick{ID: id, Name: r.Name(k.ID), On: slices.Contains(packages, id)})
		}
	}
	for _, m := range r.Members {
		id := m.ID.String()
		page.Parties = append(page.Parties, pick{ID: id, Name: m.Name, On: m.Self || parties == nil || slices.Contains(parties, id)})
	}
	for _, i := range r.held() {
		if i.Type == station.IssueRange {
			page.Ranges = append(page.Ranges, i)
		}
	}
	p.show(v, code, "newround", page)
}

func (p *Pages) proposeRound(v *visit) {
	r, ok := p.needAgenda(v)
	if !ok {
		return
	}
	page := roundFormPage{
		Room: r, Mode: v.field("mode"), Issue: v.field("issue"), Figures: lines(v.field("figures")), Sells: v.field("sells"),
		Cap: v.field("cap"), Tier: v.field("tier"), Leaves: v.field("leaves"), Ends: v.field("ends"),
	}
	packages, parties := v.r.PostForm["package"], v.r.PostForm["party"]
	if !slices.Contains(parties, r.Self.String()) {
		parties = append(parties, r.Self.String())
	}
	id, err := "", error(nil)
	body, problem := p.roundBody(page, packages, parties)
	if problem == "" {
		if id, err = p.say(v, r, "round", body, ""); err == nil {
			p.done(v, "/r/"+r.Info.ID+"/round/"+id, "round.proposed")
			return
		}
		problem = p.text.sentence(err)
	}
	page.Problem = problem
	p.roundForm(v, http.StatusUnprocessableEntity, page, packages, parties)
}

// roundBody is the round as it is said. Whoever proposes opens first.
func (p *Pages) roundBody(page roundFormPage, packages, parties []string) (map[string]any, string) {
	leaves, err1 := fieldMoment(page.Leaves)
	ends, err2 := fieldMoment(page.Ends)
	if err1 != nil || err2 != nil {
		return nil, p.text.say("newround.times")
	}
	if ends.Sub(leaves) < 10*time.Minute {
		return nil, p.text.say("newround.window")
	}
	body := map[string]any{"mode": page.Mode, "agenda": page.Room.Agenda.ID, "parties": parties, "opener": page.Room.Self, "inputs_at": leaves.Unix(), "deadline": ends.Unix()}
	switch page.Mode {
	case "ladder":
		issue, _ := strconv.ParseUint(page.Issue, 10, 64) // 0 is no issue, and refused as such
		var figures []string
		for _, f := range nonEmpty(page.Figures) {
			figures = append(figures, number(f))
		}
		var sides []string
		for _, m := range parties {
			side := "buyer"
			if m == page.Sells {
				side = "seller"
			}
			sides = append(sides, side)
		}
		body["issue"], body["figures"], body["directions"] = issue, figures, sides
	case "list":
		limit, err := strconv.Atoi(page.Cap)
		if page.Cap == "" {
			limit, err = len(packages)/4, nil
		}
		if err != nil || len(packages) < 4 || limit < 1 || limit > len(packages)/4 {
			return nil, p.text.say("newround.cap", len(packages), len(packages)/4)
		}
		body["packages"], body["cap"] = packages, limit
		if page.Tier != "" {
			first, err := strconv.Atoi(page.Tier)
			if err != nil || first < 1 || first > limit {
				return nil, p.text.say("newround.tier", limit)
			}
			body["tiers"] = []int{first, limit}
		}
	default:
		if len(packages) != 1 {
			return nil, p.text.say("newround.exactly")
		}
		body["packages"] = packages
	}
	return body, ""
}

// roundPage is a round from the own seat.
type roundPage struct {
	Room    *roomView
	Round   station.RoomRound
	Seat    RoundSeat
	Token   string
	Screen  string // join, choose, wait, result, watch
	Title   string
	Items   []roundItem
	Parties string
	Opener  string
	Leaves  time.Time
	Ends    time.Time
	Sells   string
	Mine    string // seller or buyer
	Issue   string
	Bounds  string
	Tiers   int
	Words   string
	Shape   string
	Steps   []stepView
	Seen    string
	Matched *roundItem
	Problem string
	MayTake bool // may be withdrawn
}

// roundItem is a package or a figure that is asked.
type roundItem struct {
	N      int
	Title  string
	Href   string
	Values []valueLine
	Level  int // as it was chosen before
	Colour string
	Figure string
}

func (p *Pages) roundOf(v *visit) (*roundPage, bool) {
	r, ok := p.room(v)
	if !ok {
		return nil, false
	}
	at := slices.IndexFunc(r.Rounds, func(o station.RoomRound) bool { return o.ID.String() == v.r.PathValue("statement") })
	if at < 0 {
		p.notFound(v)
		return nil, false
	}
	o := r.Rounds[at]
	page := &roundPage{
		Room: r, Round: o, Token: v.session.form, Title: r.Name(o.ID), Parties: r.NamesOf(o.Parties), Opener: r.Called(o.Opener),
		Leaves: time.Unix(int64(o.InputsAt), 0), Ends: time.Unix(int64(o.Deadline), 0), Seat: RoundSeat{Hit: -1},
	}
	if len(o.Tiers) > 0 {
		page.Tiers = int(o.Tiers[0])
	}
	if slices.Contains(o.Parties, r.Self) {
		seat, err := p.seats.Round(v.r.Context(), r.Info.ID, o.ID.String())
		if err != nil {
			p.fail(v, err)
			return nil, false
		}
		page.Seat = seat
	}
	page.stage(p, v.r.URL.Query().Get("again") == "yes")
	if page.Screen == "choose" && page.Seat.Chosen {
		c, ok, err := p.seats.Chosen(v.r.Context(), r.Info.ID, o.ID.String())
		if err != nil {
			p.fail(v, err)
			return nil, false
		}
		page.Seat.Choice, page.Seat.Chosen = c, ok
	}
	page.items()
	if n := page.Seat.Hit; n >= 0 && n < len(page.Items) && o.State == "match" {
		page.Matched = &page.Items[n]
	}
	return page, true
}

func (page *roundPage) items() {
	r, o := page.Room, page.Round
	chosen := page.Seat.Choice.Levels
	for n, id := range o.Packages {
		item := roundItem{N: n, Title: r.Name(id), Href: "/r/" + r.Info.ID + "/s/" + id.String(), Colour: r.colour[id]}
		if k := r.Package(id); k != nil {
			item.Values = r.Values(*k)
		}
		if n < len(chosen) {
			item.Level = chosen[n]
		}
		page.Items = append(page.Items, item)
	}
	if o.Mode.String() != "ladder" {
		return
	}
	i := r.issue(o.Agenda, o.Issue)
	page.Issue, page.Bounds = i.Title, r.Bounds(i)
	for n, f := range o.Figures {
		figure := f.String()
		if i.Range != nil && i.Range.Unit != "" {
			figure += " " + i.Range.Unit
		}
		page.Items = append(page.Items, roundItem{N: n, Title: figure, Figure: figure})
	}
	for n, m := range o.Parties {
		if n < len(o.Directions) && o.Directions[n] == 1 {
			page.Sells = r.Called(m)
			if m == r.Self {
				page.Mine = "seller"
			}
		}
	}
	if page.Mine == "" {
		page.Mine = "buyer"
	}
}

// over are the states after which nothing is waited for. What is shown and
// unanswered may still change, and says so.
var over = []string{"match", "no match", "shown, unanswered", "lapsed", "views differ", "invalid"}

// stage decides which of the screens is shown.
func (page *roundPage) stage(p *Pages, again bool) {
	r, o := page.Room, page.Round
	state := string(o.State)
	mine, joined := slices.Contains(o.Parties, r.Self), slices.Contains(o.Joined, r.Self)
	others := slices.ContainsFunc(o.Joined, func(m station.MemberID) bool { return m != o.Author })
	page.MayTake = o.Author == r.Self && state == "proposed" && !others
	page.Words, page.Shape = r.roundWords(o)
	if page.Seat.Words != "" {
		page.Words = page.Seat.Words
	}
	switch {
	case slices.Contains(over, state) || o.Problem != "":
		page.Screen = "result"
	case !mine:
		page.Screen = "watch"
	case !joined:
		page.Screen = "join"
	case (!page.Seat.Chosen || again) && r.Now.Before(page.Leaves):
		page.Screen = "choose"
	default:
		page.Screen = "wait"
	}
	page.Steps = page.steps(p)
	page.Seen = state + "-" + itoa(page.Seat.Done) + "-" + page.Screen
}

// steps are those that all parties go through together. None of them says who has
// answered and who has not.
func (page *roundPage) steps(p *Pages) []stepView {
	at := map[string]int{"proposed": 0, "joined": 1, "keyed": 1, "inputs in": 2, "opening": 3}[string(page.Round.State)]
	all := []string{p.text.say("round.step.join"), p.text.say("round.step.choose"), p.text.say("round.step.closed"), p.text.say("round.step.open")}
	out := make([]stepView, len(all))
	for i, text := range all {
		out[i] = stepView{Text: text, State: "later"}
		if i < at {
			out[i].State = "done"
		}
		if i == at {
			out[i].State = "now"
		}
	}
	return out
}

// roundWords says where a round stands.
func (r *roomView) roundWords(o station.RoomRound) (string, string) {
	if o.Problem != "" {
		return r.text.say("round.state.void", o.Problem), "void"
	}
	switch o.State {
	case "proposed":
		return r.text.say("round.state.proposed"), "open"
	case "joined", "keyed":
		return r.text.say("round.state.joined"), "countered"
	case "inputs in":
		return r.text.say("round.state.closed"), "countered"
	case "opening":
		return r.text.say("round.state.opening"), "countered"
	case "match":
		return r.text.say("round.state.match"), "taken"
	case "no match":
		return r.text.say("round.state.nomatch"), "withdrawn"
	case "shown, unanswered":
		return r.text.say("round.state.shown"), "halftaken"
	case "views differ":
		return r.text.say("round.state.differ"), "void"
	case "invalid":
		return r.text.say("round.state.invalid"), "void"
	}
	return r.text.say("round.state.lapsed"), "expired"
}

// RoundLine is a round in the list.
func (r *roomView) RoundLine(o station.RoomRound) (l struct{ Title, Href, Words, Shape, Mode, Who string }) {
	l.Title, l.Href, l.Who = r.Name(o.ID), r.Href(o.ID), r.NamesOf(o.Parties)
	l.Words, l.Shape = r.roundWords(o)
	switch o.Mode.String() {
	case "list":
		l.Mode = r.text.say("round.mode.list", len(o.Packages))
	case "ladder":
		l.Mode = r.text.say("round.mode.ladder", r.issue(o.Agenda, o.Issue).Title)
	default:
		l.Mode = r.text.say("round.mode.single")
	}
	return l
}

func (p *Pages) showRound(v *visit) {
	page, ok := p.roundOf(v)
	if ok {
		p.show(v, http.StatusOK, "round", page)
	}
}

func (p *Pages) partRound(v *visit) {
	page, ok := p.roundOf(v)
	if !ok {
		return
	}
	if v.r.URL.Query().Get("seen") == page.Seen {
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	if page.Screen == "wait" { // it goes on, and whoever reads it loses neither place nor focus
		p.show(v, http.StatusOK, "round", page)
		return
	}
	v.redirect("/r/" + page.Room.Info.ID + "/round/" + page.Round.ID.String()) // another screen
}

func (p *Pages) joinRound(v *visit) {
	page, ok := p.roundOf(v)
	if !ok {
		return
	}
	if _, err := p.say(v, page.Room, "join", map[string]any{"of": page.Round.ID}, ""); err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "round", page)
		return
	}
	v.redirect("/r/" + page.Room.Info.ID + "/round/" + page.Round.ID.String())
}

func (p *Pages) chooseInRound(v *visit) {
	page, ok := p.roundOf(v)
	if !ok {
		return
	}
	c, problem := p.choice(v, page)
	if problem == "" {
		err := p.seats.Choose(v.r.Context(), page.Room.Info.ID, page.Round.ID.String(), c)
		if err == nil {
			v.redirect("/r/" + page.Room.Info.ID + "/round/" + page.Round.ID.String())
			return
		}
		problem = p.text.sentence(err)
	}
	page.Problem, page.Screen = problem, "choose"
	page.Seat.Choice, page.Seat.Chosen, page.Items = c, true, nil
	page.items()
	p.show(v, http.StatusUnprocessableEntity, "round", page)
}

// choice reads an answer. What does not fit the round is refused here, before
// anything is made of it.
func (p *Pages) choice(v *visit, page *roundPage) (c Choice, problem string) {
	c.Figure = -1
	switch page.Round.Mode.String() {
	case "single":
		switch v.field("answer") {
		case "yes":
			c.Yes = true
		case "no":
		default:
			return c, p.text.say("round.choose.either")
		}
	case "ladder":
		n, err := strconv.Atoi(strings.TrimSpace(v.field("figure")))
		if err != nil || n < -1 || n >= len(page.Round.Figures) {
			return c, p.text.say("round.choose.figure")
		}
		c.Figure = n
	default:
		chosen, first := 0, 0
		for n := range page.Round.Packages {
			level := 0
			switch v.field("level-" + itoa(n)) {
			case "1":
				level = 1
			case "2":
				level = 2
				first++
			}
			if level > 0 {
				chosen++
			}
			c.Levels = append(c.Levels, level)
		}
		if chosen > int(page.Round.Cap) {
			return c, p.text.say("round.choose.cap", page.Round.Cap, chosen)
		}
		if first > page.Tiers {
			return c, p.text.say("round.choose.tier", page.Tiers, first)
		}
	}
	return c, ""
}

// endRound ends a round here. To the others it looks like one that lapses.
func (p *Pages) endRound(v *visit) {
	page, ok := p.roundOf(v)
	if !ok {
		return
	}
	if err := p.seats.EndRound(v.r.Context(), page.Room.Info.ID, page.Round.ID.String()); err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "round", page)
		return
	}
	p.done(v, "/r/"+page.Room.Info.ID+"/rounds", "round.ended")
}
