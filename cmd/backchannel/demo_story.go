package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"backchannel/internal/station"
)

func lower(s string) string { return strings.ToLower(s) }

// playDemo introduces the stations, carries a signal, the letter and the answer, and
// has the three negotiate.
func playDemo(ctx context.Context, n *demoNetwork, r *reporter, letter []byte, name string) error {
	if err := meetDemo(ctx, n, r); err != nil {
		return err
	}
	aldmark, borvia := n.stations[0], n.stations[1]
	status, err := aldmark.api.Status(ctx)
	if err != nil {
		return err
	}
	r.step("roster", map[string]any{"stations": status.Stations}, "%d stations take part; an observer learns that and nothing else.", status.Stations)

	if err := deliverSignal(ctx, r, aldmark, borvia, "We could talk about the straits. A non-paper follows."); err != nil {
		return err
	}
	if err := deliver(ctx, r, aldmark, borvia, station.Draft{Kind: "letter", Subject: "Non-paper", FileName: name, MediaType: mediaType(name, letter), Content: letter}); err != nil {
		return err
	}
	if err := deliver(ctx, r, borvia, aldmark, station.Draft{Kind: "letter", Subject: "Re: Non-paper", FileName: "answer.md", MediaType: "text/markdown", Content: demoAnswer}); err != nil {
		return err
	}
	return playTable(ctx, n, r)
}

// meetDemo waits for the stations, introduces each to each and waits until all can
// write to each other.
func meetDemo(ctx context.Context, n *demoNetwork, r *reporter) error {
	aldmark, borvia, cenia := n.stations[0], n.stations[1], n.stations[2]
	for _, s := range n.stations {
		if err := waitFor(ctx, demoTimeout, s.name+" to send the first cells", func() (bool, error) {
			st, err := s.api.Status(ctx)
			if err != nil {
				return false, nil //nolint:nilerr // its socket is not there yet; a station that ended is noticed elsewhere
			}
			return st.Connected, nil
		}); err != nil {
			return err
		}
	}
	r.step("connected", nil, "All stations are connected to the entry. Each sends the same cells at the same times from now on.")
	if err := introduce(ctx, r, aldmark, borvia, cenia); err != nil {
		return err
	}
	if err := introduce(ctx, r, borvia, cenia); err != nil {
		return err
	}
	for _, pair := range [][2]*demoStation{{aldmark, borvia}, {borvia, aldmark}, {aldmark, cenia}, {cenia, aldmark}, {borvia, cenia}, {cenia, borvia}} {
		if err := waitFor(ctx, demoTimeout, "the agreed keys to be in use", func() (bool, error) {
			k, err := pair[0].api.Contact(ctx, pair[1].name)
			return k.Ready, err
		}); err != nil {
			return err
		}
	}
	r.step("ready", map[string]any{"stations": len(n.stations)}, "The keys that each pair agreed on are in use, two epochs later. From now on they carry signals, letters and talks.")
	return nil
}

// introduce lets inviter meet all others and compares the words of each pair.
func introduce(ctx context.Context, r *reporter, inviter *demoStation, others ...*demoStation) error {
	for _, other := range others {
		k, err := inviter.api.Invite(ctx, other.name, time.Hour)
		if err != nil {
			return fmt.Errorf("%s invites %s: %w", inviter.name, other.name, err)
		}
		if k.Invitation == nil {
			return fmt.Errorf("%s invites %s: the station gave no invitation", inviter.name, other.name)
		}
		if _, err := other.api.Accept(ctx, inviter.name, k.Invitation.Text); err != nil {
			return fmt.Errorf("%s accepts the invitation: %w", other.name, err)
		}
		r.step("invited", map[string]any{"from": inviter.name, "to": other.name},
			"%s invited %s: \"%s …\" (31 words, given by hand).", inviter.name, other.name, strings.Join(k.Invitation.Words[:4], " "))
	}
	for _, other := range others {
		for _, pair := range [][2]*demoStation{{inviter, other}, {other, inviter}} {
			if err := waitFor(ctx, demoTimeout, pair[0].name+" to meet "+pair[1].name, func() (bool, error) {
				k, err := pair[0].api.Contact(ctx, pair[1].name)
				if err != nil {
					return false, err
				}
				if k.State == station.StateRefused {
					return false, fmt.Errorf("%s refused what %s sent", pair[0].name, pair[1].name)
				}
				return k.State == station.StateIntroduced, nil
			}); err != nil {
				return err
			}
		}
		a, err := inviter.api.Words(ctx, other.name)
		if err != nil {
			return err
		}
		b, err := other.api.Words(ctx, inviter.name)
		if err != nil {
			return err
		}
		if !slices.Equal(a, b) {
			return fmt.Errorf("%s and %s see different words: somebody came between", inviter.name, other.name)
		}
		if _, err := inviter.api.Confirm(ctx, other.name, a...); err != nil {
			return err
		}
		if _, err := other.api.Confirm(ctx, inviter.name, b...); err != nil {
			return err
		}
		r.step("introduced", map[string]any{"from": inviter.name, "to": other.name, "words": a},
			"%s and %s met inside their usual traffic. Both see the words \"%s\" and confirm them.", inviter.name, other.name, strings.Join(a, " "))
	}
	return nil
}

