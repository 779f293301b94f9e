package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/station"
)

// findPackage puts Cenia's packages on the table, has Aldmark and Borvia find one of
// them blindly, and asks all three about it in a round of their own: a list is for two.
func (t *demoTable) findPackage(ctx context.Context) (string, error) {
	var list []string
	for _, p := range []struct {
		toll uint64
		days int64
		fish uint64
	}{{0, 5, fishOpen}, {1, 5, fishOpen}, {2, 5, fishOpen}, {0, 15, fishShared}, {1, 15, fishShared}, {2, 15, fishShared}, {1, 25, fishShared}, {2, 25, fishOpen}} {
		id, err := t.pack(ctx, t.cenia, p.toll, p.days, p.fish)
		if err != nil {
			return "", err
		}
		list = append(list, id.String())
	}
	if err := t.everywhere(ctx, "the packages", func(v *station.RoomView) bool { return len(v.Packages) == 1+len(list) }); err != nil {
		return "", err
	}
	t.r.step("packages", map[string]any{"count": len(list)}, "Cenia puts %d packages on the table, any of which it would discuss.", len(list))

	const common = 5 // the one number in both lists
	result, err := t.round(ctx, station.RoundProposal{Mode: "list", Packages: list, Parties: []string{t.borvia.name}}, []roundAnswer{
		{t.aldmark, station.RoundChoice{Approve: &[]int{common, 7}}},
		{t.borvia, station.RoundChoice{Approve: &[]int{4, common}}}})
	if err != nil {
		return "", err
	}
	if result.Package != list[common-1] || result.Number != common {
		return "", fmt.Errorf("the blind list found package %d, and the only common one is %d", result.Number, common)
	}
	rounds, err := t.cenia.api.BlindRounds(ctx, t.room)
	if err != nil {
		return "", err
	}
	if len(rounds) != 1 || rounds[0].Asked || rounds[0].Result != nil {
		return "", errors.New("of a blind round of the others, Cenia sees more than that there is one")
	}
	t.r.step("list-match", map[string]any{"package": result.Package, "number": result.Number, "show": result.Show},
		"Both answered in private; the one package that both can live with was opened, and no other: %s.", result.Show)

	yes := true
	answer := station.RoundChoice{Yes: &yes}
	all, err := t.round(ctx, station.RoundProposal{Mode: "single", Packages: []string{result.Package}},
		[]roundAnswer{{t.aldmark, answer}, {t.borvia, answer}, {t.cenia, answer}})
	if err != nil {
		return "", err
	}
	if all.Package != result.Package {
		return "", errors.New("the round of three was about another package")
	}
	t.r.step("all-match", map[string]any{"package": all.Package}, "The same package, put to all three in a blind round: all said yes. A single no would have shown nothing but that there is no match.")
	return all.Package, nil
}

// roundAnswer is the answer of a party. Nothing prints it.
type roundAnswer struct {
	by     *demoStation
	choice station.RoundChoice
}

// round plays a blind round, which the first party proposes, to its match.
func (t *demoTable) round(ctx context.Context, p station.RoundProposal, answers []roundAnswer) (out station.RoundItem, err error) {
	inputs := time.Now().Add(min(max(12*t.slowest, leastInputs), mostInputs)).Truncate(time.Second)
	deadline := inputs.Add(time.Hour)
	p.InputsAt, p.Deadline = &inputs, &deadline
	info, err := answers[0].by.api.ProposeRound(ctx, t.room, p)
	if err != nil {
		return out, err
	}
	t.r.step("round", map[string]any{"round": info.ID, "mode": p.Mode, "parties": len(answers), "inputs_at": inputs.UTC()},
		"%s proposes a blind round (%s, %d parties). Answers leave, closed, in %d seconds, whenever they are chosen.", answers[0].by.name, p.Mode, len(answers), int(time.Until(inputs).Seconds()))
	for _, a := range answers[1:] {
		if err := t.standing(ctx, a.by, info.ID, "join the blind round", func(i station.RoundInfo) bool { return i.MayJoin }); err != nil {
			return out, err
		}
		if _, err := a.by.api.JoinRound(ctx, t.room, info.ID); err != nil {
			return out, fmt.Errorf("%s joins: %w", a.by.name, err)
		}
	}
	for _, a := range answers {
		if err := t.standing(ctx, a.by, info.ID, "choose in the blind round", func(i station.RoundInfo) bool { return i.MayChoose }); err != nil {
			return out, err
		}
		if _, err := a.by.api.ChooseRound(ctx, t.room, info.ID, a.choice); err != nil {
			return out, fmt.Errorf("%s chooses: %w", a.by.name, err)
		}
	}
	for n, a := range answers {
		var item *station.RoundItem
		if err := t.standing(ctx, a.by, info.ID, "see the match", func(i station.RoundInfo) bool {
			item = i.Result
			return i.State == string(negotiation.RoundMatch)
		}); err != nil {
			return out, err
		}
		switch {
		case item == nil:
			return out, fmt.Errorf("%s sees a match of nothing", a.by.name)
		case n == 0:
			out = *item
		case *item != out:
			return out, fmt.Errorf("%s sees another match than %s", a.by.name, answers[0].by.name)
		}
	}
	return out, nil
}

// standing waits until a round stands so at a station. A round that ends without a
// match is an error at once.
func (t *demoTable) standing(ctx context.Context, s *demoStation, id, what string, yes func(station.RoundInfo) bool) error {
	return waitFor(ctx, mostInputs+demoTimeout, s.name+" to be able to "+what, func() (bool, error) {
		i, err := s.api.BlindRound(ctx, t.room, id)
		var e *station.Error
		if errors.As(err, &e) && e.Code == station.CodeNotFound {
			return false, nil // not there yet
		}
		if err != nil || yes(i) {
			return err == nil, err
		}
		if st := negotiation.RoundState(i.State); !st.Live() {
			return false, fmt.Errorf("the blind round is %s for %s: %s", st, s.name, i.Text)
		}
		return false, nil
	})
}
