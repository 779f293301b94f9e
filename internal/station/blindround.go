package station

import (
	"context"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/vault"
)

// RoundInfo is a blind round as its user sees it. It never has the own answer: that
// is in the vault until the round ends, and nowhere else.
type RoundInfo struct {
	ID       string       `json:"id" doc:"64 hexadecimal digits"`
	Mode     string       `json:"mode" enum:"single,ladder,list" doc:"single: one proposal; ladder: a figure; list: some of many packages"`
	State    string       `json:"state" enum:"proposed,joined,keyed,inputs in,opening,match,no match,\"shown, unanswered\",lapsed,views differ,invalid" doc:"how far it is"`
	Text     string       `json:"text" doc:"the state in words"`
	Fairness []string     `json:"fairness" doc:"what must be read where the choice is made"`
	Author   string       `json:"author" doc:"who proposed it"`
	Items    []RoundItem  `json:"items" doc:"what is asked, in the order of the round"`
	Parties  []RoundParty `json:"parties" doc:"whom it asks"`
	Cap      int          `json:"cap,omitempty" doc:"list: the most that a side may approve"`
	Green    int          `json:"green,omitempty" doc:"list with tiers: the most of them in the upper tier"`
	InputsAt time.Time    `json:"inputs_at" doc:"when answers leave, whenever they were chosen"`
	Deadline time.Time    `json:"deadline" doc:"when it lapses if not all have answered"`

	Asked      bool       `json:"asked" doc:"this station is a party"`
	Joined     bool       `json:"joined" doc:"this station takes part"`
	Answered   bool       `json:"answered" doc:"an answer is chosen"`
	Sent       bool       `json:"sent" doc:"it has left, closed"`
	MayJoin    bool       `json:"may_join" doc:"this station may join now"`
	MayChoose  bool       `json:"may_choose" doc:"this station may choose its answer, or another, now"`
	MayDecline bool       `json:"may_decline" doc:"this station may end it here now"`
	QuotaLeft  int        `json:"quota_left" doc:"rounds about the same with the same parties that may still be joined"`
	QuotaNext  *time.Time `json:"quota_next,omitempty" doc:"when the next may be, if none is left"`

	Progress *RoundProgress `json:"progress,omitempty" doc:"while the round goes on and this station takes part"`

	Opened  int        `json:"opened" doc:"items that were opened and are no match"`
	Cells   int        `json:"cells" doc:"items that can be opened; with tiers each counts twice"`
	Result  *RoundItem `json:"result,omitempty" doc:"of match and shown: the item; while opening: the one being opened"`
	Upper   bool       `json:"upper,omitempty" doc:"the result is of the upper tier"`
	Who     string     `json:"who,omitempty" doc:"of invalid: the member that broke the rules of the round, as this station saw it"`
	Lost    bool       `json:"lost,omitempty" doc:"this station lost its part of the round"`
	Problem string     `json:"problem,omitempty" doc:"why it cannot take place"`
}

// Ended reports that nothing is waited for any more. A round that was shown and not
// answered, or lapsed, may still change if an opening comes late.
func (r RoundInfo) Ended() bool {
	switch r.State {
	case "match", "no match", "shown, unanswered", "lapsed", "views differ", "invalid":
		return true
	}
	return false
}

// RoundProgress is how far a round is. It does not depend on answers.
type RoundProgress struct {
	Step  int   `json:"step" doc:"steps that all parties have taken"`
	Steps int   `json:"steps" doc:"of at most so many; a match ends the opening early"`
	Left  *Left `json:"left,omitempty" doc:"at most so long until the result, the time until answers leave included, if all stations are there and have an answer; left out while somebody has not joined"`

	messages, bytes int // that are left, one after the other
}

// RoundItem is one thing that a round asks about.
type RoundItem struct {
	Number  int    `json:"number" doc:"from 1"`
	Package string `json:"package,omitempty" doc:"identifier of the package"`
	Show    string `json:"show" doc:"the figure, or the package's values"`
}

// RoundParty is one whom a round asks.
type RoundParty struct {
	Member    string `json:"member" doc:"its identifier in the room"`
	Name      string `json:"name" doc:"by the name known here; \"you\" for oneself"`
	Self      bool   `json:"self" doc:"this station itself"`
	Joined    bool   `json:"joined" doc:"it has said that it takes part"`
	Opens     bool   `json:"opens" doc:"it opens first"`
	Direction string `json:"direction,omitempty" enum:"seller,buyer" doc:"ladder"`
}

