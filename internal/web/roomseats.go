package web

import (
	"context"
	"slices"

	"backchannel/internal/station"
)

// stationSeats shows a station's rounds and signings as the pages want them.
type stationSeats struct{ s *station.Station }

func (d stationSeats) Round(ctx context.Context, ref, round string) (RoundSeat, error) {
	i, err := d.s.BlindRound(ctx, ref, round)
	out := RoundSeat{Chosen: i.Answered, Sent: i.Sent, Choice: Choice{Figure: -1}, Fairness: i.Fairness, Words: capital(i.Text), Hit: -1, Left: i.QuotaLeft, MayEnd: i.MayDecline}
	if i.QuotaNext != nil {
		out.Again = *i.QuotaNext
	}
	if i.Result != nil {
		out.Hit = i.Result.Number - 1
	}
	if p := i.Progress; p != nil && p.Left != nil {
		out.Done, out.Steps, out.Time = p.Step, p.Steps, p.Left
	}
	return out, err
}

func (d stationSeats) Choose(ctx context.Context, ref, round string, c Choice) error {
	i, err := d.s.BlindRound(ctx, ref, round)
	if err != nil {
		return err
	}
	var answer station.RoundChoice
	switch {
	case i.Mode == "single":
		answer.Yes = &c.Yes
	case i.Mode == "ladder" && c.Figure < 0:
		answer.None = true
	case i.Mode == "ladder":
		room, err := d.s.Room(ctx, ref)
		if err != nil {
			return err
		}
		for _, o := range room.View.Rounds {
			if o.ID.String() == i.ID && c.Figure < len(o.Figures) {
				answer.Limit = o.Figures[c.Figure].String()
			}
		}
	default:
		approve := []int{}
		for n, level := range c.Levels {
			if level > 0 {
				approve = append(approve, n+1)
			}
			if level > 1 {
				answer.Green = append(answer.Green, n+1)
			}
		}
		answer.Approve = &approve
	}
	_, err = d.s.ChooseRound(ctx, ref, round, answer)
	return err
}

func (d stationSeats) Chosen(ctx context.Context, ref, round string) (c Choice, ok bool, err error) {
	answer, ok, err := d.s.RoundAnswer(ctx, ref, round)
	if err != nil || !ok {
		return c, false, err
	}
	c.Figure = -1
	if answer.Yes != nil {
		c.Yes = *answer.Yes
		return c, true, nil
	}
	room, err := d.s.Room(ctx, ref)
	if err != nil {
		return c, false, err
	}
	at := slices.IndexFunc(room.View.Rounds, func(o station.RoomRound) bool { return o.ID.String() == round })
	if at < 0 {
		return c, false, nil
	}
	o := room.View.Rounds[at]
	for n, f := range o.Figures {
		if f.String() == answer.Limit {
			c.Figure = n
		}
	}
	if answer.Approve != nil {
		c.Levels = make([]int, len(o.Packages))
		for _, n := range *answer.Approve {
			c.Levels[n-1] = 1
		}
		for _, n := range answer.Green {
			c.Levels[n-1] = 2
		}
	}
	return c, true, nil
}

func (d stationSeats) EndRound(ctx context.Context, ref, round string) error {
	_, err := d.s.DeclineRound(ctx, ref, round)
	return err
}

func (d stationSeats) Signing(ctx context.Context, ref, agreement string) (SigningSeat, error) {
	i, err := d.s.Agreement(ctx, ref, agreement)
	out := SigningSeat{MaySign: i.MaySign, MayStop: i.MayStop, Warning: i.Warning, LastName: i.Last, Document: i.Text}
	for _, n := range i.Needed {
		if n.Self && n.Signing {
			out.Signed = true
		}
		if i.Level == "public" && !n.Self && !i.Agreed {
			out.Keys = append(out.Keys, SignerKey{Member: n.Member, Shown: n.Key, Noted: n.NotedKey != "", Other: n.OtherKey})
		}
	}
	return out, err
}

func (d stationSeats) Sign(ctx context.Context, ref, agreement string) error {
	_, err := d.s.SignAgreement(ctx, ref, agreement)
	return err
}

func (d stationSeats) StopSigning(ctx context.Context, ref, agreement string) error {
	_, err := d.s.StopSigning(ctx, ref, agreement)
	return err
}

func (d stationSeats) DraftCommunique(ctx context.Context, ref, agreement, text string) (string, error) {
	q, err := d.s.ProposeCommunique(ctx, ref, agreement, text)
	return q.ID, err
}

func (d stationSeats) CommuniqueFile(ctx context.Context, ref, communique, self string) ([]byte, error) {
	return d.s.CommuniqueFile(ctx, ref, communique, self)
}
