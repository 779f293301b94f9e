package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

// shownTable is a room whose table a command looks at.
type shownTable struct{ station.Room }

// openTable fetches a room that exists.
func openTable(cmd *cobra.Command, c *web.Client, ref string) (*shownTable, error) {
	r, err := c.Room(cmd.Context(), ref)
	if err != nil {
		return nil, err
	}
	if r.View == nil {
		return nil, fmt.Errorf("the room does not exist yet: it is %s", r.State)
	}
	return &shownTable{r}, nil
}

// statement finds a statement by the first digits of its number.
func (t *shownTable) statement(digits string) (id negotiation.ID, err error) {
	found := 0
	for _, s := range t.View.Timeline {
		if len(digits) >= 4 && strings.HasPrefix(s.ID.String(), strings.ToLower(digits)) {
			id, found = s.ID, found+1
		}
	}
	switch found {
	case 0:
		return id, usage("nothing in the room has a number that begins with %q: give four digits at least", digits)
	case 1:
		return id, nil
	}
	return id, usage("more than one statement begins with %q: give more digits", digits)
}

// member finds a member by the name given to it here, or "you".
func (t *shownTable) member(name string) (negotiation.MemberID, error) {
	for _, m := range t.View.Members {
		if m.Name == name || m.Self && strings.EqualFold(name, "me") {
			return m.ID, nil
		}
	}
	return negotiation.MemberID{}, usage("the room has no member %q: \"backchannel room show\" lists them", name)
}

func (t *shownTable) name(id negotiation.MemberID) string {
	for _, m := range t.View.Members {
		if m.ID == id {
			return contact.Printable(m.Name)
		}
	}
	return "?"
}

// issue finds an issue of the agenda that holds.
func (t *shownTable) issue(id uint64) (negotiation.Issue, bool) {
	if t.View.Agenda != nil {
		for _, i := range t.View.Agenda.Issues {
			if i.ID == id {
				return i, true
			}
		}
	}
	return negotiation.Issue{}, false
}

// values writes values of issues on one line.
func (t *shownTable) values(values map[uint64]negotiation.Value) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(values)) {
		out = append(out, t.value(id, values[id]))
	}
	return strings.Join(out, ", ")
}

func (t *shownTable) value(id uint64, v negotiation.Value) string {
	i, ok := t.issue(id)
	if !ok {
		return fmt.Sprintf("issue %d: ?", id)
	}
	return contact.Printable(i.Title + ": " + v.Show(i))
}

