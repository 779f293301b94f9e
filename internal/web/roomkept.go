package web

import (
	"encoding/json"
	"strconv"
	"time"

	"backchannel/internal/station"
)

// Offers that are kept and not sent: drafts in the vault, which nobody else has.

// keptCard is one of them as the list of offers shows it.
type keptCard struct {
	Number uint64
	Title  string
	To     string // who may take it
	Gives  []valueLine
	Gets   []valueLine
	OnlyIf []conditionLine
	Until  *time.Time
	Note   string
	About  *linked // what it answers or replaces
	Heard  string  // the member to whom alone it goes, if that follows from About
	Others []station.TableMember
}

func (r *roomView) unsent(number string) *station.RoomUnsent {
	for i := range r.Unsent {
		if strconv.FormatUint(r.Unsent[i].Number, 10) == number {
			return &r.Unsent[i]
		}
	}
	return nil
}

// about is what a kept offer answers or replaces, and who alone heard that.
func (r *roomView) about(u *station.RoomUnsent) (answers, replaces, private string) {
	if u.Answers != nil {
		answers, private = u.Answers.String(), r.audience(*u.Answers)
	}
	if u.Replaces != nil {
		replaces, private = u.Replaces.String(), r.audience(*u.Replaces)
	}
	return answers, replaces, private
}

func (r *roomView) kept() (out []keptCard) {
	for i := range r.Unsent {
		u := &r.Unsent[i]
		c := keptCard{Number: u.Number, Title: r.text.say("offer.kept.numbered", u.Number), To: r.text.say("offer.to.all"), Note: u.Note, Others: r.others()}
		for _, t := range u.Gives {
			c.Gives = append(c.Gives, r.term(u.Agenda, t))
		}
		for _, t := range u.Gets {
			c.Gets = append(c.Gets, r.term(u.Agenda, t))
		}
		for _, id := range u.OnlyIf {
			what := ""
			if s := r.byID[id]; s != nil {
				what = string(s.Kind)
			}
			c.OnlyIf = append(c.OnlyIf, r.condition(id, what, ""))
		}
		if len(u.To) > 0 {
			c.To = r.text.say("offer.to.some", r.NamesOf(u.To))
		}
		if u.Expires > 0 {
			t := time.Unix(int64(u.Expires), 0)
			c.Until = &t
		}
		_, _, c.Heard = r.about(u)
		for _, id := range []*station.StatementID{u.Answers, u.Replaces} {
			if id != nil {
				c.About = r.link(id)
			}
		}
		out = append(out, c)
	}
	return out
}

// makeOffer keeps an offer or makes it, and says which was done. One that was kept
// before is kept with its changes first: a refusal loses nothing.
func (p *Pages) makeOffer(v *visit, page *offerPage, body map[string]any) (done string, err error) {
	r := page.Room
	keep := v.field("do") == "keep"
	if !keep && page.Unsent == 0 {
		_, err := p.say(v, r, "offer", body, page.Private)
		return p.text.say("offer.said"), err
	}
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	n, err := p.desk.KeepOffer(v.r.Context(), r.Info.ID, page.Unsent, b)
	if err != nil || keep {
		return p.text.say("offer.kept"), err
	}
	_, err = p.desk.SendOffer(v.r.Context(), r.Info.ID, n, page.Private)
	return p.text.say("offer.said"), err
}

// number is the kept offer that an address names.
func (v *visit) number() uint64 {
	n, _ := strconv.ParseUint(v.r.PathValue("number"), 10, 64) // 0 is none
	return n
}

func (p *Pages) sendKept(v *visit) {
	room := v.r.PathValue("room")
	if _, err := p.desk.SendOffer(v.r.Context(), room, v.number(), v.field("to")); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/r/"+room+"/offers", "offer.said")
}

func (p *Pages) dropKept(v *visit) {
	room := v.r.PathValue("room")
	if err := p.desk.DropOffer(v.r.Context(), room, v.number()); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/r/"+room+"/offers", "offer.dropped")
}
