package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// The private side of a room: limits, weights, colours, notes, what leaving would
// be worth. It is kept in the vault and enters no statement.

// suggestions is how many packages are thought of.
const suggestions = 5

// privatePart is the private side beside a conversation.
type privatePart struct {
	Room     *roomView
	Issues   []limitField
	Packages []colouredLine
	Notes    []notedLine
	Walks    []station.RoomWalkAway
	Latest   *station.RoomWalkAway
	Suggests []suggestionView
	Improves []suggestionView
	Improved string // name of the package that is improved
	Problem  string
}

// limitField is what one issue is worth to the user.
type limitField struct {
	Issue   station.RoomIssue
	Bounds  string
	Weight  string
	Best    string
	Limit   string
	Options []optionField
}

type optionField struct {
	N     int
	Title string
	Score string
}

type colouredLine struct {
	Title, Href, Colour, Who string
}

type notedLine struct{ Title, Href, Note string }

type suggestionView struct {
	Values []valueLine
	Own    int
	Others int
	Href   string // the form of a package with these values
	Walk   string // how it compares with walking away
}

func (p *Pages) private(v *visit, r *roomView) (*privatePart, error) {
	ctx := v.r.Context()
	own, err := p.desk.OwnSide(ctx, r.Info.ID)
	if err != nil {
		return nil, err
	}
	part := &privatePart{Room: r, Walks: own.WalkAways}
	if n := len(own.WalkAways); n > 0 {
		part.Latest = &own.WalkAways[n-1]
	}
	for _, i := range r.held() {
		part.Issues = append(part.Issues, r.limitField(i, own.Preferences[i.ID]))
	}
	line := func(id station.StatementID, who station.MemberID) {
		part.Packages = append(part.Packages, colouredLine{r.Name(id), "/r/" + r.Info.ID + "/s/" + id.String(), r.colour[id], r.Called(who)})
	}
	for _, k := range r.Packages {
		line(k.ID, k.Author)
	}
	for _, o := range r.Offers {
		line(o.ID, o.Author)
	}
	for _, s := range r.Timeline {
		if n := own.Notes[s.ID]; n != "" {
			title := r.titles[s.ID]
			if title == "" {
				title = r.spoken(s).Did
			}
			part.Notes = append(part.Notes, notedLine{title, "/r/" + r.Info.ID + "/s/" + s.ID.String(), n})
		}
	}
	if len(own.Preferences) == 0 {
		return part, nil
	}
	list, err := p.desk.Suggest(ctx, r.Info.ID, "", suggestions)
	if err != nil {
		return nil, err
	}
	part.Suggests = r.suggestions(list, part.Latest)
	if id := v.r.URL.Query().Get("improve"); id != "" {
		for _, k := range r.Packages {
			if k.ID.String() != id {
				continue
			}
			if list, err = p.desk.Suggest(ctx, r.Info.ID, id, suggestions); err != nil {
				return nil, err
			}
			part.Improves, part.Improved = r.suggestions(list, part.Latest), r.Name(k.ID)
		}
	}
	return part, nil
}

func (r *roomView) limitField(i station.RoomIssue, f station.RoomPreference) limitField {
	out := limitField{Issue: i, Bounds: r.Bounds(i)}
	if f.Weight > 0 {
		out.Weight = strconv.FormatUint(f.Weight, 10)
	}
	if f.Best != nil {
		out.Best, out.Limit = f.Best.String(), f.Limit.String()
	}
	for n, o := range i.Options {
		score := ""
		if n < len(f.Options) {
			score = strconv.FormatUint(f.Options[n], 10)
		}
		out.Options = append(out.Options, optionField{n, o, score})
	}
	return out
}

func (r *roomView) suggestions(list []station.Suggestion, walk *station.RoomWalkAway) (out []suggestionView) {
	for _, s := range list {
		v := suggestionView{Own: s.Own, Others: s.Others}
		q := url.Values{}
		for _, i := range r.held() {
			value, ok := s.Values[i.ID]
			if !ok {
				continue
			}
			v.Values = append(v.Values, valueLine{Issue: i.Title, Value: value.Show(i)})
			q.Set("v"+strconv.FormatUint(i.ID, 10), r.fieldOf("", i, &value).Value)
		}
		v.Href = "/r/" + r.Info.ID + "/package?" + q.Encode()
		if walk != nil {
			if uint64(max(s.Own, 0)) > walk.Worth {
				v.Walk = r.text.say("private.abovewalk")
			} else {
				v.Walk = r.text.say("private.belowwalk")
			}
		}
		out = append(out, v)
	}
	return out
}

