package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"backchannel/internal/station"
)

// roomRoutes are the pages of rooms.
func (p *Pages) roomRoutes() map[string]func(*visit) {
	routes := map[string]func(*visit){
		"GET /rooms":                                      p.showRooms,
		"GET /part/rooms":                                 p.partRooms,
		"GET /rooms/new":                                  p.showNewRoom,
		"POST /rooms/new":                                 p.newRoom,
		"GET /r/{room}":                                   p.showRoom,
		"GET /r/{room}/part":                              p.partRoom,
		"GET /r/{room}/board":                             p.partBoard,
		"POST /r/{room}/join":                             p.joinRoom,
		"POST /r/{room}/decline":                          p.declineRoom,
		"POST /r/{room}/signal":                           p.roomSignal,
		"POST /r/{room}/letter":                           p.roomLetter,
		"GET /r/{room}/agenda":                            p.showAgendaForm,
		"POST /r/{room}/agenda":                           p.saveAgenda,
		"GET /r/{room}/package":                           p.showPackageForm,
		"POST /r/{room}/package":                          p.savePackage,
		"GET /r/{room}/offer":                             p.showOfferForm,
		"POST /r/{room}/offer":                            p.saveOffer,
		"GET /r/{room}/text":                              p.showDraftForm,
		"POST /r/{room}/text":                             p.saveDraft,
		"GET /r/{room}/s/{statement}":                     p.showStatement,
		"GET /r/{room}/s/{statement}/file":                p.statementFile,
		"POST /r/{room}/s/{statement}/comment":            p.comment,
		"POST /r/{room}/s/{statement}/note":               p.keepNote,
		"POST /r/{room}/s/{statement}/confirm":            p.confirmAgenda,
		"POST /r/{room}/s/{statement}/take":               p.takeOffer,
		"POST /r/{room}/s/{statement}/withdraw":           p.withdraw,
		"POST /r/{room}/s/{statement}/revoke":             p.revoke,
		"GET /r/{room}/round":                             p.showRoundForm,
		"POST /r/{room}/round":                            p.proposeRound,
		"GET /r/{room}/round/{statement}":                 p.showRound,
		"GET /r/{room}/round/{statement}/part":            p.partRound,
		"POST /r/{room}/round/{statement}/join":           p.joinRound,
		"POST /r/{room}/round/{statement}/choose":         p.chooseInRound,
		"GET /r/{room}/agreement":                         p.showAgreementForm,
		"POST /r/{room}/agreement":                        p.proposeAgreement,
		"GET /r/{room}/agreement/{statement}":             p.showAgreement,
		"POST /r/{room}/agreement/{statement}/consent":    p.consent,
		"POST /r/{room}/agreement/{statement}/sign":       p.sign,
		"POST /r/{room}/agreement/{statement}/communique": p.proposeCommunique,
		"GET /r/{room}/communique/{statement}":            p.showCommunique,
		"POST /r/{room}/communique/{statement}/approve":   p.approveCommunique,
		"POST /r/{room}/communique/{statement}/release":   p.releaseCommunique,
		"GET /r/{room}/communique/{statement}/file":       p.communiqueFile,
		"POST /r/{room}/limits":                           p.keepLimits,
		"POST /r/{room}/walk":                             p.keepWalkAway,
		"POST /r/{room}/unsent/{number}/send":             p.sendKept,
		"POST /r/{room}/unsent/{number}/drop":             p.dropKept,
		"GET /r/{room}/unclear":                           p.showUnclear,
		"GET /r/{room}/erase":                             p.showEraseRoom,
		"POST /r/{room}/erase":                            p.eraseRoom,
		"GET /rooms/strays":                               p.showStrays,
		"POST /rooms/strays":                              p.eraseStrays,
	}
	routes["POST /r/{room}/s/{statement}/show"] = p.showStatementTo
	routes["POST /r/{room}/round/{statement}/end"] = p.endRound
	routes["POST /r/{room}/agreement/{statement}/stop"] = p.stopSigning
	routes["GET /rooms/forge"] = p.showForgeRoom
	routes["POST /rooms/forge"] = p.forgeRoom
	routes["POST /r/{room}/export"] = p.exportRoom
	for _, view := range boardViews {
		routes["GET /r/{room}/"+view] = p.showRoom
	}
	return routes
}

// roomLine is a room in a list.
type roomLine struct {
	station.RoomInfo
	Line    string
	Shape   string
	Current bool
}

// Over reports a room that did not come about.
func (r roomLine) Over() bool {
	return r.State == "declined" || r.State == "differs" || r.State == "lapsed"
}