// RoundProposal is a blind round to propose. What is left out is filled in: all
// members, answers in an hour, the end a day later.
type RoundProposal struct {
	Mode     string     `json:"mode" enum:"single,ladder,list" doc:"single: one proposal; ladder: a figure; list: some of many packages"`
	Packages []string   `json:"packages,omitempty" doc:"single: one; list: 4 to 64, by identifier or the first digits of it (four at least)"`
	Issue    uint64     `json:"issue,omitempty" doc:"ladder: the issue's number on the agenda"`
	Figures  []string   `json:"figures,omitempty" doc:"ladder: decimals, ascending"`
	Parties  []string   `json:"parties,omitempty" doc:"the others, by contact name or member identifier; all if left out"`
	Sells    bool       `json:"sells,omitempty" doc:"ladder: this station wants the figure high; else low"`
	Cap      uint64     `json:"cap,omitempty" doc:"list: the most that a side approves, at most a quarter; the most if left out"`
	Green    uint64     `json:"green,omitempty" doc:"list: two tiers, this many in the upper one"`
	InputsAt *time.Time `json:"inputs_at,omitempty" doc:"when answers leave; in an hour if left out"`
	Deadline *time.Time `json:"deadline,omitempty" doc:"at least 10 minutes after inputs_at"`
}

// RoundChoice is an answer. Exactly one member is given: yes for a single proposal,
// limit or none for a ladder, approve for a list.
type RoundChoice struct {
	Yes     *bool  `json:"yes,omitempty" doc:"single: whether the proposal is acceptable"`
	Limit   string `json:"limit,omitempty" doc:"ladder: the last figure that is acceptable"`
	None    bool   `json:"none,omitempty" doc:"ladder: no figure is"`
	Approve *[]int `json:"approve,omitempty" doc:"list: numbers of the acceptable packages; an empty list approves none"`
	Green   []int  `json:"green,omitempty" doc:"list with tiers: those of them in the upper tier"`
}

// BlindRounds lists the blind rounds of a room, oldest first.
func (s *Station) BlindRounds(ctx context.Context, room string) (out []RoundInfo, err error) {
	out = []RoundInfo{}
	err = s.inView(ctx, "listing blind rounds", room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		out, err = s.roundInfos(tx, r, now)
		return err
	})
	return out, err
}

// BlindRound returns one round by its identifier or the first digits of it.
func (s *Station) BlindRound(ctx context.Context, room, ref string) (out RoundInfo, err error) {
	err = s.inView(ctx, "looking at the blind round", room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		id, _, err := statement[*negotiation.Round](r, "looking at the blind round", ref)
		if err != nil {
			return err
		}
		all, err := s.roundInfos(tx, r, now)
		for _, v := range all {
			if v.ID == id.String() {
				out = v
			}
		}
		return err
	})
	return out, err
}

// inView runs f on a room that exists, without changing anything.
func (s *Station) inView(ctx context.Context, doing, room string, f func(tx *vault.Tx, r *openRoom, now time.Time) error) error {
	return s.look(ctx, doing, func(tx *vault.Tx, now time.Time) error {
		r, err := s.table.named(room)
		if err != nil {
			return err
		}
		if r.id.IsZero() {
			return fault(CodeConflict, "%s: the room does not exist yet: it is %s", doing, r.formation.State)
		}
		if err := r.open(tx); err != nil {
			return err
		}
		return f(tx, r, now)
	})
}

func (s *Station) roundInfos(tx *vault.Tx, r *openRoom, now time.Time) ([]RoundInfo, error) {
	people, err := peopleOf(tx)
	if err != nil {
		return nil, err
	}
	out := []RoundInfo{}
	for _, v := range r.room.RoundsAt(now) {
		i, err := s.table.roundInfo(tx, r, v, people.names(r), now)
		if err != nil {
			return nil, err
		}
		s.leftOf(&i, now)
		out = append(out, i)
	}
	return out, nil
}

