package web

import (
	"net/http"

	"backchannel/internal/station"
)

// shownRounds is how many rounds the picture of the traffic shows.
const shownRounds = 120

// tickView is one round in the picture; numbers are units of the drawing.
type tickView struct {
	X        int
	Out, In  bool
	Own      bool
	OwnY     int
	OwnUnits int
}

type othersPage struct {
	Status   station.Status
	Ticks    []tickView
	Width    int
	Cell     string // what leaves in a round, in words
	Missing  int    // rounds in which nothing left
	Rounds   int
	Seconds  float64
	Net      station.NetworkInfo
	RosterIn string
	Warnings []string
	Carrying string // which circuits carry the cells
}

// picture draws the last rounds as an observer records them, and below them what
// the own side did, which the observer does not see.
func (p *Pages) picture(v *visit) (othersPage, error) {
	ctx := v.r.Context()
	st, err := p.s.Status(ctx)
	if err != nil {
		return othersPage{}, err
	}
	ticks, err := p.s.Traffic(ctx, shownRounds)
	if err != nil {
		return othersPage{}, err
	}
	const step = 6
	o := othersPage{Status: st, Net: p.s.Network(), Width: shownRounds * step, Rounds: len(ticks), Seconds: float64(len(ticks)) * st.RoundTime}
	most := 1
	for _, t := range ticks {
		most = max(most, t.Own)
	}
	size := 0
	for i, t := range ticks {
		own := t.Own * 24 / most
		if t.Own > 0 {
			own = max(own, 2)
		}
		o.Ticks = append(o.Ticks, tickView{X: i * step, Out: t.Sent > 0, In: t.Received > 0, Own: own > 0, OwnUnits: own, OwnY: 100 - own})
		if size = max(size, t.Sent); t.Sent == 0 {
			o.Missing++
		}
	}
	for _, w := range st.Warnings {
		o.Warnings = append(o.Warnings, capital(w))
	}
	o.Cell = p.text.size(int64(size))
	if st.Circuits != nil {
		o.Carrying = p.text.say("others.carrying", *st.Circuits, st.Attempt)
	}
	switch {
	case st.Stations == 0:
		o.RosterIn = p.text.say("others.roster.unknown")
	case st.Stations <= 2:
		o.RosterIn = p.text.count("others.roster.few", st.Stations)
	default:
		o.RosterIn = p.text.count("others.roster", st.Stations)
	}
	return o, nil
}

func (p *Pages) showOthers(v *visit) {
	o, err := p.picture(v)
	if err != nil {
		p.fail(v, err)
		return
	}
	p.show(v, http.StatusOK, "others", o)
}

func (p *Pages) partOthers(v *visit) {
	o, err := p.picture(v)
	if err != nil {
		p.fail(v, err)
		return
	}
	p.showPart(v, "picture", o)
}

// networkPage describes the network file that this station pins.
type networkPage struct {
	Net    station.NetworkInfo
	Status station.Status
}

func (p *Pages) showNetwork(v *visit) {
	st, err := p.s.Status(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	p.show(v, http.StatusOK, "network", networkPage{p.s.Network(), st})
}

func (p *Pages) showHelp(v *visit) { p.show(v, http.StatusOK, "help", p.s.Network()) }
