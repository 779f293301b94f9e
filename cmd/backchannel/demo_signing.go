package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/transcript"
	"backchannel/internal/web"
)

// communiqueName is the released communiqué in the demo's folder.
const communiqueName = "communique.json"

// sign has all three consent to an agreement on a package, and sign it with the keys
// that they publish.
func (t *demoTable) sign(ctx context.Context, pack string) (station.AgreementInfo, error) {
	none := station.AgreementInfo{}
	a, err := t.cenia.api.ProposeAgreement(ctx, t.room, station.AgreementProposal{Text: "Aldmark, Borvia and Cenia settle passage, ports and fishing in the straits as follows.",
		Packages: []string{pack}, Level: "public", Lapses: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return none, err
	}
	if err := t.consent(ctx, a.ID, t.all()); err != nil {
		return none, err
	}
	for _, s := range t.all() {
		if err := t.agreement(ctx, s, a.ID, "sign", func(i station.AgreementInfo) bool {
			return i.State == string(negotiation.AgreementReady) && i.MaySign && !i.Agreed && len(unconsented(i)) == 0
		}); err != nil {
			return none, err
		}
	}
	t.r.step("ready-to-sign", map[string]any{"agreement": a.ID}, "Cenia proposes an agreement on it. All three consent; it is not agreed before all have signed.")
	if err := t.noteKeys(ctx); err != nil {
		return none, err
	}
	for _, s := range t.all() {
		if _, err := s.api.SignAgreement(ctx, t.room, a.ID); err != nil {
			return none, fmt.Errorf("%s signs: %w", s.name, err)
		}
		// The next signs when it knows of this one, as a person would.
		for _, o := range t.all() {
			if err := t.agreement(ctx, o, a.ID, "see who signs", func(i station.AgreementInfo) bool {
				return slices.ContainsFunc(i.Needed, func(n station.NeededConsent) bool { return n.Member == t.members[s].String() && n.Signing }) || i.Agreed
			}); err != nil {
				return none, err
			}
		}
	}
	for _, s := range t.all() {
		if err := t.agreement(ctx, s, a.ID, "hold the signed agreement", func(i station.AgreementInfo) bool {
			a = i
			return i.State == string(negotiation.AgreementSealed) && i.Agreed
		}); err != nil {
			return none, err
		}
		for _, n := range a.Needed {
			if !n.Self && (n.NotedKey == "" || n.NotedKey != n.Key || n.OtherKey) {
				return none, fmt.Errorf("%s did not compare the keys", s.name)
			}
		}
		if len(a.Keys) != len(t.all()) || a.Signature == "" {
			return none, fmt.Errorf("%s holds an agreement of %d keys", s.name, len(a.Keys))
		}
	}
	t.r.step("signed", map[string]any{"agreement": a.ID, "signature": a.Signature}, "All three signed; each holds the one signature of all under the text.")
	return a, nil
}

// noteKeys has every party note the keys that the others publish, so that nobody can
// sign with a key that it disowns later.
func (t *demoTable) noteKeys(ctx context.Context) error {
	for _, s := range t.all() {
		key, err := s.api.SealKey(ctx)
		if err != nil {
			return err
		}
		for _, o := range t.all() {
			if o == s {
				continue
			}
			if _, err := o.api.SetSealKey(ctx, s.name, key); err != nil {
				return fmt.Errorf("%s notes a key: %w", o.name, err)
			}
		}
	}
	t.r.step("keys-noted", map[string]any{"keys": len(t.all())}, "Each publishes the key with which it signs, and notes those of the others: nothing is signed with another.")
	return nil
}

// publish releases the communiqué and has the program check the file as a stranger
// would, with the keys that the parties publish.
func (t *demoTable) publish(ctx context.Context, n *demoNetwork, a station.AgreementInfo) error {
	q, err := t.borvia.api.ProposeCommunique(ctx, t.room, a.ID, "")
	if err != nil {
		return err
	}
	stands := func(s *demoStation, what string, yes func(station.CommuniqueInfo) bool) error {
		return waitFor(ctx, demoTimeout, s.name+" to "+what, func() (bool, error) {
			list, err := s.api.Communiques(ctx, t.room)
			return slices.ContainsFunc(list, func(i station.CommuniqueInfo) bool { return i.ID == q.ID && yes(i) }), err
		})
	}
	for _, s := range []*demoStation{t.aldmark, t.cenia} {
		if err := stands(s, "have the communiqué", func(i station.CommuniqueInfo) bool { return i.MayApprove && i.Signed }); err != nil {
			return err
		}
		if _, err := t.borvia.api.CommuniqueFile(ctx, t.room, q.ID, ""); err == nil {
			return errors.New("a file could be written before all had approved it")
		}
		if _, err := s.api.ApproveCommunique(ctx, t.room, q.ID); err != nil {
			return fmt.Errorf("%s approves: %w", s.name, err)
		}
	}
	if err := stands(t.borvia, "have all approvals", func(i station.CommuniqueInfo) bool { return i.MayRelease }); err != nil {
		return err
	}
	if _, err := t.borvia.api.ReleaseCommunique(ctx, t.room, q.ID); err != nil {
		return err
	}
	for _, s := range t.all() {
		if err := stands(s, "see the release", func(i station.CommuniqueInfo) bool { return i.State == string(negotiation.CommuniqueReleased) }); err != nil {
			return err
		}
	}
	b, err := t.borvia.api.CommuniqueFile(ctx, t.room, q.ID, t.borvia.name)
	if err != nil {
		return err
	}
	path := filepath.Join(n.dir, communiqueName)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return err
	}
	t.r.step("released", map[string]any{"communique": q.ID, "file": path}, "Borvia drafted the communiqué, all approved it, and it is released: %s.", path)

	keys := map[*demoStation]string{}
	check := []string{"verify", path}
	for _, s := range t.all() {
		if keys[s], err = s.api.SealKey(ctx); err != nil {
			return err
		}
		check = append(check, "--key", s.name+"="+keys[s])
	}
	if err := n.command(ctx, check...); err != nil {
		return err
	}
	if err := n.command(ctx, "verify", path, "--key", t.cenia.name+"="+keys[t.aldmark]); err == nil {
		return errors.New("it was verified with the key of another party")
	}
	t.r.step("verified", map[string]any{"file": path, "keys": len(keys)}, "backchannel verify, which needs no station, finds it signed with the published keys of all three, and refuses another key.")
	return nil
}

