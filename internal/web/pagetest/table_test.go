package pagetest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/book"
	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

// table is a room of several members in memory: the code of real rooms, with
// statements that arrive at once. It stands in for stations where a test is about
// what a page shows.
type table struct {
	mu     sync.Mutex
	copies []negotiation.Forged
	names  []string
	title  string
	own    []station.OwnSide
	alarms []negotiation.Alarm
	strays []*negotiation.Statement
	// what the room refused, and what belongs to no room
	refused []station.Stray
	news    int // statements that were not looked at
	rounds  map[string]web.RoundSeat
	signs   map[string]web.SigningSeat
	now     func() time.Time
}

const roomID = "00112233445566778899aabbccddeeff"

// newTable plays a script and seats its members.
func newTable(t *testing.T, s negotiation.Script) *table {
	t.Helper()
	copies, err := negotiation.Forge(s, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &table{copies: copies, names: s.Members, title: s.Title, own: make([]station.OwnSide, len(copies)), now: time.Now,
		rounds: map[string]web.RoundSeat{}, signs: map[string]web.SigningSeat{}}
}

func (tb *table) id(line string) negotiation.ID { return tb.copies[0].Lines[line] }

// chair is the place of one member at a table.
type chair struct {
	*table
	self int
}

func (c chair) check(ref string) error {
	if ref != roomID {
		return &station.Error{Code: station.CodeNotFound, Text: "there is no such room"}
	}
	return nil
}

func (c chair) view() *station.RoomView {
	self := c.copies[c.self].Charter.Self
	v := c.copies[c.self].Room.View(c.now(), func(m negotiation.MemberID) string {
		if m == self {
			return "you"
		}
		return c.copies[c.self].Names[m]
	})
	v.Alarms = append(v.Alarms, c.alarms...)
	v.Timeline, v.NotRead = append(v.Timeline, c.strays...), append(v.NotRead, c.strays...)
	return v
}

func (c chair) info() station.RoomInfo {
	v := c.view()
	out := station.RoomInfo{ID: roomID, Title: c.title, State: "complete", Size: len(c.names), Names: c.names, Created: v.Created, Said: len(v.Timeline), Alarms: len(v.Alarms), Unread: c.news}
	for i, n := range c.names {
		if i != c.self {
			out.Members = append(out.Members, station.RoomMember{Contact: fmt.Sprint(i), Name: n, Member: c.copies[i].Charter.Self.String(), Verified: true})
		}
	}
	return out
}

func (c chair) Rooms(context.Context) ([]station.RoomInfo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []station.RoomInfo{c.info(),
		{ID: "f0", Title: "Fisheries", State: "invited", Inviter: "Borvia", Names: []string{"Borvia", "Aldmark", "Cenia"}, Created: c.now().Add(-time.Hour)},
		{ID: "f1", Title: "Our side", State: "joined", Names: []string{"Aldmark", "Cenia"}, Created: c.now().Add(-time.Hour), Members: []station.RoomMember{{Contact: "1", Name: "Cenia"}}},
		{ID: "f2", Title: "Old matters", State: "differs", Reason: "another list was confirmed", Created: c.now().Add(-90 * time.Hour)}}, nil
}

func (c chair) Room(ctx context.Context, ref string) (station.Room, error) {
	all, err := c.Rooms(ctx)
	if err != nil {
		return station.Room{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range all {
		if r.ID == ref && ref == roomID {
			return station.Room{RoomInfo: r, View: c.view()}, nil
		}
		if r.ID == ref {
			return station.Room{RoomInfo: r}, nil
		}
	}
	return station.Room{}, c.check(ref)
}

func (c chair) NewRoom(_ context.Context, p station.Proposal) (station.RoomInfo, error) {
	return station.RoomInfo{}, &station.Error{Code: station.CodeConflict, Text: fmt.Sprintf("making the room %q of %d", p.Title, len(p.Members))}
}

func (c chair) JoinRoom(context.Context, string, []string) (station.RoomInfo, error) {
	return station.RoomInfo{}, &station.Error{Code: station.CodeConflict, Text: "joining the room: it is only a picture"}
}

func (c chair) DeclineRoom(context.Context, string) (station.RoomInfo, error) {
	return station.RoomInfo{}, nil
}

func (c chair) EraseRoom(context.Context, string) error { return nil }

func (c chair) MarkRoom(context.Context, string, int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.news = 0
	return nil
}

func (c chair) KeepOffer(_ context.Context, _ string, number uint64, offer json.RawMessage) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := negotiation.BodyFromJSON(negotiation.KindOffer, offer)
	if err != nil {
		return 0, &station.Error{Code: station.CodeInvalid, Text: "keeping the offer", Err: err}
	}
	return c.copies[c.self].Room.KeepDraft(number, *body.(*negotiation.Offer))
}

func (c chair) DropOffer(_ context.Context, _ string, number uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copies[c.self].Room.DropDraft(number)
	return nil
}

func (c chair) SendOffer(ctx context.Context, ref string, number uint64, to string) (station.Said, error) {
	c.mu.Lock()
	o, ok := c.copies[c.self].Room.Unsent(number)
	c.mu.Unlock()
	b, err := json.Marshal(o)
	if !ok || err != nil {
		return station.Said{}, &station.Error{Code: station.CodeNotFound, Text: "sending the offer: there is no kept offer of that number", Err: err}
	}
	said, err := c.Say(ctx, ref, station.Saying{Kind: "offer", To: to, Body: b})
	if err == nil {
		err = c.DropOffer(ctx, ref, number)
	}
	return said, err
}

func (c chair) RefusedIn(context.Context, string) ([]station.Stray, error) { return c.refused, nil }

func (c chair) Strays(context.Context) ([]station.Stray, error) { return c.refused, nil }

func (c chair) EraseStrays(context.Context) error { return nil }

func (c chair) Say(_ context.Context, ref string, what station.Saying) (station.Said, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := negotiation.BodyFromJSON(negotiation.Kind(what.Kind), what.Body)
	if err != nil {
		return station.Said{}, &station.Error{Code: station.CodeInvalid, Text: "saying it", Err: err}
	}
	var to negotiation.MemberID
	if what.To != "" {
		if err := to.UnmarshalText([]byte(what.To)); err != nil {
			return station.Said{}, err
		}
	}
	change, err := c.copies[c.self].Room.Say(body, to, c.now())
	if err != nil {
		return station.Said{}, &station.Error{Code: station.CodeConflict, Text: "saying it", Err: err}
	}
	id := ""
	for _, r := range change.Rows {
		if r.From == c.copies[c.self].Charter.Self && !r.Erased && id == "" {
			id = r.ID.String()
		}
	}
	return station.Said{ID: id}, errors.Join(c.check(ref), c.deliver(c.self, change))
}

// deliver brings everything to everybody, and what they answer by themselves.
func (tb *table) deliver(from int, change negotiation.Change) error {
	for _, o := range change.Out {
		to := int(o.To[1]) - 1
		next, err := tb.copies[to].Room.Apply(negotiation.Contact{byte(to) + 1, byte(from) + 1}, o.Raw, tb.now())
		if err != nil {
			return err
		}
		if err := tb.deliver(to, next); err != nil {
			return err
		}
	}
	return nil
}

// progress reports a state to every member's copy, as rounds and signings do.
func (tb *table) progress(t *testing.T, id negotiation.ID, states ...string) {
	t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, c := range tb.copies {
		for _, s := range states {
			err := c.Room.Progress(id, s, "", tb.now())
			if st, ok := c.Room.Statement(id); ok && st.Kind == negotiation.KindRound {
				err = c.Room.RoundProgress(id, negotiation.RoundState(s), negotiation.Outcome{}, tb.now())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c chair) ShowTo(_ context.Context, ref, statement, to string) (station.Said, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var id negotiation.ID
	var member negotiation.MemberID
	if err := errors.Join(c.check(ref), id.UnmarshalText([]byte(statement)), member.UnmarshalText([]byte(to))); err != nil {
		return station.Said{}, err
	}
	change, err := c.copies[c.self].Room.Show(id, member, c.now())
	if err != nil {
		return station.Said{}, &station.Error{Code: station.CodeConflict, Text: "showing what was said", Err: err}
	}
	return station.Said{ID: change.Rows[0].ID.String()}, c.deliver(c.self, change)
}

func (c chair) OwnSide(context.Context, string) (station.OwnSide, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.own[c.self].Encode()
	p, err := negotiation.ParsePrivate(b)
	return *p, err
}

func (c chair) KeepOwnSide(_ context.Context, _ string, p station.OwnSide) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[c.self] = p
	return p.Check()
}

func (c chair) Suggest(_ context.Context, _, deal string, count int) ([]station.Suggestion, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.copies[c.self].Room
	if deal == "" {
		return r.Suggest(c.now(), &c.own[c.self], count), nil
	}
	for _, k := range c.view().Packages {
		if k.ID.String() == deal {
			return r.Improve(c.now(), &c.own[c.self], k.Values, count), nil
		}
	}
	return nil, nil
}

var fairness = []string{
	"If you say no, you learn nothing.",
	"If you say yes and there is no match, you learn that somebody said no.",
	"If they stop after your answer was opened, they may have seen your yes.",
	"Nothing stops someone from saying yes without meaning it.",
}

func (c chair) Round(_ context.Context, _, round string) (web.RoundSeat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.rounds[round]
	if !ok {
		s = web.RoundSeat{Hit: -1, Left: 3}
	}
	s.Fairness = fairness
	return s, nil
}

func (c chair) Chosen(_ context.Context, _, round string) (web.Choice, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.rounds[round]
	return s.Choice, s.Chosen, nil
}

func (c chair) Choose(_ context.Context, _, round string, choice web.Choice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds[round] = web.RoundSeat{Chosen: true, Choice: choice, Hit: -1}
	return nil
}

func (c chair) Signing(_ context.Context, _, agreement string) (web.SigningSeat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signs[agreement], nil
}

func (c chair) Sign(_ context.Context, _, agreement string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signs[agreement] = web.SigningSeat{Signed: true, Words: "Your share is out. It is agreed once everybody's has come."}
	return nil
}

func (c chair) EndRound(context.Context, string, string) error { return nil }

func (c chair) StopSigning(context.Context, string, string) error { return nil }

func (c chair) DraftCommunique(ctx context.Context, ref, agreement, text string) (string, error) {
	b, err := json.Marshal(map[string]string{"agreement": agreement, "text": text})
	if err != nil {
		return "", err
	}
	said, err := c.Say(ctx, ref, station.Saying{Kind: "communique", Body: b})
	return said.ID, err
}

func (c chair) CommuniqueFile(context.Context, string, string, string) ([]byte, error) {
	return []byte(`{"format":"backchannel communique 1"}`), nil
}

// source is the own copy of the room as a station writes it down.
func (c chair) source() book.Source {
	f := c.copies[c.self]
	return book.Source{Room: f.Room, Inviter: c.copies[0].Charter.Self, Names: func(m negotiation.MemberID) string { return f.Names[m] }, Now: c.now()}
}

func (c chair) ExportRoom(_ context.Context, ref, _, format string) (data []byte, mediaType, name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ref); err != nil {
		return nil, "", "", err
	}
	if data, err = book.Export(c.source(), format, rand.Reader); err != nil {
		return nil, "", "", err
	}
	f, err := book.FormOf(format)
	return data, f.MediaType, "Straits talks" + f.Extension, err
}

func (c chair) ForgeRoom(_ context.Context, script []byte, format string) (data []byte, mediaType, name string, err error) {
	s, err := book.ParseScript(script)
	if err == nil {
		data, err = book.Forge(s, format, rand.Reader)
	}
	if err != nil {
		return nil, "", "", &station.Error{Code: station.CodeInvalid, Text: err.Error()}
	}
	f, err := book.FormOf(format)
	return data, f.MediaType, "made up" + f.Extension, err
}

// straits is a negotiation of three in the middle of everything.
func straits(now time.Time) negotiation.Script {
	s := negotiation.Script{Title: "Straits talks", Members: []string{"Aldmark", "Borvia", "Cenia"}, Start: now.Add(-30 * time.Hour), Delay: time.Second}
	at := now.Add(-28 * time.Hour)
	say := func(name string, by int, kind, body string, to ...int) {
		at = at.Add(20 * time.Minute)
		l := negotiation.Line{Name: name, At: at, By: by, Kind: negotiation.Kind(kind), Body: json.RawMessage(body)}
		if len(to) > 0 {
			l.To = &to[0]
		}
		s.Lines = append(s.Lines, l)
	}
	until := func(d time.Duration) int64 { return now.Add(d).Unix() }
	say("", 0, "signal", `{"text": "Is this line good?"}`)
	say("letter", 1, "letter", `{"subject": "The strait", "text": "We could **no longer oppose** the status of X.\n\nIn return we would ask for a ceiling on fees.", "attachments": [{"name": "map.txt", "type": "text/plain", "data": "bWFw"}]}`)
	say("agenda", 2, "agenda", `{"rev": 1, "issues": [
	 {"id": 1, "title": "Status of X", "type": "choice", "options": ["opposed", "accepted", "accepted with a declaration"]},
	 {"id": 2, "title": "Fee ceiling", "type": "range", "range": {"min": "0", "max": "10", "step": "0.5", "unit": "% of the toll"}, "affects": ["@member:0", "@member:1"]},
	 {"id": 3, "title": "Pilotage", "type": "text"}]}`)
	say("", 0, "confirm", `{"of": "@agenda"}`)
	say("", 1, "confirm", `{"of": "@agenda"}`)
	say("p1", 0, "package", `{"agenda": "@agenda", "values": {"1": {"option": 1}, "2": {"number": "2.5"}}}`)
	say("p2", 1, "package", `{"agenda": "@agenda", "values": {"1": {"option": 2}, "2": {"number": "4"}}, "note": "What we could take home."}`)
	say("p3", 2, "package", `{"agenda": "@agenda", "values": {"1": {"option": 2}, "2": {"number": "3"}}}`)
	say("p4", 2, "package", `{"agenda": "@agenda", "values": {"1": {"option": 0}, "2": {"number": "1"}, "3": {"text": "Pilots of both coasts in turn."}}}`)
	say("o1", 1, "offer", fmt.Sprintf(`{"agenda": "@agenda", "to": ["@member:0"], "gives": [{"by": "@member:1", "issue": 1, "value": {"option": 1}}], "gets": [{"by": "@member:0", "issue": 2, "value": {"number": "2.5"}}], "only_if": ["@p3"], "expires": %d, "note": "As far as we can go before Friday."}`, until(50*time.Hour)))
	say("o2", 0, "offer", fmt.Sprintf(`{"agenda": "@agenda", "gives": [{"by": "@member:0", "issue": 2, "value": {"number": "3"}}], "gets": [{"by": "@member:1", "issue": 1, "value": {"option": 1}}, {"by": "@member:2", "issue": 3, "value": {"text": "No objection to pilots of both coasts."}}], "expires": %d}`, until(70*time.Hour)))
	say("o3", 2, "offer", `{"agenda": "@agenda", "answers": "@o2", "gives": [{"by": "@member:2", "issue": 3, "value": {"text": "Pilots of both coasts in turn."}}], "gets": [{"by": "@member:0", "issue": 2, "value": {"number": "3.5"}}]}`)
	say("o4", 1, "offer", `{"agenda": "@agenda", "gives": [{"by": "@member:1", "issue": 1, "value": {"option": 2}}], "gets": [{"by": "@member:0", "issue": 2, "value": {"number": "5"}}]}`)
	say("", 1, "withdraw", `{"of": "@o4"}`)
	say("o5", 1, "offer", `{"agenda": "@agenda", "gives": [{"by": "@member:1", "issue": 2, "value": {"number": "2"}}], "gets": [{"by": "@member:0", "issue": 1, "value": {"option": 2}}]}`, 0)
	say("o6", 2, "offer", `{"agenda": "@agenda", "gives": [{"by": "@member:2", "issue": 1, "value": {"option": 2}}]}`)
	say("", 0, "take", `{"of": "@o6"}`)
	say("d1", 0, "draft", `{"rev": 1, "title": "Joint statement", "text": "The parties no longer oppose the status of X.\nFees stay below 3 % of the toll."}`)
	say("d2", 1, "draft", `{"rev": 2, "base": "@d1", "text": "The parties accept the status of X.\nFees stay below 4 % of the toll, for ten years."}`)
	say("", 2, "comment", `{"on": "@d2", "text": "Ten years is long."}`)
	say("r1", 0, "round", fmt.Sprintf(`{"mode": "single", "agenda": "@agenda", "packages": ["@p3"], "parties": ["@member:0", "@member:1", "@member:2"], "opener": "@member:0", "inputs_at": %d, "deadline": %d}`, until(time.Hour), until(3*time.Hour)))
	say("r2", 1, "round", fmt.Sprintf(`{"mode": "list", "agenda": "@agenda", "packages": ["@p1", "@p2", "@p3", "@p4"], "cap": 1, "parties": ["@member:0", "@member:1"], "opener": "@member:1", "inputs_at": %d, "deadline": %d}`, until(time.Hour), until(3*time.Hour)))
	say("r3", 1, "round", fmt.Sprintf(`{"mode": "ladder", "agenda": "@agenda", "issue": 2, "figures": ["1", "2", "2.5", "3", "4"], "parties": ["@member:0", "@member:1"], "directions": ["seller", "buyer"], "opener": "@member:1", "inputs_at": %d, "deadline": %d}`, until(time.Hour), until(3*time.Hour)))
	say("", 0, "join", `{"of": "@r2"}`)
	say("", 0, "join", `{"of": "@r3"}`)
	say("a1", 0, "agreement", fmt.Sprintf(`{"text": "Aldmark and Borvia settle the strait between them.\n\nFees stay below 3 %% of the toll.", "parties": ["@member:0", "@member:1"], "level": "sealed", "lapses": %d, "agenda": "@agenda", "packages": ["@p3"]}`, until(100*time.Hour)))
	say("", 1, "consent", `{"core": "@core:a1"}`)
	say("a2", 1, "agreement", fmt.Sprintf(`{"text": "All three keep talking.", "parties": ["@member:0", "@member:1", "@member:2"], "level": "handshake", "lapses": %d}`, until(100*time.Hour)))
	for by := range 3 {
		say("", by, "consent", `{"core": "@core:a2"}`)
	}
	say("c1", 1, "communique", `{"agreement": "@a2", "text": "Aldmark, Borvia and Cenia have agreed to continue their talks.\n\nThey will meet again in spring."}`)
	say("agenda2", 2, "agenda", `{"rev": 2, "base": "@agenda", "issues": [
	 {"id": 1, "title": "Status of X", "type": "choice", "options": ["opposed", "accepted", "accepted with a declaration"]},
	 {"id": 2, "title": "Fee ceiling", "type": "range", "range": {"min": "0", "max": "10", "step": "0.5", "unit": "% of the toll"}, "affects": ["@member:0", "@member:1"]},
	 {"id": 3, "title": "Pilotage", "type": "text"},
	 {"id": 4, "title": "Salvage", "type": "choice", "options": ["joint", "each its own"], "outsiders": ["Dorne"]}]}`)
	say("", 1, "show", `{"of": "@agenda2"}`, 0)
	say("", 1, "signal", `{"text": "Between us: Cenia will not move on pilotage."}`, 0)
	return s
}

// straitsTable is that, with what does not come over a script: an alarm, a kind
// that nobody here knows, rounds and signings on their way.
func straitsTable(t *testing.T, outsider bool) *table {
	script := straits(time.Now().Truncate(time.Second))
	if !outsider { // otherwise free text is blocked by one who is not in the room
		for i, l := range script.Lines {
			script.Lines[i].Body = json.RawMessage(strings.ReplaceAll(string(l.Body), `, "outsiders": ["Dorne"]`, ""))
		}
	}
	tb := newTable(t, script)
	tb.alarms = []negotiation.Alarm{{Type: negotiation.AlarmToldDifferent, Text: "Cenia told Borvia something else than it told you, at the same place in what it says to this room. " +
		"You can know this, because nobody but Cenia and you could have made the tag that Borvia passed on. You cannot prove it to anybody else."}}
	first := tb.copies[0].Room.View(tb.now(), func(negotiation.MemberID) string { return "" })
	tb.strays = []*negotiation.Statement{{ID: negotiation.ID{1}, From: tb.copies[2].Charter.Self, Seq: 99, Time: tb.now(), At: tb.now(), Kind: "ballot", Raw: []byte{0xa1, 1, 2}}}
	tb.refused = []station.Stray{{Name: "Cenia", Time: tb.now(), Reason: "another statement stands in its place", Size: 3, Raw: []byte{0xa1, 1, 2}}}
	kept := negotiation.Offer{Agenda: first.Agenda.ID, Gives: first.Offers[0].Gets, Gets: first.Offers[0].Gives, Note: "Only if Thursday goes well."}
	if _, err := tb.copies[0].Room.KeepDraft(0, kept); err != nil {
		t.Fatal(err)
	}
	tb.progress(t, tb.id("r2"), "keyed")
	tb.progress(t, tb.id("r3"), "keyed")
	tb.progress(t, tb.id("a2"), "confirmed")
	if len(first.Alarms) > 0 || len(first.Agreements) != 2 || !slices.ContainsFunc(first.Offers, func(o negotiation.OfferView) bool { return o.State == negotiation.OfferTaken }) {
		t.Fatalf("the table is not as the script has it: %+v", first)
	}
	return tb
}

// sayingOf is a statement as a program makes it.
func sayingOf(kind string, body map[string]any) station.Saying {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // a map of ids and words
	}
	return station.Saying{Kind: kind, Body: b}
}
