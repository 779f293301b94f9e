package pairwise

import (
	"bytes"
	"slices"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// restored returns a pair that was introduced and of which side a was restored,
// both listing K_re in the next attempt.
func restored(t failer, seed uint64) *pair {
	p := newPair(t, seed)
	p.until(12, p.introduced)
	p.run(1, faults{})
	p.restore(p.a, p.backup(p.a))
	p.b.talk, p.b.next, p.b.answers = nil, nil, nil
	return p
}

// meetByRestoreKey runs to the beginning of the first epoch with circuits by K_re.
func (p *pair) meetByRestoreKey() {
	p.t.Helper()
	for range 6 * p.per {
		if p.a.talk != nil && p.b.talk != nil && p.a.talk.again && p.b.talk.again {
			return
		}
		if p.round%p.per == 0 && p.a.next != nil && p.a.next.again && p.b.next != nil && p.b.next.again {
			p.a.talk, p.b.talk, p.a.next, p.b.next = p.a.next, p.b.next, nil, nil
			return
		}
		p.step(faults{})
	}
	p.t.Fatalf("no meeting by K_re: %s; %s", p.a.describe(), p.b.describe())
}

// TestPeerAnswers follows the records: the peer lists its version, sees the tag of
// K_re and lists that in the next ones, until circuits came of it.
func TestPeerAnswers(t *testing.T) {
	p := restored(t, 90)
	for i, want := range []uint32{1, RestoreVersion, RestoreVersion} {
		a, b := p.list(t)
		if a.Version != RestoreVersion || b.Version != want {
			t.Fatalf("record %d: restored lists %d, peer %d", i, a.Version, b.Version)
		}
		if fits := a.PeerTag == b.Tag && b.PeerTag == a.Tag; fits != (want == RestoreVersion) {
			t.Fatalf("record %d: the tags fit: %v", i, fits)
		}
		if i > 0 && (a.id1 != b.id1 || a.id2 != b.id2 || a.epochKey != b.epochKey || a.id1 == a.id2) {
			t.Fatal("the two derive other circuits")
		}
		see(p.a, a, b)
		see(p.b, b, a)
	}
	a, b := p.list(t)
	p.b.s.Begin(b, 5, testCell)
	if _, b := p.list(t); b.Version != 1 {
		t.Error("after circuits the peer goes on answering a call that it does not see any more")
	}
	// Two attempts have nothing in common.
	c, _ := p.list(t)
	if a.Tag == c.Tag || a.S == c.S || a.PeerTag == c.PeerTag || a.id1 == c.id1 || a.epochKey == c.epochKey || a.sigma == c.sigma {
		t.Error("two meetings by K_re repeat something")
	}
}

// TestSawRestore has K_re count as the lowest of all versions.
func TestSawRestore(t *testing.T) {
	for _, c := range []struct {
		listed uint32
		seen   []uint32
		want   loweredTo
	}{
		{1, []uint32{RestoreVersion}, loweredTo{true, RestoreVersion}},
		{2, []uint32{1, RestoreVersion}, loweredTo{true, RestoreVersion}},
		{2, []uint32{2, RestoreVersion}, loweredTo{}},
		{RestoreVersion, []uint32{1}, loweredTo{true, RestoreVersion}},
		{RestoreVersion, []uint32{RestoreVersion}, loweredTo{}},
		{RestoreVersion, nil, loweredTo{}},
		{2, []uint32{1}, loweredTo{true, 1}},
	} {
		m := &Meeting{Version: c.listed}
		s := &Session{last: m}
		s.Saw(m, c.seen)
		if s.lowered != c.want {
			t.Errorf("listed %d, seen %v: %+v", c.listed, c.seen, s.lowered)
		}
	}
}

// TestWhatBeginsAGeneration: a meeting, padding and garbage do not; the first data
// frame does, on the peer's side. The restored side begins with its first cell.
func TestWhatBeginsAGeneration(t *testing.T) {
	p := restored(t, 91)
	p.meetByRestoreKey()
	versions := slices.Clone(p.b.s.versions)
	same := func(what string) {
		t.Helper()
		if p.b.s.generation != 1 || p.b.s.restored || !slices.Equal(p.b.s.versions, versions) || p.b.s.Phase() != Introduced {
			t.Fatalf("%s begins a generation", what)
		}
	}
	same("a meeting")
	if p.a.s.generation != 1 {
		t.Fatal("the restored side begins before the circuits are used")
	}
	cell := make([]byte, testCell)
	p.b.talk.Cell(p.round, 0, cell)
	same("a cell of one's own")
	key := func() Key { k, _ := p.a.talk.send[0].take(p.round); return k }
	seal := func(f wire.CellFrame) []byte {
		plain := make([]byte, testCell-suite.AEADOverhead)
		f.Encode(plain)
		k := key()
		p.round++
		return suite.SealOnce(&k, nil, plain)
	}
	r := p.round
	if p.b.talk.Receive(r, 0, make([]byte, testCell)) {
		t.Fatal("garbage opens")
	}
	same("garbage")
	p.round = r + 1
	for _, f := range []wire.CellFrame{{Kind: wire.FramePadding}, {Kind: wire.FramePadding, Ack: 77, Bitmap: 5}} {
		r := p.round
		if !p.b.talk.Receive(r, 0, seal(f)) {
			t.Fatal("padding does not open")
		}
		same("padding")
	}
	if p.b.s.Trouble() != nil {
		t.Error("frames of no stream are trouble")
	}
	r = p.round
	p.b.talk.Receive(r, 0, seal(wire.CellFrame{Kind: wire.FrameData, Seq: 3, Payload: []byte{1}}))
	if p.b.s.generation != 2 || !p.b.s.restored || p.b.s.Phase() != Introducing || len(p.b.s.incoming.ahead) != 1 || p.b.s.intro.stage != stageInvited {
		t.Fatalf("data begins none: %s", p.b.describe())
	}
	if _, ok := p.b.s.RestoreKey(); !ok {
		t.Error("no K_re for a backup in the middle of a restore")
	}
	if _, ok := p.b.s.Words(); ok {
		t.Error("the words of before are still shown")
	}
	p.a.talk.Cell(p.round, 0, cell)
	if p.a.s.generation != 2 || p.a.s.intro.stage != stageCommitted || p.a.s.Phase() != Restoring {
		t.Fatalf("the restored side: %s", p.a.describe())
	}
}

// TestLateMeetingByRestoreKey: the record of the next epoch was decided before the
// two had met. Circuits by K_re that come of it end nothing; they carry padding.
func TestLateMeetingByRestoreKey(t *testing.T) {
	p := restored(t, 92)
	p.meetByRestoreKey()
	a, b := p.list(t) // both list K_re once more
	if a.Version != RestoreVersion {
		t.Fatal("not what was wanted")
	}
	for range 2 * p.per {
		p.oneRound(faults{})
	}
	if p.a.s.calling || p.a.s.Phase() != Introduced || p.b.s.Phase() != Introduced {
		t.Fatalf("not introduced: %s; %s", p.a.describe(), p.b.describe())
	}
	b.Version, b.sigma, b.PeerTag = RestoreVersion, a.sigma, a.Tag // as if it had answered again
	b.epochKey, b.unused = a.epochKey, true
	p.a.talk, p.b.talk = p.a.s.Begin(a, p.round, testCell), p.b.s.Begin(b, p.round, testCell)
	p.accept(p.a, wire.ClassSignal, 10)
	p.a.opened = 0
	before := [2]uint64{p.a.s.generation, p.b.s.generation}
	for range p.per {
		p.oneRound(faults{})
	}
	if before != [2]uint64{p.a.s.generation, p.b.s.generation} || p.a.s.Phase() != Introduced {
		t.Fatalf("a late meeting began another generation: %s; %s", p.a.describe(), p.b.describe())
	}
	if p.a.opened == 0 {
		t.Error("no cell of the late meeting opens")
	}
}

// TestOldTalks: circuits of the time before the restore go on for a while. What
// they bring has no effect, and what goes out on them says nothing.
func TestOldTalks(t *testing.T) {
	p := newPair(t, 93)
	p.until(12, p.introduced)
	p.run(2, faults{})
	old, peer := p.b.talk, p.a.talk
	p.accept(p.b, wire.ClassLetter, 5000)
	for range 3 {
		p.oneRound(faults{})
	}
	p.restore(p.a, p.backup(p.a))
	sigma := Key{3}
	p.b.s.restart(&sigma, p.epoch, Invitee)
	state := p.b.s.encode()
	r := p.round + 5
	cell := make([]byte, testCell)
	peer.Cell(r, 0, cell)
	if !old.Receive(r, 0, cell) {
		t.Fatal("the cell does not open")
	}
	if !bytes.Equal(state, p.b.s.encode()) {
		t.Error("a cell of old circuits changed the new generation")
	}
	p.b.s.Compose(r + 1)
	probe := old.send[1]
	key, _ := probe.take(r + 1)
	old.Cell(r+1, 1, cell)
	plain, err := suite.OpenOnce(&key, nil, cell)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := wire.ParseCellFrame(plain); err != nil || f.Kind != wire.FramePadding || f.Ack != 0 || f.Bitmap != 0 {
		t.Errorf("old circuits carry %+v, %v", f, err)
	}
	// Meetings and steps of before do nothing either.
	steps := &Steps{s: p.b.s, of: 1, to: 1 << 20, versions: []version{{number: 0, epoch: 1 << 19}}}
	steps.Adopt()
	if p.b.s.versions[0].epoch != p.epoch {
		t.Error("chains of before took the place of new ones")
	}
}

// TestCommitAcrossARestart has a generation begin while a commit is under way. The
// commit says nothing about the new stream, whether it succeeds or not, and what
// it was to keep of the old one is kept.
func TestCommitAcrossARestart(t *testing.T) {
	for _, fails := range []bool{false, true} {
		p := talking(t, 94)
		s := p.b.s
		s.book.pending.Records = append(s.book.pending.Records, wire.Record{Class: wire.ClassSignal, Item: wire.ItemID{1}, Last: true})
		s.book.pending.Delivered = append(s.book.pending.Delivered, wire.ItemID{2})
		s.book.pending.DropFrames = append(s.book.pending.DropFrames, 7)
		s.progress(wire.ItemID{3}, 100)
		s.touch()
		d, token := s.Take()
		if !d.Dirty || d.Restart {
			t.Fatal("not what was wanted")
		}
		sigma := Key{3}
		s.restart(&sigma, p.epoch, Inviter)
		if again, _ := s.Take(); again.Dirty {
			t.Fatal("two commits at a time")
		}
		if fails {
			s.Failed(token)
		} else {
			s.Saved(token)
		}
		if s.book.durable != (facts{}) {
			t.Fatalf("fails %v: an old commit makes the new stream durable: %+v", fails, s.book.durable)
		}
		if _, err := s.Join(p.epoch+5, wire.Hash{9}); err == nil {
			t.Errorf("fails %v: the new version is listed before it is durable", fails)
		}
		d, token = s.Take()
		if !d.Dirty || !d.Restart || len(d.DropFrames) != 0 || len(d.Progress) != 0 {
			t.Errorf("fails %v: %+v", fails, d)
		}
		if kept := len(d.Records) == 1 && len(d.Delivered) == 1; kept != fails {
			t.Errorf("fails %v: records %d, delivered %d", fails, len(d.Records), len(d.Delivered))
		}
		s.Failed(token) // and once more
		if d, token = s.Take(); !d.Restart || len(d.Records) == 1 != fails {
			t.Errorf("fails %v: after another failure %+v", fails, d)
		}
		s.Saved(token)
		if d, _ := s.Take(); d.Dirty || !s.book.durable.saved {
			t.Error("a restart is told twice")
		}
		if m, err := s.Join(p.epoch+5, wire.Hash{9}); err != nil || m.Version != 0 {
			t.Errorf("fails %v: %v", fails, err)
		}
	}
}

// TestRequeue puts what the vault has in front of what was accepted since.
func TestRequeue(t *testing.T) {
	s := NewRestored(Inviter, Key{1})
	it := func(n byte, c wire.Class) Item {
		return Item{ID: wire.ItemID{n}, Class: c, Size: 1, Read: func(uint32, []byte) int { return 0 }}
	}
	s.Queue(it(3, wire.ClassLetter), 0)
	s.Queue(it(4, wire.ClassLetter), 0)
	s.Queue(it(5, wire.ClassSignal), 0)
	s.Requeue([]Item{it(1, wire.ClassLetter), it(2, wire.ClassSignal), it(3, wire.ClassLetter)})
	ids := func(c wire.Class) (out []byte) {
		for _, q := range s.sending.queues[c] {
			out = append(out, q.ID[0])
		}
		return out
	}
	if got := ids(wire.ClassLetter); !slices.Equal(got, []byte{1, 3, 4}) {
		t.Errorf("letters %v", got)
	}
	if got := ids(wire.ClassSignal); !slices.Equal(got, []byte{2, 5}) {
		t.Errorf("signals %v", got)
	}
}

// TestOnlyTheIntroductionUnderRestoreKeys reads every cell under keys that K_re
// alone gives, as whoever learns it later can: not a byte of an item is in one.
func TestOnlyTheIntroductionUnderRestoreKeys(t *testing.T) {
	p := restored(t, 95)
	mark := []byte("a text that nobody else may read")
	for _, d := range p.sides() {
		o := p.accept(d, wire.ClassSignal, 3000)
		copy(o.content, bytes.Repeat(mark, 100))
	}
	weak, strong := 0, 0
	for range 12 * p.per {
		p.step(faults{})
		for _, d := range p.sides() {
			for _, w := range d.answers {
				probe := *w.talk
				key, ok := probe.receive[w.twin].take(w.round)
				if !ok {
					continue
				}
				plain, err := suite.OpenOnce(&key, nil, w.cell)
				if err != nil || !bytes.Contains(plain, mark) {
					continue
				}
				if w.talk.version == 0 {
					weak++
				} else {
					strong++
				}
			}
		}
	}
	if weak > 0 || strong == 0 {
		t.Errorf("%d cells with content under keys of K_re, %d under others", weak, strong)
	}
}

// TestRestoredRefuses gives sessions in the stages of a restore messages that must
// not be.
func TestRestoredRefuses(t *testing.T) {
	begin := func(role, part Role) *Session {
		s := NewRestored(role, Key{1})
		s.calling = part == Inviter
		sigma := Key{2}
		s.restart(&sigma, 10, part)
		s.phase = Introducing
		return s
	}
	pk := privateKey(Key{5}).Public().Bytes()
	enc := make([]byte, suite.KEMEncapsulationSize)
	commit := message{kind: kindCommit, hash: Key{7}}
	for _, c := range []struct {
		name  string
		s     *Session
		m     message
		ok    bool
		stage stage
	}{
		{"both were restored, the inviter hears the invitee's commitment", begin(Inviter, Inviter), commit, true, stageCommitted},
		{"both were restored, the invitee hears the inviter's commitment", begin(Invitee, Inviter), commit, true, stageKeyed},
		{"the inviter answers a restored invitee", begin(Inviter, Invitee), commit, true, stageKeyed},
		{"the invitee answers a restored inviter", begin(Invitee, Invitee), commit, true, stageKeyed},
		{"a key to who waits for a commitment", begin(Inviter, Invitee), message{kind: kindKey, pk: pk}, false, stageInvited},
		{"an opening to who committed", begin(Invitee, Inviter), message{kind: kindOpen, pk: pk, enc: enc}, false, stageCommitted},
		{"an answer to who committed", begin(Inviter, Inviter), message{kind: kindAccept, epoch: 12, enc: enc}, false, stageCommitted},
		{"a confirmation out of nothing", begin(Inviter, Invitee), message{kind: kindConfirm}, false, stageInvited},
		{"a healing in the middle", begin(Invitee, Inviter), message{kind: kindHealKey, version: 1, pk: pk}, false, stageCommitted},
		{"a key that is none", begin(Inviter, Inviter), message{kind: kindKey, pk: slices.Repeat([]byte{0xff}, len(pk))}, true, stageDone},
	} {
		c.s.control(wire.Record{Class: wire.ClassControl, Last: true, Item: c.m.item(), Data: c.m.append(nil)})
		if (c.s.Trouble() == nil) != c.ok || c.s.intro.stage != c.stage {
			t.Errorf("%s: %v, stage %d", c.name, c.s.Trouble(), c.s.intro.stage)
		}
		if _, err := Load(c.s.encode(), nil); err != nil {
			t.Errorf("%s: the state does not load", c.name)
		}
		if c.stage == stageDone {
			if k, ok := c.s.RestoreKey(); ok || k != (Key{}) || c.s.calling || c.s.Phase() != Refused {
				t.Errorf("%s: not refused for good", c.name)
			}
			if _, err := c.s.Join(20, wire.Hash{1}); err == nil && c.s.keyed() {
				t.Errorf("%s: calls on", c.name)
			}
		}
	}
	lost := NewLost(Inviter)
	if _, err := lost.Join(20, wire.Hash{1}); err == nil || lost.Phase() != Lost {
		t.Error("a contact without K_re is looked for")
	}
	if _, ok := lost.RestoreKey(); ok {
		t.Error("a contact without K_re has one")
	}
	if s, err := Load(lost.encode(), nil); err != nil || s.Phase() != Lost || !s.Restored() {
		t.Errorf("a lost contact does not load: %v", err)
	}
}

// TestOldStationStillThere: as long as the station that was backed up takes part,
// its peer goes on with it and answers nobody who calls by K_re.
func TestOldStationStillThere(t *testing.T) {
	p := newPair(t, 96)
	p.until(12, p.introduced)
	p.run(1, faults{})
	key, _ := p.a.s.RestoreKey()
	second := NewRestored(p.a.role, key)
	for i := range 3 {
		a, b := p.list(t)
		c, err := second.Join(p.epoch+1, suite.Digest([]byte{byte(p.aids), byte(p.aids >> 8), 'x'}))
		if err != nil {
			t.Fatal(err)
		}
		list := []wire.Tag{a.Tag, b.Tag, c.Tag}
		for s, m := range map[*Session]*Meeting{p.a.s: a, p.b.s: b, second: c} {
			var seen []uint32
			for _, h := range m.Held {
				if slices.Contains(list, h.PeerTag) {
					seen = append(seen, h.Version)
				}
			}
			s.Saw(m, seen)
		}
		if a.Version != 1 || b.Version != 1 || a.Tag != b.PeerTag || c.Version != RestoreVersion {
			t.Fatalf("record %d: old lists %d, peer %d, restored %d", i, a.Version, b.Version, c.Version)
		}
	}
}