// change changes the private side and leads back to where it is shown.
func (p *Pages) change(v *visit, f func(*roomView, *station.OwnSide) error, back func(*roomView) string) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	own, err := p.desk.OwnSide(v.r.Context(), r.Info.ID)
	if err == nil {
		err = f(r, &own)
	}
	if err == nil {
		err = p.desk.KeepOwnSide(v.r.Context(), r.Info.ID, own)
	}
	if err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, back(r), "private.kept")
}

func toPrivate(r *roomView) string { return "/r/" + r.Info.ID + "/private" }

func (p *Pages) wrong(text string) error {
	return &station.Error{Code: station.CodeInvalid, Text: text}
}

func (p *Pages) keepLimits(v *visit) {
	p.change(v, func(r *roomView, own *station.OwnSide) error {
		all := map[uint64]station.RoomPreference{}
		for _, i := range r.held() {
			f, set, err := p.readLimit(v, i)
			if err != nil {
				return err
			}
			if set {
				all[i.ID] = f
			}
		}
		own.Preferences = all
		return nil
	}, toPrivate)
}

// readLimit reads what an issue is worth; set is false if nothing was filled in.
func (p *Pages) readLimit(v *visit, i station.RoomIssue) (f station.RoomPreference, set bool, err error) {
	n := "-" + strconv.FormatUint(i.ID, 10)
	part := func(name string) (uint64, bool, error) {
		s := strings.TrimSpace(v.field(name))
		if s == "" {
			return 0, false, nil
		}
		k, err := strconv.ParseUint(s, 10, 64)
		if err != nil || k > 100 {
			return 0, false, p.wrong(p.text.say("private.range"))
		}
		return k, true, nil
	}
	if f.Weight, set, err = part("weight" + n); err != nil {
		return f, false, err
	}
	for o := range i.Options {
		score, given, err := part("score" + n + "-" + itoa(o))
		if err != nil {
			return f, false, err
		}
		f.Options = append(f.Options, score)
		set = set || given
	}
	if !slices.ContainsFunc(f.Options, func(s uint64) bool { return s > 0 }) {
		f.Options = nil // nothing said about the options
	}
	best, limit := strings.TrimSpace(v.field("best"+n)), strings.TrimSpace(v.field("limit"+n))
	if best != "" || limit != "" {
		a, err1 := station.ParseRoomNumber(number(best))
		b, err2 := station.ParseRoomNumber(number(limit))
		if best == "" || limit == "" || err1 != nil || err2 != nil {
			return f, false, p.wrong(p.text.say("private.both"))
		}
		f.Best, f.Limit, set = &a, &b, true
	}
	return f, set, nil
}

// keepNote keeps a note on a statement, and the colour of a package or offer.
func (p *Pages) keepNote(v *visit) {
	var at string
	p.change(v, func(r *roomView, own *station.OwnSide) error {
		for id := range r.byID {
			if id.String() != v.r.PathValue("statement") {
				continue
			}
			at = "/s/" + id.String()
			note := strings.TrimSpace(lines(v.field("note")))
			if own.Notes == nil {
				own.Notes = map[station.StatementID]string{}
			}
			if own.Notes[id] = note; note == "" {
				delete(own.Notes, id)
			}
			if own.Colours == nil {
				own.Colours = map[station.StatementID]station.RoomColour{}
			}
			switch v.field("colour") {
			case "green":
				own.Colours[id] = station.ColourGreen
			case "yellow":
				own.Colours[id] = station.ColourYellow
			case "red":
				own.Colours[id] = station.ColourRed
			default:
				delete(own.Colours, id)
			}
			return nil
		}
		return &station.Error{Code: station.CodeNotFound, Text: p.text.say("room.nothere")}
	}, func(r *roomView) string { return "/r/" + r.Info.ID + at })
}

// keepWalkAway notes what leaving would be worth today.
func (p *Pages) keepWalkAway(v *visit) {
	p.change(v, func(_ *roomView, own *station.OwnSide) error {
		n, err := strconv.ParseUint(strings.TrimSpace(v.field("worth")), 10, 64)
		if err != nil || n > 100 {
			return p.wrong(p.text.say("private.range"))
		}
		own.WalkAways = append(own.WalkAways, station.RoomWalkAway{At: p.cfg.Now().UTC().Truncate(time.Second), Worth: n, Note: strings.TrimSpace(lines(v.field("note")))})
		return nil
	}, toPrivate)
}