// forge has Cenia, who saw none of it, write down what Aldmark and Borvia wrote to
// each other, and then something that they never did.
func (t *demoTable) forge(ctx context.Context) error {
	real, err := t.aldmark.api.Export(ctx, t.borvia.name, t.aldmark.name, "json")
	if err != nil {
		return err
	}
	script, err := t.aldmark.api.Export(ctx, t.borvia.name, t.aldmark.name, "script")
	if err != nil {
		return err
	}
	made := func(script []byte) ([]byte, error) {
		return t.cenia.api.Forge(ctx, web.Forgery{Input: "script", Text: script, Format: "json"})
	}
	same, err := made(script)
	if err != nil {
		return err
	}
	if !bytes.Equal(same, real) {
		return errors.New("what is made up can be told from what was said")
	}
	const never = "We accept whatever you ask."
	line := fmt.Sprintf("\n%s, %s: %s\n", t.borvia.name, time.Now().UTC().Add(time.Minute).Format("2006-01-02 15:04"), never)
	forged, err := made(append(slices.Clone(script), line...))
	if err != nil {
		return err
	}
	before, err := transcript.ParseJSON(real)
	if err != nil {
		return err
	}
	after, err := transcript.ParseJSON(forged)
	if err != nil {
		return err
	}
	if n := len(after.Entries); n != len(before.Entries)+1 || strings.TrimSpace(after.Entries[n-1].Text) != never || after.Entries[n-1].Outgoing {
		return errors.New("the transcript does not have what was made up")
	}
	t.r.step("forged", map[string]any{"entries": len(after.Entries)},
		"Cenia's station writes down what Aldmark and Borvia wrote to each other, byte for byte as Aldmark's does, and a sentence that Borvia never wrote: a transcript proves nothing.")
	return t.forgeRoom(ctx)
}