// deliverSignal sends a signal and checks, through the receiver's own API, what arrived.
func deliverSignal(ctx context.Context, r *reporter, from, to *demoStation, text string) error {
	doing := func(err error) error {
		return fmt.Errorf("carrying a signal from %s to %s: %w", from.name, to.name, err)
	}
	sent, err := from.api.Send(ctx, to.name, station.Draft{Kind: "signal", Content: []byte(text)})
	if err != nil {
		return doing(err)
	}
	if err := waitFor(ctx, demoTimeout, "the signal to be delivered", func() (bool, error) {
		it, err := from.api.Item(ctx, sent.ID)
		return it.State == station.ItemDelivered, err
	}); err != nil {
		return doing(err)
	}
	got, err := to.api.Content(ctx, sent.ID)
	if err != nil {
		return doing(err)
	}
	if string(got) != text {
		return doing(fmt.Errorf("what arrived differs from what was sent: %d bytes", len(got)))
	}
	r.step("signal", map[string]any{"from": from.name, "to": to.name, "text": text}, "%s signals to %s: \"%s\"", from.name, to.name, text)
	return nil
}

// deliver sends d and checks, through the receiver's own API, what arrived.
func deliver(ctx context.Context, r *reporter, from, to *demoStation, d station.Draft) error {
	doing := func(err error) error {
		return fmt.Errorf("carrying %q from %s to %s: %w", d.Subject, from.name, to.name, err)
	}
	sent, err := from.api.Send(ctx, to.name, d)
	if err != nil {
		return doing(err)
	}
	estimate := time.Duration(0)
	fields := map[string]any{"from": from.name, "to": to.name, "size": len(d.Content)}
	if sent.Left != nil {
		estimate = time.Duration(sent.Left.Seconds * float64(time.Second))
		fields["estimate_seconds"], fields["estimate_rounds"] = sent.Left.Seconds, sent.Left.Rounds
	}
	r.step("sending", fields, "%s sends %s a letter of %s, which takes %s.", from.name, to.name, bytesInWords(int64(len(d.Content))), takes(sent.Left))
	shown := int64(-1)
	if err := waitFor(ctx, demoTimeout+4*estimate, "the letter to be delivered", func() (bool, error) {
		it, err := from.api.Item(ctx, sent.ID)
		if err != nil {
			return false, err
		}
		tenth := int64(10)
		if it.Total > 0 {
			tenth = it.Done * 10 / it.Total
		}
		if tenth != shown {
			shown = tenth
			r.progress(from.name+" → "+to.name, it.Done, it.Total, left(it.Left))
		}
		return it.State == station.ItemDelivered, nil
	}); err != nil {
		return doing(err)
	}
	got, err := to.api.Item(ctx, sent.ID)
	if err != nil {
		return doing(err)
	}
	content, err := to.api.Content(ctx, sent.ID)
	if err != nil {
		return doing(err)
	}
	sum := sha256.Sum256(content)
	if !bytes.Equal(content, d.Content) || got.SHA256 != hex.EncodeToString(sum[:]) {
		return doing(fmt.Errorf("what arrived differs from what was sent: %d bytes with SHA-256 %x", len(content), sum))
	}
	if got.FileName != d.FileName || got.Subject != d.Subject {
		return doing(fmt.Errorf("the name or the subject that arrived differs"))
	}
	if err := to.api.MarkRead(ctx, sent.ID); err != nil {
		return doing(err)
	}
	r.step("delivered", map[string]any{"from": from.name, "to": to.name, "size": len(content), "sha256": hex.EncodeToString(sum[:])},
		"%s received it: %s, SHA-256 %x…, byte for byte what %s sent.", to.name, bytesInWords(int64(len(content))), sum[:8], from.name)
	if isText(content) && len(content) < 4000 {
		r.text("")
		for _, line := range strings.Split(strings.TrimRight(printableText(string(content)), "\n"), "\n") {
			r.text("          | %s", line)
		}
		r.text("")
	}
	return nil
}

// waitFor polls a condition, for the API is all that the demo has of a station.
func waitFor(ctx context.Context, limit time.Duration, what string, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s in vain: %w", limit, what, ctx.Err())
		case <-tick.C:
		}
	}
}
