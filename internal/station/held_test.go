package station

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// pairOf is two sessions and the attempts between them.
type pairOf struct {
	t     *testing.T
	s     [2]*pairwise.Session
	epoch uint64
}

// run lets epochs pass until done.
func (p *pairOf) run(done func() bool) {
	p.t.Helper()
	const rounds, cell = 12, 512
	for range 40 {
		if done() {
			return
		}
		p.epoch++
		p.save()
		aid := suite.RandomKey()
		var m [2]*pairwise.Meeting
		for i, s := range p.s {
			var err error
			if m[i], err = s.Join(p.epoch, aid); err != nil {
				m[i] = nil
			}
		}
		if m[0] == nil || m[1] == nil {
			continue
		}
		for i, s := range p.s {
			var seen []uint32
			for _, h := range m[i].Held {
				if h.PeerTag == m[1-i].Tag {
					seen = append(seen, h.Version)
				}
			}
			s.Saw(m[i], seen)
		}
		if m[0].PeerTag != m[1].Tag || m[1].PeerTag != m[0].Tag {
			continue
		}
		first := p.epoch * rounds
		talks := [2]*pairwise.Talk{p.s[0].Begin(m[0], first, cell), p.s[1].Begin(m[1], first, cell)}
		for r := first; r < first+rounds; r++ {
			var cells [2][2][cell]byte
			for _, s := range p.s {
				s.Compose(r)
			}
			p.save()
			for i, talk := range talks {
				for twin := range 2 {
					talk.Cell(r, twin, cells[i][twin][:])
				}
			}
			for i, talk := range talks {
				for twin := range 2 {
					talk.Receive(r, twin, cells[1-i][twin][:])
				}
			}
		}
	}
	p.t.Fatal("the two did not come that far")
}

func (p *pairOf) save() {
	for _, s := range p.s {
		d, token := s.Take()
		if !d.Dirty {
			continue
		}
		s.Saved(token)
		if d.Restart {
			s.Requeue(nil)
		}
	}
}

func (p *pairOf) introduced() bool {
	return p.s[0].Phase() == pairwise.Introduced && p.s[1].Phase() == pairwise.Introduced && p.s[0].Version() > 0 && p.s[1].Version() > 0
}

// A contact that was met again from a backup is held until its words were confirmed, or
// its principal says otherwise; both reach its session, and the vault.
func TestHeld(t *testing.T) {
	p := &pairOf{t: t, epoch: 100}
	sigma := suite.RandomKey()
	p.s = [2]*pairwise.Session{pairwise.NewSession(pairwise.Inviter, sigma, 99), pairwise.NewSession(pairwise.Invitee, sigma, 99)}
	p.run(p.introduced)
	key, ok := p.s[1].RestoreKey()
	if !ok || p.s[0].Withheld() {
		t.Fatal("not introduced as two that never restored")
	}
	p.s[1] = pairwise.NewRestored(pairwise.Invitee, key)
	p.run(p.introduced)

	cfg, err := InitFolder(filepath.Join(t.TempDir(), "station"), signedNetwork(t, "one"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := CreateVault(cfg, []byte("p")); err != nil {
		t.Fatal(err)
	}
	s := running(t, cfg, "p")
	ctx := t.Context()
	state := p.stateOf(0)
	for i, name := range []string{"Borvia", "Cenia", "Aldmark"} {
		c := contact.Contact{ID: contact.ID{byte(i + 1)}, Name: name, Role: pairwise.Inviter, Created: time.Now()}
		session, err := pairwise.Load(state, nil)
		if err != nil {
			t.Fatal(err)
		}
		if name == "Aldmark" { // met nobody since its restore
			session = pairwise.NewRestored(pairwise.Inviter, key)
		}
		v, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Update(func(tx *vault.Tx) error { return tx.PutContact(c) }); err != nil {
			t.Fatal(err)
		}
		if err := s.do(ctx, func(time.Time) { s.node.Add(Loaded{Contact: c, Session: session}) }); err != nil {
			t.Fatal(err)
		}
	}
	about := func(name string) ContactInfo {
		t.Helper()
		all, err := s.Contacts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Name == name {
				return c
			}
		}
		t.Fatal("no such contact")
		return ContactInfo{}
	}
	for _, name := range []string{"Borvia", "Cenia"} {
		if c := about(name); !c.Held || !c.Restored || c.Verified {
			t.Fatalf("%+v", c)
		}
	}
	if _, err := s.Rename(ctx, "Borvia", "Borvia North"); err != nil || !about("Borvia North").Held {
		t.Errorf("another name lets what waits go out: %v", err)
	}
	if _, err := s.Confirm(ctx, "Borvia North", "one", "two", "three", "four"); err == nil || !about("Borvia North").Held {
		t.Errorf("other words let what waits go out: %v", err)
	}
	words, err := s.Words(ctx, "Borvia North")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Confirm(ctx, "Borvia North", strings.Join(words, " ")); err != nil || c.Held || !c.Verified {
		t.Errorf("confirmed: %+v, %v", c, err)
	}
	if c := about("Cenia"); !c.Held {
		t.Error("what was confirmed of one was taken for another")
	}
	if c, err := s.Deliver(ctx, "Cenia"); err != nil || c.Held || c.Verified || !c.Restored {
		t.Errorf("delivered all the same: %+v, %v", c, err)
	}
	for _, name := range []string{"Cenia", "Aldmark"} { // nothing is held; not met again
		if _, err := s.Deliver(ctx, name); codeOf(err) != CodeConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Deliver(ctx, "nobody"); codeOf(err) != CodeNotFound {
		t.Errorf("a stranger: %v", err)
	}
	// A generation that began while a person was looking is not vouched for.
	k, err := s.find(ctx, "Cenia")
	if err != nil {
		t.Fatal(err)
	}
	k.generation++
	others := fault(CodeConflict, "others")
	if _, err := s.vouch(ctx, k, others); codeOf(err) != CodeConflict {
		t.Errorf("keys that nobody looked at: %v", err)
	}
}

// stateOf is a session as a vault has it.
func (p *pairOf) stateOf(i int) []byte {
	p.t.Helper()
	p.s[i].Queue(pairwise.Item{ID: wire.ItemID{1}, Class: wire.ClassSignal, Size: 1, Read: func(uint32, []byte) int { return 0 }}, 0)
	for range 40 {
		if d, token := p.s[i].Take(); d.Dirty {
			p.s[i].Saved(token)
			return d.State
		}
		p.epoch++
		if _, err := p.s[i].Join(p.epoch, suite.RandomKey()); err != nil {
			p.t.Fatal(err)
		}
	}
	p.t.Fatal("a session has nothing to save")
	return nil
}
