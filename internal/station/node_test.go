package station

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// bench is a Node with an Env that does everything at once and notes what leaves.
type bench struct {
	*Node
	now  time.Time
	sent []sent
}

type sent struct {
	at    time.Time
	frame []byte
}

func (b *bench) Send(p link.Peer, f []byte) { b.SendAt(b.now, p, f) }
func (b *bench) SendAt(t time.Time, _ link.Peer, f []byte) {
	b.sent = append(b.sent, sent{t, slices.Clone(f)})
}
func (b *bench) WakeAt(time.Time) {}
func (b *bench) Dial(link.Target) {}
func (b *bench) Drop(link.Peer)   {}
func (b *bench) Go(_ link.Lane, work func(), done func(time.Time)) {
	work()
	done(b.now)
}

func newBench(t *testing.T, account byte) *bench {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.UnixMilli(1_800_000_000_000).UTC()
	b := &bench{now: p.T0.Add(time.Millisecond)}
	b.Node = NewNode(NodeConfig{Params: p, Mark: &mark.Memory{}, Account: [32]byte{6: account, 7: account}})
	b.Start(b.now, b)
	return b
}

func TestAgendaRunsInOrder(t *testing.T) {
	var a agenda
	var got []int
	at := time.Unix(100, 0)
	note := func(i int) func(time.Time) { return func(time.Time) { got = append(got, i) } }
	a.at(at.Add(2), note(3))
	a.at(at, note(1))
	a.at(at, note(2))
	a.at(at.Add(time.Hour), note(4))
	a.at(at.Add(1), func(now time.Time) { a.at(now, func(time.Time) { got = append(got, 9) }) }) // asks again while it runs
	a.run(at.Add(2))
	if want := []int{1, 2, 3, 9}; !slices.Equal(got, want) {
		t.Errorf("ran %v, want %v", got, want)
	}
}

// Reconnects come at fixed times: one period apart, after now, shifted by the
// account and by nothing else.
func TestReconnectsKeepToTheSchedule(t *testing.T) {
	a, same, other := newBench(t, 1), newBench(t, 1), newBench(t, 2)
	period := redialRounds * a.p.Round
	for _, after := range []time.Duration{-time.Hour, 0, 1, period / 2, period, 1000*period + 3} {
		now := a.p.T0.Add(after)
		at := a.redialAt(now)
		if !at.After(now) || at.After(now.Add(period)) {
			t.Errorf("%v after t0 the next reconnect is in %v", after, at.Sub(now))
		}
		if !at.Equal(same.redialAt(now)) {
			t.Error("two stations of one account differ")
		}
		if at.Equal(other.redialAt(now)) {
			t.Error("two accounts reconnect at the same time")
		}
		if next := a.redialAt(at); next.Sub(at) != period {
			t.Errorf("reconnects are %v apart", next.Sub(at))
		}
	}
}

// A connection that breaks and comes back takes over what has not left yet at its
// own time, repeats what was not accepted, and nothing of what was.
func TestResendRepeatsTheSameBytes(t *testing.T) {
	b := newBench(t, 1)
	a := &attempt{id: wire.Attempt{Epoch: 1}, joinFrame: []byte{byte(wire.TypeJoin), 1}, ackFrame: []byte{byte(wire.TypeAck), 2},
		onionFrames: [][]byte{{byte(wire.TypeOnion), 0}, {byte(wire.TypeOnion), 1}}, onionAccepted: []bool{true, false}}
	b.attempt = a
	peer := link.Peer{Role: link.RoleEntry, Conn: 7}
	b.now = b.p.JoinTime(a.id).Add(-time.Millisecond)
	b.Connected(b.now, peer)
	var join []time.Time
	for _, s := range b.sent {
		if wire.TypeOf(s.frame) == wire.TypeJoin {
			join = append(join, s.at)
		}
	}
	if len(join) != 1 || join[0] != b.p.JoinTime(a.id) {
		t.Errorf("before its time the record was handed over for %v", join)
	}
	a.joinAccepted = true
	b.sent = nil
	b.now = b.p.OnionTime(a.id, 1).Add(time.Millisecond)
	b.Connected(b.now, link.Peer{Role: link.RoleEntry, Conn: 8})
	for _, s := range b.sent {
		switch {
		case wire.TypeOf(s.frame) == wire.TypeJoin:
			t.Error("an accepted record was repeated")
		case wire.TypeOf(s.frame) == wire.TypeOnion && s.frame[1] != 1:
			t.Error("an accepted onion was repeated")
		case wire.TypeOf(s.frame) == wire.TypeAck && s.at != b.p.AckTime(a.id):
			t.Errorf("the acknowledgement was handed over for %v", s.at)
		}
	}
}