// rooms lists them, the one with the newest statement first.
func (p *Pages) rooms(v *visit, current string) ([]roomLine, error) {
	all, err := p.desk.Rooms(v.r.Context())
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b station.RoomInfo) int { return newestIn(b).Compare(newestIn(a)) })
	var out []roomLine
	for _, r := range all {
		line, shape := p.roomState(r)
		out = append(out, roomLine{r, line, shape, r.ID == current})
	}
	return out, nil
}

// roomState says in a few words how far a room is, and how its mark looks.
func (p *Pages) roomState(r station.RoomInfo) (line, shape string) {
	switch r.State {
	case "invited":
		if r.Inviter == "" {
			return p.text.say("room.state.own"), "apart"
		}
		return p.text.say("room.state.invited"), "asked"
	case "joined":
		return p.text.say("room.state.joined"), "apart"
	case "confirmed":
		return p.text.say("room.state.confirmed"), "apart"
	case "declined":
		return p.text.say("room.state.declined"), "parked"
	case "differs":
		return p.text.say("room.state.differs"), "asked"
	case "lapsed":
		return p.text.say("room.state.lapsed"), "parked"
	}
	var names []string
	for _, k := range r.Members {
		names = append(names, k.Name)
	}
	line = strings.Join(names, ", ")
	if r.Frozen {
		return p.text.say("room.state.former", line), "parked"
	}
	return line, "together"
}

// newestIn dates a room for the order of the list.
func newestIn(r station.RoomInfo) time.Time {
	if r.Last != nil && r.Last.After(r.Created) {
		return *r.Last
	}
	return r.Created
}

// looked notes that a room is on a page that the user has in view.
func (p *Pages) looked(v *visit, r station.RoomInfo) {
	if r.Unread == 0 {
		return
	}
	if err := p.desk.MarkRoom(v.r.Context(), r.ID, r.Mark); err != nil {
		p.cfg.Log.Warn("pages: marking a room as looked at failed", "error", err)
	}
}

// unread is how much of all rooms was not looked at.
func unread(all []roomLine) (n int) {
	for _, r := range all {
		n += r.Unread
	}
	return n
}

type roomsPage struct {
	Open   []roomLine // rooms
	Asked  []roomLine // being made
	Ended  []roomLine // that did not come about
	Strays int        // messages that belong to no room
}