func (t *table) roundInfo(tx *vault.Tx, r *openRoom, v negotiation.RoundView, name func(negotiation.MemberID) string, now time.Time) (RoundInfo, error) {
	self := r.room.Self()
	seat := t.conductor().seat(tx, r, now)
	own, joined, err := seat.RoundStatus(v.ID)
	if err != nil {
		return RoundInfo{}, err
	}
	p := conduct.RoundParams(v.ID, v.Round)
	out := RoundInfo{
		ID: v.ID.String(), Mode: v.Mode.String(), State: string(v.State), Author: name(v.Author), Items: roundItems(r, v.Round),
		Parties: []RoundParty{}, Cap: int(v.Cap), Green: p.Green, InputsAt: p.InputsAt, Deadline: p.Deadline,
		Asked: slices.Contains(v.Parties, self), Joined: joined, Answered: own.Answered, Sent: own.Sent, Problem: v.Problem,
	}
	if err := seat.CheckProposal(v.Round); err != nil && out.Problem == "" {
		out.Problem = reasonOf(err)
	}
	for i, m := range v.Parties {
		party := RoundParty{Member: m.String(), Name: name(m), Self: m == self, Joined: slices.Contains(v.Joined, m), Opens: m == v.Opener}
		if v.Mode == negotiation.Ladder {
			b, err := v.Directions[i].MarshalText()
			if err != nil {
				return RoundInfo{}, err
			}
			party.Direction = string(b)
		}
		out.Parties = append(out.Parties, party)
	}
	for _, k := range p.Fairness() {
		out.Fairness = append(out.Fairness, blind.Texts[k])
	}
	if o := v.Outcome; o != nil {
		out.Opened, out.Cells, out.Upper, out.Lost = int(o.Opened), int(o.Cells), o.Green, o.Lost
		if o.Item != nil && int(*o.Item) < len(out.Items) {
			out.Result = &out.Items[*o.Item]
		}
		if o.Who != nil {
			out.Who = name(*o.Who)
		}
	}
	if joined && own.State < blind.Match {
		out.Progress = &RoundProgress{Step: own.Step, Steps: own.Steps}
		if own.State >= blind.Keyed {
			out.Progress.messages, out.Progress.bytes = own.Messages, own.Bytes
		}
	}
	out.Text = blind.Texts[roundText(v, own, joined, out.Asked)]
	if !out.Asked {
		return out, nil
	}
	left, next, err := quota(tx, r, v.Round, now)
	if err != nil {
		return RoundInfo{}, err
	}
	out.QuotaLeft = left
	if left == 0 {
		out.QuotaNext = &next
	}
	before := now.Before(p.InputsAt) && v.State.Live() && !r.room.Frozen() && out.Problem == ""
	out.MayJoin = before && !slices.Contains(v.Joined, self) && left > 0
	out.MayChoose = before && joined && !own.Sent
	out.MayDecline = before && !own.Sent
	return out, nil
}

// messageRounds is how many rounds of the network pass from one short message of a
// blind round to the answer of the other side (docs/performance.md, "Blind rounds").
const messageRounds = 2

// leftOf estimates how long the messages that are left of a round take, one after the
// other, from when answers leave.
func (s *Station) leftOf(r *RoundInfo, now time.Time) {
	p, n := r.Progress, s.nw.Params
	if p == nil || p.messages == 0 {
		return
	}
	rounds := int64(messageRounds*p.messages + p.bytes/(2*n.MaxPayload()))
	p.Left = &Left{rounds, float64(rounds) * n.Round.Seconds()}
	if wait := r.InputsAt.Sub(now); wait > 0 {
		p.Left.Rounds += int64(wait / n.Round)
		p.Left.Seconds += wait.Seconds()
	}
}

// roundText is the key of the sentence for where a round stands.
func roundText(v negotiation.RoundView, own blind.Status, joined, asked bool) string {
	switch {
	case !asked:
		return blind.TextOthers
	case v.Outcome != nil && v.Outcome.Lost:
		return blind.TextLost
	case joined:
		return own.Text()
	}
	for st := blind.Proposed; st.String() != "unknown"; st++ {
		if st.String() == string(v.State) {
			return blind.Status{State: st, Known: v.Outcome != nil && v.Outcome.Known}.Text()
		}
	}
	return blind.TextProposed
}

// roundItems are what a round asks about, as a person reads it.
func roundItems(r *openRoom, b *negotiation.Round) (out []RoundItem) {
	agenda := new(negotiation.Agenda)
	if st, ok := r.room.Statement(b.Agenda); ok {
		if a, ok := st.Body.(*negotiation.Agenda); ok {
			agenda = a
		}
	}
	for n, f := range b.Figures {
		show := f.String()
		if i, ok := agenda.Issue(b.Issue); ok {
			show = negotiation.NumberValue(f).Show(i)
		}
		out = append(out, RoundItem{Number: n + 1, Show: show})
	}
	for n, id := range b.Packages {
		item := RoundItem{Number: n + 1, Package: id.String(), Show: "?"}
		if st, ok := r.room.Statement(id); ok {
			if p, ok := st.Body.(*negotiation.Package); ok {
				item.Show = showPackage(agenda, p)
			}
		}
		out = append(out, item)
	}
	return out
}