func openVault(t *testing.T, b *bench) *vault.Vault {
	t.Helper()
	v, err := vault.CreateWith(filepath.Join(t.TempDir(), "v"), []byte("p"), vault.Options{KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}, SyncOff: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	b.Unlock(v, contact.NewLanes(b.p.Lanes), nil)
	return v
}

// know adds a contact to vault and node.
func know(t *testing.T, b *bench, v *vault.Vault, id contact.ID, invitation string) *pairwise.Session {
	t.Helper()
	c := contact.Contact{ID: id, Role: pairwise.Inviter, Created: b.now, Invitation: invitation}
	s := pairwise.NewSession(pairwise.Inviter, suite.RandomKey(), 0)
	d, token := s.Take()
	if err := v.Update(func(tx *vault.Tx) error { return errors.Join(tx.PutContact(c), tx.SaveSession(id, d)) }); err != nil {
		t.Fatal(err)
	}
	s.Saved(token)
	b.Add(Loaded{Contact: c, Session: s})
	return s
}

// A contact that is deleted while its session still changes is dropped with the
// next commit and comes back neither in the vault nor in the node; the others'
// commit does not suffer.
func TestADeletedContactStaysDeleted(t *testing.T) {
	b := newBench(t, 1)
	v := openVault(t, b)
	gone, stays := contact.ID{1}, contact.ID{2}
	g, s := know(t, b, v, gone, "backchannel:text"), know(t, b, v, stays, "")
	for _, session := range []*pairwise.Session{g, s} {
		if _, err := session.Join(3, wire.Hash{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Update(func(tx *vault.Tx) error { return tx.DeleteContact(gone) }); err != nil {
		t.Fatal(err)
	}
	ok := false
	b.save(func(saved bool) { ok = saved })
	if !ok || b.failed != nil {
		t.Errorf("the commit failed: %v", b.failed)
	}
	if b.talks[gone] != nil || b.talks[stays] == nil {
		t.Error("the wrong contact is left")
	}
	_, all, damaged, err := LoadVault(v, b.p.Lanes)
	if err != nil || damaged != 0 || len(all) != 1 {
		t.Errorf("the vault holds %d contacts, %d damaged, %v", len(all), damaged, err)
	}
}

// One contact whose keys cannot be read does not keep the others from being met.
func TestADamagedContactIsSetAside(t *testing.T) {
	b := newBench(t, 1)
	v := openVault(t, b)
	know(t, b, v, contact.ID{1}, "")
	if err := v.Update(func(tx *vault.Tx) error {
		return errors.Join(tx.PutContact(contact.Contact{ID: contact.ID{2}, Role: pairwise.Invitee, Created: b.now}),
			tx.SaveSession(contact.ID{2}, pairwise.Delta{Dirty: true, State: []byte("damaged")}))
	}); err != nil {
		t.Fatal(err)
	}
	_, all, damaged, err := LoadVault(v, b.p.Lanes)
	if err != nil || damaged != 1 || len(all) != 1 {
		t.Errorf("loaded %d contacts, %d damaged, %v", len(all), damaged, err)
	}
}

// A watcher that does not read loses the oldest events and never holds anything up.
func TestWatchersNeverBlock(t *testing.T) {
	b := newBench(t, 1)
	w := b.Watch()
	for i := range 2000 {
		b.notify(Event{Kind: EventEpoch, Epoch: uint64(i)})
	}
	b.Unwatch(w)
	b.Unwatch(w)
	last := Event{}
	for e := range w.C {
		last = e
	}
	if last.Epoch != 1999 {
		t.Errorf("the newest event is of epoch %d", last.Epoch)
	}
}

// What of the traffic was one's own is shown while the vault is open. A locked
// station forgets it, and keeps what an observer has anyway.
func TestLockForgetsWhatWasOwn(t *testing.T) {
	b := newBench(t, 1)
	round, ok := b.p.RoundAt(b.now)
	if !ok {
		t.Fatal("the schedule has not begun")
	}
	b.stats.sent(b.now, round, 4096)
	b.notify(Event{Time: b.now, Kind: EventSending, Item: wire.ItemID{1}, Bytes: 300})
	later := b.now.Add(b.p.Round)
	if ticks := b.Traffic(later, 1); len(ticks) != 1 || ticks[0].Own != 300 {
		t.Fatalf("before: %+v", ticks)
	}
	locked := false
	b.Lock(func() { locked = true })
	if ticks := b.Traffic(later, 1); !locked || len(ticks) != 1 || ticks[0].Own != 0 || ticks[0].Sent != 4096 {
		t.Errorf("locked %v: %+v", locked, ticks)
	}
	b.notify(Event{Time: b.now, Kind: EventSending, Item: wire.ItemID{1}, Bytes: 400})
	if ticks := b.Traffic(later, 1); ticks[0].Own > 400 {
		t.Errorf("the progress of before was kept: %+v", ticks)
	}
}