func (t *shownTable) terms(list []negotiation.Term) string {
	var out []string
	for _, k := range list {
		out = append(out, t.name(k.By)+" "+t.value(k.Issue, k.Value))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

func moment(t time.Time) string { return t.Local().Format("Mon 2 Jan 15:04") }

func printRoom(w io.Writer, r station.Room) {
	fmt.Fprintf(w, "%s (%s)\n", contact.Printable(r.Title), r.ID[:8])
	if r.View == nil {
		fmt.Fprintf(w, "The room is %s. %s\nMembers, in the words of the one who invites: %s\n", r.State, contact.Printable(r.Reason), contact.Printable(strings.Join(r.Names, ", ")))
		return
	}
	t := &shownTable{r}
	var members []string
	for _, m := range r.View.Members {
		members = append(members, contact.Printable(m.Name))
	}
	fmt.Fprintf(w, "Members: %s\n", strings.Join(members, ", "))
	if r.Frozen {
		fmt.Fprintln(w, "This station was restored from a backup: you can read here, and go on in a new room.")
	}
	for _, a := range r.View.Alarms {
		fmt.Fprintf(w, "\nALARM: %s\n", contact.Printable(a.Text))
	}
	t.printShown(w)
	if r.View.Refused > 0 {
		fmt.Fprintf(w, "\n%s could not be read.\n", plural(int64(r.View.Refused), "message"))
	}
	t.printAgenda(w)
	t.printPackages(w)
	t.printOffers(w)
	t.printTexts(w)
	t.printAgreements(w)
}

func (t *shownTable) printAgenda(w io.Writer) {
	v := t.View
	if v.Agenda == nil && len(v.Proposed) == 0 {
		fmt.Fprintln(w, "\nNo agenda yet.")
	}
	if v.Agenda != nil {
		fmt.Fprintf(w, "\nAgenda, revision %d\n", v.Agenda.Rev)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range v.Table {
			fmt.Fprintf(tw, "  %d\t%s\t%s", row.Issue.ID, contact.Printable(row.Issue.Title), contact.Printable(possible(row.Issue)))
			for _, p := range row.Positions {
				fmt.Fprintf(tw, "\t%s: %s", t.name(p.Member), contact.Printable(p.Show))
			}
			fmt.Fprintln(tw)
			if len(row.Issue.Outsiders) > 0 {
				fmt.Fprintf(tw, "\tconcerns %s, not in the room\n", contact.Printable(strings.Join(row.Issue.Outsiders, ", ")))
			}
		}
		_ = tw.Flush() // to the terminal or a buffer
	}
	for _, a := range v.Proposed {
		fmt.Fprintf(w, "\nProposed agenda %s, revision %d by %s, confirmed by %d of %d\n", a.ID.String()[:8], a.Rev, t.name(a.Author), len(a.Confirmed), len(v.Members))
		for _, i := range a.Issues {
			fmt.Fprintf(w, "  %d  %s  %s\n", i.ID, contact.Printable(i.Title), contact.Printable(possible(i)))
		}
		if a.Problem != "" {
			fmt.Fprintf(w, "  It cannot hold: %s\n", a.Problem)
		}
	}
}

// possible says what values an issue takes.
func possible(i negotiation.Issue) string {
	switch {
	case i.Type == negotiation.Choice:
		return strings.Join(i.Options, " | ")
	case i.Range != nil:
		return strings.TrimSpace(fmt.Sprintf("%v to %v in steps of %v %s", i.Range.Min, i.Range.Max, i.Range.Step, i.Range.Unit))
	}
	return "in words"
}

func (t *shownTable) printPackages(w io.Writer) {
	for _, p := range t.View.Packages {
		fmt.Fprintf(w, "\nPackage %s by %s, %s%s\n  %s\n", p.ID.String()[:8], t.name(p.Author), moment(p.Time), private(p.Private), t.values(p.Values))
		if p.Note != "" {
			fmt.Fprintf(w, "  %s\n", contact.Printable(p.Note))
		}
	}
}

func private(p bool) string {
	if p {
		return ", to one member"
	}
	return ""
}

func (t *shownTable) printOffers(w io.Writer) {
	for _, o := range t.View.Offers {
		state := string(o.State)
		switch {
		case o.State == negotiation.OfferTaken && !o.InForce:
			state = "taken, but not in force: a condition is missing"
		case o.Waiting:
			state = "you asked to take it; waiting for confirmation"
		}
		fmt.Fprintf(w, "\nOffer %s by %s, %s%s: %s\n  gives: %s\n  gets:  %s\n", o.ID.String()[:8], t.name(o.Author), moment(o.Time), private(o.Private), state, t.terms(o.Gives), t.terms(o.Gets))
		for _, k := range o.Conditions {
			fmt.Fprintf(w, "  only if %s %s: %s\n", k.What, k.Of.String()[:8], k.State)
		}
		if o.Expires > 0 {
			fmt.Fprintf(w, "  until %s\n", moment(time.Unix(int64(o.Expires), 0)))
		}
		if o.Note != "" {
			fmt.Fprintf(w, "  %s\n", contact.Printable(o.Note))
		}
		if o.Problem != "" {
			fmt.Fprintf(w, "  It counts for nothing: %s\n", o.Problem)
		}
	}
	for _, o := range t.View.Unsent {
		fmt.Fprintf(w, "\nUnsent offer %d\n  gives: %s\n  gets:  %s\n", o.Number, t.terms(o.Gives), t.terms(o.Gets))
	}
}

func (t *shownTable) printTexts(w io.Writer) {
	for _, d := range t.View.Drafts {
		latest := ""
		if d.Latest {
			latest = ", latest"
		}
		fmt.Fprintf(w, "\nText %s %s, version %d by %s, %s%s%s\n", d.ID.String()[:8], contact.Printable(d.Title), d.Rev, t.name(d.Author), moment(d.Time), private(d.Private), latest)
	}
}

func (t *shownTable) printAgreements(w io.Writer) {
	for _, a := range t.View.Agreements {
		fmt.Fprintf(w, "\nAgreement %s by %s, %s, level %v: %s\n", a.ID.String()[:8], t.name(a.Author), moment(a.Time), a.Level, strings.ToUpper(string(a.State)))
		if !a.IsAgreed() {
			fmt.Fprintln(w, "  This is not agreed.")
		}
		if a.Text != "" {
			fmt.Fprintf(w, "%s\n", indent(a.Text))
		}
		for _, n := range a.Needed {
			have := "has not consented"
			if n.Consented {
				have = "consents"
			}
			fmt.Fprintf(w, "  %s %s. %s\n", t.name(n.Member), have, contact.Printable(strings.Join(n.Why, " ")))
		}
		for _, b := range a.Blocked {
			fmt.Fprintf(w, "  In the way: %s\n", contact.Printable(b))
		}
		if a.Note != "" {
			fmt.Fprintf(w, "  %s\n", contact.Printable(a.Note))
		}
		fmt.Fprintf(w, "  Lapses %s.\n", moment(time.Unix(int64(a.Lapses), 0)))
	}
}

// indent sets a text off, line by line.
func indent(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = "    " + contact.Printable(l)
	}
	return strings.Join(lines, "\n")
}

func (t *shownTable) printTimeline(w io.Writer) {
	for _, s := range t.View.Timeline {
		to := ""
		if s.Private() {
			to = " to " + t.name(s.To)
		}
		fmt.Fprintf(w, "%s  %s  %s%s: %s%s\n", s.ID.String()[:8], moment(s.Time), t.name(s.From), to, s.Kind, t.gist(s))
	}
}

// gist is a statement in a few words.
func (t *shownTable) gist(s *negotiation.Statement) string {
	switch b := s.Body.(type) {
	case *negotiation.Signal:
		return " “" + contact.Printable(b.Text) + "”"
	case *negotiation.Letter:
		return " “" + contact.Printable(b.Subject) + "”"
	case *negotiation.Comment:
		return " on " + b.On.String()[:8] + " “" + contact.Printable(b.Text) + "”"
	case *negotiation.Package:
		return " " + t.values(b.Values)
	case *negotiation.Offer:
		return " gives " + t.terms(b.Gives) + ", gets " + t.terms(b.Gets)
	case *negotiation.Confirm:
		return " of " + b.Of.String()[:8]
	case *negotiation.Take:
		return " of " + b.Of.String()[:8]
	case *negotiation.Taken:
		return " " + b.Of.String()[:8]
	case *negotiation.Withdraw:
		return " of " + b.Of.String()[:8]
	}
	if s.Unreadable != "" {
		return " (not understood: " + s.Unreadable + ")"
	}
	return ""
}