func showPackage(a *negotiation.Agenda, p *negotiation.Package) string {
	var parts []string
	for _, i := range a.Issues {
		if v, ok := p.Values[i.ID]; ok {
			parts = append(parts, i.Title+": "+v.Show(i))
		}
	}
	return strings.Join(parts, "; ")
}

// ProposeRound proposes a blind round and takes part in it.
func (s *Station) ProposeRound(ctx context.Context, room string, p RoundProposal) (RoundInfo, error) {
	const doing = "proposing the blind round"
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) error {
		body, err := b.round(r, doing, p)
		if err != nil {
			return err
		}
		id, err = b.say(r, body, negotiation.MemberID{})
		return err
	}); err != nil {
		return RoundInfo{}, err
	}
	return s.BlindRound(ctx, room, id.String())
}

func (b *batch) round(r *openRoom, doing string, p RoundProposal) (*negotiation.Round, error) {
	held := r.room.View(b.now, func(negotiation.MemberID) string { return "" }).Agenda
	if held == nil {
		return nil, fault(CodeConflict, "%s: no agenda holds yet: propose one, and have everybody confirm it", doing)
	}
	out := &negotiation.Round{Agenda: held.ID, Issue: p.Issue, Opener: r.room.Self(), Parties: []negotiation.MemberID{r.room.Self()}}
	if err := out.Mode.UnmarshalText([]byte(p.Mode)); err != nil {
		return nil, fault(CodeInvalid, "%s: the mode is single, ladder or list", doing)
	}
	for _, ref := range p.Packages {
		id, _, err := statement[*negotiation.Package](r, doing, ref)
		if err != nil {
			return nil, err
		}
		out.Packages = append(out.Packages, id)
	}
	for _, f := range p.Figures {
		var d negotiation.Decimal
		if err := d.UnmarshalText([]byte(f)); err != nil {
			return nil, fault(CodeInvalid, "%s: a figure is no decimal number", doing)
		}
		out.Figures = append(out.Figures, d)
	}
	if len(p.Parties) == 0 {
		out.Parties = r.room.Members()
	}
	for _, ref := range p.Parties {
		m, err := b.member(r, ref)
		if err != nil {
			return nil, err
		}
		if !m.IsZero() && !slices.Contains(out.Parties, m) {
			out.Parties = append(out.Parties, m)
		}
	}
	slices.SortFunc(out.Parties, func(x, y negotiation.MemberID) int { return slices.Compare(x[:], y[:]) })
	switch out.Mode {
	case negotiation.Ladder:
		for _, m := range out.Parties {
			d := negotiation.Buyer
			if p.Sells == (m == r.room.Self()) {
				d = negotiation.Seller
			}
			out.Directions = append(out.Directions, d)
		}
	case negotiation.List:
		out.Cap = p.Cap
		if out.Cap == 0 {
			out.Cap = uint64(len(out.Packages) / 4)
		}
		if p.Green > 0 {
			out.Tiers = []uint64{p.Green, out.Cap}
		}
	default:
		if p.Cap != 0 || p.Green != 0 {
			return nil, fault(CodeInvalid, "%s: only a list has caps", doing)
		}
	}
	inputs := b.now.Add(time.Hour)
	if p.InputsAt != nil {
		inputs = *p.InputsAt
	}
	deadline := inputs.Add(24 * time.Hour)
	if p.Deadline != nil {
		deadline = *p.Deadline
	}
	if inputs.Unix() < 0 || deadline.Unix() < 0 {
		return nil, fault(CodeInvalid, "%s: its times are before 1970", doing)
	}
	out.InputsAt, out.Deadline = uint64(inputs.Unix()), uint64(deadline.Unix())
	return out, nil
}

// JoinRound takes part in a round. No answer is chosen by it.
func (s *Station) JoinRound(ctx context.Context, room, ref string) (RoundInfo, error) {
	return s.inRound(ctx, "joining the blind round", room, ref, func(b *batch, r *openRoom, id negotiation.ID, _ *negotiation.Round) error {
		_, err := b.say(r, &negotiation.Join{Of: id}, negotiation.MemberID{})
		return err
	})
}

// DeclineRound ends a round here before the own answer has left. The others are told
// nothing: to them it lapses.
func (s *Station) DeclineRound(ctx context.Context, room, ref string) (RoundInfo, error) {
	return s.inRound(ctx, "declining the blind round", room, ref, func(b *batch, r *openRoom, id negotiation.ID, _ *negotiation.Round) error {
		b.touch(r)
		return b.t.conductor().seat(b.tx, r, b.now).DeclineRound(id)
	})
}

