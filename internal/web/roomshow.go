package web

import (
	"encoding/json"
	"html/template"
	"slices"
	"time"

	"backchannel/internal/station"
)

// shownLine is a statement that one member showed another, with what follows from
// its tag.
type shownLine struct {
	Words string // what follows, as a sentence
	Shape string
	When  time.Time
	Said  spoken
	Whole template.HTML
	Exact string // of what has no text of its own: the statement as a program reads it
}

// ShownLines are what members showed, newest first.
func (r *roomView) ShownLines() (out []shownLine) {
	shapes := map[station.ShownState]string{station.ShownByUs: "open", station.ShownWaits: "waiting", station.ShownSame: "taken", station.ShownWritten: "taken",
		station.ShownInconsistent: "void", station.ShownUnknown: "expired"}
	for _, s := range slices.Backward(r.Shown) {
		l := shownLine{Words: s.Text, Shape: shapes[s.State], When: s.Time, Said: r.spoken(s.Statement)}
		switch b := s.Statement.Body.(type) {
		case *station.RoomSignal:
			l.Whole = readable(b.Text, "text/plain")
		case *station.RoomLetter:
			l.Whole = readable(b.Text, "text/markdown")
		case *station.RoomComment:
			l.Whole = readable(b.Text, "text/plain")
		case nil:
		default:
			if exact, err := json.MarshalIndent(b, "", "  "); err == nil {
				l.Exact = string(exact)
			}
		}
		out = append(out, l)
	}
	return out
}

// ShownMatters reports that something of it should be read before one goes on: what
// was shown differs from what was heard, or does not fit.
func (r *roomView) ShownMatters() bool {
	return slices.ContainsFunc(r.Shown, func(s station.RoomShown) bool {
		return s.State == station.ShownWritten || s.State == station.ShownInconsistent
	})
}

// ShowTo are the members to whom a statement can be shown: it was said to the room by
// another, and its tags are still here.
func (r *roomView) ShowTo(id string) (out []station.TableMember) {
	i := slices.IndexFunc(r.Showable, func(x station.StatementID) bool { return x.String() == id })
	if i < 0 || r.byID[r.Showable[i]] == nil {
		return nil
	}
	s := r.byID[r.Showable[i]]
	for _, m := range r.Members {
		if !m.Self && m.ID != s.From {
			out = append(out, m)
		}
	}
	return out
}

// showStatementTo shows a member what another said.
func (p *Pages) showStatementTo(v *visit) {
	r, s, ok := p.statement(v)
	if !ok {
		return
	}
	if _, err := p.desk.ShowTo(v.r.Context(), r.Info.ID, s.ID.String(), v.field("to")); err != nil {
		p.statementPage(v, statusOf(err), r, s, p.text.sentence(err))
		return
	}
	p.done(v, "/r/"+r.Info.ID+"/s/"+s.ID.String(), "shown.done")
}