func (p *Pages) showRooms(v *visit) {
	all, err := p.rooms(v, "")
	if err != nil {
		p.fail(v, err)
		return
	}
	strays, err := p.desk.Strays(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	page := roomsPage{Strays: len(strays)}
	for _, r := range all {
		switch {
		case r.State == "complete":
			page.Open = append(page.Open, r)
		case r.Over():
			page.Ended = append(page.Ended, r)
		default:
			page.Asked = append(page.Asked, r)
		}
	}
	p.show(v, http.StatusOK, "rooms", page)
}

// roomsPart is the list of rooms beside every page.
type roomsPart struct {
	Rooms       []roomLine
	Room        string
	RoomsUnread int
}

func (p *Pages) partRooms(v *visit) {
	at := v.r.URL.Query().Get("at")
	all, err := p.rooms(v, at)
	if err != nil {
		p.fail(v, err)
		return
	}
	p.showPart(v, "rooms", roomsPart{all, at, unread(all)})
}

// newRoomPage picks who takes part.
type newRoomPage struct {
	Token    string
	Title    string
	Self     string // how this side is called to the others
	Contacts []pick
	Previous []roomLine // rooms that this one may continue
	After    string
	Most     int // members, oneself included
	Problem  string
}

type pick struct {
	ID, Name string
	Verified bool
	On       bool
}

func (p *Pages) picks(v *visit, chosen []string) ([]pick, error) {
	all, err := p.s.Contacts(v.r.Context())
	if err != nil {
		return nil, err
	}
	var out []pick
	for _, k := range all {
		if k.State == station.StateIntroduced {
			out = append(out, pick{k.ID, k.Name, k.Verified, slices.Contains(chosen, k.ID)})
		}
	}
	return out, nil
}

func (p *Pages) showNewRoom(v *visit) {
	p.newRoomPage(v, http.StatusOK, newRoomPage{After: v.r.URL.Query().Get("after"), Self: p.s.PageOptions().Name}, nil)
}

func (p *Pages) newRoomPage(v *visit, code int, page newRoomPage, chosen []string) {
	var err error
	if page.Contacts, err = p.picks(v, chosen); err != nil {
		p.fail(v, err)
		return
	}
	all, err := p.rooms(v, page.After)
	if err != nil {
		p.fail(v, err)
		return
	}
	for _, r := range all {
		if r.State == "complete" {
			page.Previous = append(page.Previous, r)
		}
	}
	page.Token, page.Most = v.session.form, p.s.Network().Lanes+1
	p.show(v, code, "newroom", page)
}

func (p *Pages) newRoom(v *visit) {
	page := newRoomPage{Title: strings.TrimSpace(v.field("title")), Self: strings.TrimSpace(v.field("self")), After: v.field("after")}
	chosen := v.r.PostForm["contact"]
	problem := ""
	var err error
	if page.Contacts, err = p.picks(v, chosen); err != nil {
		p.fail(v, err)
		return
	}
	switch {
	case page.Title == "":
		problem = p.text.say("newroom.notitle")
	case page.Self == "":
		problem = p.text.say("newroom.noself")
	case len(chosen) == 0:
		problem = p.text.say("newroom.nobody")
	}
	if problem == "" {
		r, err := p.desk.NewRoom(v.r.Context(), p.proposal(page, chosen))
		if err == nil {
			p.done(v, "/r/"+r.ID, "newroom.done")
			return
		}
		problem = p.text.sentence(err)
	}
	page.Problem = problem
	p.newRoomPage(v, http.StatusUnprocessableEntity, page, chosen)
}

// proposal calls everybody by the names that they have here; the others choose
// among their own contacts by them.
func (p *Pages) proposal(page newRoomPage, chosen []string) station.Proposal {
	out := station.Proposal{Title: page.Title, Self: page.Self, Previous: page.After}
	for _, k := range page.Contacts {
		if slices.Contains(chosen, k.ID) {
			out.Members = append(out.Members, station.Invitee{Contact: k.ID, Name: k.Name})
		}
	}
	return out
}

// gatheringPage is a room that is being made.
type gatheringPage struct {
	station.RoomInfo
	Token   string
	Line    string
	Asked   bool // the user has to answer
	Seats   []seat
	Steps   []stepView
	Problem string
	Live    bool // more may come
}

// seat is a place in the plan that the user fills with a contact.
type seat struct {
	N      int
	Name   string // in the inviter's words
	Choice []pick
}

func (p *Pages) gathering(v *visit, code int, info station.RoomInfo, problem string) {
	page := gatheringPage{RoomInfo: info, Token: v.session.form, Problem: problem}
	page.Line, _ = p.roomState(info)
	page.Asked = info.State == "invited" && info.Inviter != ""
	page.Live = info.State == "invited" || info.State == "joined" || info.State == "confirmed"
	if page.Asked {
		for i, name := range info.Names {
			if i == 0 {
				continue // the inviter is known
			}
			all, err := p.picks(v, nil)
			if err != nil {
				p.fail(v, err)
				return
			}
			all = slices.DeleteFunc(all, func(k pick) bool { return k.Name == info.Inviter })
			for j := range all {
				all[j].On = all[j].Name == name
			}
			page.Seats = append(page.Seats, seat{i, name, all})
		}
	}
	page.Steps = p.gatheringSteps(info)
	p.looked(v, info)
	p.show(v, code, "gathering", page)
}

func (p *Pages) gatheringSteps(info station.RoomInfo) []stepView {
	answered := len(info.Members) > 0
	for _, k := range info.Members {
		answered = answered && k.Member != ""
	}
	first := p.text.say("gathering.step.invited")
	if info.Inviter == "" {
		first = p.text.say("gathering.step.own")
	}
	steps := []stepView{{Text: first, State: "done"}, {Text: p.text.say("gathering.step.answered")}, {Text: p.text.say("gathering.step.same")}, {Text: p.text.say("gathering.step.open")}}
	at := 1
	if answered {
		at = 2
	}
	for i := 1; i < len(steps); i++ {
		switch {
		case i < at:
			steps[i].State = "done"
		case i == at:
			steps[i].State = "now"
		default:
			steps[i].State = "later"
		}
	}
	return steps
}

func (p *Pages) joinRoom(v *visit) {
	room, err := p.desk.Room(v.r.Context(), v.r.PathValue("room"))
	if err != nil {
		p.fail(v, err)
		return
	}
	info := room.RoomInfo
	contacts := []string{info.Inviter}
	own := false
	for i := range info.Names {
		if i == 0 {
			continue
		}
		switch who := v.field("seat-" + itoa(i)); {
		case who == "self" && !own:
			own = true
		case who == "" || who == "self" || slices.Contains(contacts, who):
			p.gathering(v, http.StatusUnprocessableEntity, info, p.text.say("gathering.each"))
			return
		default:
			contacts = append(contacts, who)
		}
	}
	if !own {
		p.gathering(v, http.StatusUnprocessableEntity, info, p.text.say("gathering.self"))
		return
	}
	if _, err := p.desk.JoinRoom(v.r.Context(), info.ID, contacts); err != nil {
		p.gathering(v, statusOf(err), info, p.text.sentence(err))
		return
	}
	p.done(v, "/r/"+info.ID, "gathering.joined")
}

func (p *Pages) declineRoom(v *visit) {
	if _, err := p.desk.DeclineRoom(v.r.Context(), v.r.PathValue("room")); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/rooms", "gathering.declined")
}