// ChooseRound keeps the own answer, which may be changed until answers leave. It is
// nowhere but in the vault, until the round ends.
func (s *Station) ChooseRound(ctx context.Context, room, ref string, c RoundChoice) (RoundInfo, error) {
	const doing = "choosing the answer"
	return s.inRound(ctx, doing, room, ref, func(b *batch, r *openRoom, id negotiation.ID, round *negotiation.Round) error {
		a, ok := c.answer(round)
		if !ok {
			return fault(CodeInvalid, "%s: it does not fit the round: yes or no to a proposal, a figure of the ladder or none, numbers of packages up to the cap", doing)
		}
		b.touch(r)
		return b.t.conductor().seat(b.tx, r, b.now).AnswerRound(id, a)
	})
}

func (s *Station) inRound(ctx context.Context, doing, room, ref string, f func(*batch, *openRoom, negotiation.ID, *negotiation.Round) error) (RoundInfo, error) {
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) (err error) {
		var round *negotiation.Round
		if id, round, err = statement[*negotiation.Round](r, doing, ref); err != nil {
			return err
		}
		return f(b, r, id, round)
	}); err != nil {
		return RoundInfo{}, err
	}
	return s.BlindRound(ctx, room, id.String())
}

// RoundAnswer is the own answer to a round that can still be chosen again, for the
// page on which that is done; false if none was chosen. No operation of the API has
// it (docs/decisions/0057).
func (s *Station) RoundAnswer(ctx context.Context, room, ref string) (c RoundChoice, ok bool, err error) {
	const doing = "looking at the own answer"
	err = s.inView(ctx, doing, room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		id, round, err := statement[*negotiation.Round](r, doing, ref)
		if err != nil {
			return err
		}
		a, chosen, err := s.table.conductor().seat(tx, r, now).RoundAnswer(id)
		if err != nil || !chosen || !now.Before(time.Unix(int64(round.InputsAt), 0)) {
			return err
		}
		c, ok = choiceOf(round, a), true
		return nil
	})
	return c, ok, err
}

// choiceOf is an answer in the terms of a user.
func choiceOf(b *negotiation.Round, a blind.Answer) (c RoundChoice) {
	levels := a.Levels()
	switch {
	case b.Mode == negotiation.Single:
		yes := levels[0] != blind.Refused
		c.Yes = &yes
	case b.Mode == negotiation.Ladder && a.Figure() < 0:
		c.None = true
	case b.Mode == negotiation.Ladder:
		c.Limit = b.Figures[a.Figure()].String()
	default:
		approve := []int{}
		for n, level := range levels {
			if level != blind.Refused {
				approve = append(approve, n+1)
			}
			if level == blind.Green {
				c.Green = append(c.Green, n+1)
			}
		}
		c.Approve = &approve
	}
	return c
}

// answer is the choice in the terms of package blind; false if it fits no round of
// this kind. What is wrong with it is not said: an error may be kept.
func (c RoundChoice) answer(b *negotiation.Round) (a blind.Answer, ok bool) {
	given := 0
	for _, is := range []bool{c.Yes != nil, c.Limit != "", c.None, c.Approve != nil} {
		if is {
			given++
		}
	}
	if given != 1 || len(c.Green) > 0 && c.Approve == nil {
		return a, false
	}
	switch {
	case c.Yes != nil && *c.Yes:
		return blind.Yes(), b.Mode == negotiation.Single
	case c.Yes != nil:
		return blind.No(), b.Mode == negotiation.Single
	case c.None:
		return blind.NoFigure(), b.Mode == negotiation.Ladder
	case c.Limit != "":
		var d negotiation.Decimal
		if d.UnmarshalText([]byte(c.Limit)) != nil {
			return a, false
		}
		i := slices.IndexFunc(b.Figures, func(f negotiation.Decimal) bool { return f.Cmp(d) == 0 })
		return blind.Limit(i), i >= 0
	}
	levels := make([]blind.Level, len(b.Packages))
	put := func(numbers []int, at blind.Level) bool {
		for _, n := range numbers {
			if n < 1 || n > len(levels) {
				return false
			}
			levels[n-1] = at
		}
		return true
	}
	ok = b.Mode == negotiation.List && put(*c.Approve, blind.Acceptable) && put(c.Green, blind.Green)
	return blind.Approve(levels...), ok
}
