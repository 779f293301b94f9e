package lab

import (
	"backchannel/internal/mix"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// keyEquivocation: the last relay signs other KEYS for one station. Behind the
// honest relay it then tries that station's private key on every onion: those
// that open are the station's circuits.
func keyEquivocation() (Outcome, error) {
	t, err := newTable(3, 1, 3)
	if err != nil {
		return Outcome{}, err
	}
	other, err := t.newRelay(2)
	if err != nil {
		return Outcome{}, err
	}
	// The adversary holds both private halves; it kept the seed of the second.
	seed := suite.RandomKey()
	sk, err := suite.NewPrivateKey(seed)
	if err != nil {
		return Outcome{}, err
	}
	k := other.OwnKeys()
	k.Outer = sk.Public().Bytes()
	k.Sign(t.net, t.signers[2])
	victim := t.stations[1]
	if err := t.giveKeys(func(station int) []wire.Keys {
		if station == 1 {
			return []wire.Keys{t.keys[0], t.keys[1], k}
		}
		return t.keys
	}); err != nil {
		return Outcome{}, err
	}
	if err := t.join(); err != nil {
		return Outcome{}, err
	}
	if err := t.rosters(); err != nil {
		return Outcome{}, err
	}
	if !victim.gate.Rostered() {
		return held("the station with the other KEYS refused the header and sent no onion")
	}
	for _, s := range t.stations {
		if err := t.build(s); err != nil {
			return Outcome{}, err
		}
	}
	batch := t.batch()
	for i := range 2 {
		if batch, _, err = mix.OpenBatch(t.p, i, t.relays[i].Outer(), t.header, batch, 2); err != nil {
			return Outcome{}, err
		}
	}
	size, opened := t.p.OnionSize(2), 0
	for off := 0; off < len(batch); off += size {
		if _, _, err := sk.Open(suite.LabelOuter, batch[off:off+size], t.header[:], []byte{2}); err == nil {
			opened++
		}
	}
	if opened != t.p.Circuits() {
		return held("%d of %d onions opened with the second key", opened, len(batch)/size)
	}
	return broken("behind the honest relay, exactly the victim's %d onions opened with its key", opened)
}

// garbleAndRepair: the last relay garbles the receipt of one slot of the honest
// first relay's output and sees whose acknowledgement fails; then the entry
// repairs the array. If the attempt goes on, the slot has an owner's name.
func garbleAndRepair() (Outcome, error) {
	t, err := newTable(2, 1, 3)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.upTo(); err != nil {
		return Outcome{}, err
	}
	if err := t.mixAll(t.batch()); err != nil {
		return Outcome{}, err
	}
	array, err := t.receipts(func(i int, array []byte) {
		if i == 1 {
			array[0] ^= 1 // slot 0 behind the honest relay
		}
	})
	if err != nil {
		return Outcome{}, err
	}
	t.hand(array)
	var owner *player
	for _, s := range t.stations {
		if _, ok := s.gate.Ack(); !ok {
			owner = s
		}
	}
	if owner == nil {
		return held("garbling a receipt kept nobody from acknowledging")
	}
	// The layers over a receipt are key streams, so the entry can take its change
	// back without any key. It does not know in which circuit of the owner's.
	one := t.p.ReceiptSize(0)
	for c := range t.p.Circuits() {
		repaired := append([]byte(nil), array...)
		repaired[(t.place(owner)*t.p.Circuits()+c)*one] ^= 1
		t.hand(repaired)
	}
	acks, missing := t.acks()
	if missing > 0 {
		return held("the garbled station never acknowledged, whatever came later")
	}
	ok, err := t.reveal(acks)
	if err != nil || !ok {
		return Outcome{Saw: "the relays did not reveal"}, err
	}
	return broken("slot 0 behind the honest relay belongs to station %d of the roster, and the attempt was revealed", t.place(owner)+1)
}

// danglingVersion: the last message of a healing exchange was lost, so that one
// side lists version v+1 and the other v. If either would talk on a version that
// its own record does not list, its twins' ids stand alone at the last relay.
func danglingVersion() (Outcome, error) {
	t, err := newTable(2, 1, 3)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.giveKeys(nil); err != nil {
		return Outcome{}, err
	}
	ahead, behind := t.stations[0], t.stations[1]
	aid := ahead.gate.AID()
	// Both hold v; only one holds v+1 and lists it. These are their tags for v.
	mineForV := wire.TagOf(aid, suite.RandomKey())
	if err := t.join(); err != nil {
		return Outcome{}, err
	}
	theirsForV := wire.TagOf(aid, behind.lanes[0].s)
	if err := t.rosters(); err != nil {
		return Outcome{}, err
	}
	decide := func(s *player, mine, peer wire.Tag, twins [2]wire.TwinID) {
		if s.gate.Talks(mine, peer) {
			s.lanes[0].id1, s.lanes[0].id2 = twins[0], twins[1]
		}
	}
	var twins [2]wire.TwinID
	suite.Random(twins[0][:])
	suite.Random(twins[1][:])
	decide(ahead, mineForV, theirsForV, twins)
	decide(behind, theirsForV, mineForV, twins)
	orphans := 0
	for _, n := range t.ids() {
		if n == 1 {
			orphans++
		}
	}
	if orphans == 0 {
		return held("every id has two circuits; both lanes idle")
	}
	return broken("%d ids have a single circuit: a conversation that healed badly shows", orphans)
}

// ids counts, as the last relay does after REVEAL, how many circuits have an id.
func (t *table) ids() map[wire.TwinID]int {
	n := map[wire.TwinID]int{}
	for _, s := range t.stations {
		for _, l := range s.lanes {
			n[l.id1]++
			n[l.id2]++
		}
	}
	return n
}

// repeatedTag: an invitation is redeemed by two stations. Both list the same tag;
// whoever talks all the same makes ids with three circuits.
func repeatedTag() (Outcome, error) {
	t, err := newTable(2, 1, 3)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.giveKeys(nil); err != nil {
		return Outcome{}, err
	}
	sigma := suite.RandomKey()
	meetings := make([]*pairwise.Meeting, 3)
	for i, role := range []pairwise.Role{pairwise.Inviter, pairwise.Invitee, pairwise.Invitee} {
		s := pairwise.NewSession(role, sigma, 0)
		_, token := s.Take()
		s.Saved(token)
		if meetings[i], err = s.Join(t.at.Epoch, t.stations[i].gate.AID()); err != nil {
			return Outcome{}, err
		}
		t.stations[i].lanes[0].s = meetings[i].S
	}
	if err := t.join(); err != nil {
		return Outcome{}, err
	}
	if err := t.rosters(); err != nil {
		return Outcome{}, err
	}
	for i, s := range t.stations {
		if s.gate.Talks(meetings[i].Tag, meetings[i].PeerTag) {
			s.lanes[0].id1, s.lanes[0].id2 = meetings[i].Twins()
		}
	}
	for _, n := range t.ids() {
		if n > 2 {
			return broken("an id has %d circuits: three stations share one invitation", n)
		}
	}
	return held("a tag stood in the list twice, so nobody talked")
}

// targetedDrop: the entry loses one station's acknowledgement (or its onions) and
// has the attempt go on: each time, the anonymity set shrinks by its choice.
func targetedDrop() (Outcome, error) {
	t, err := newTable(2, 1, 3)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.upTo(); err != nil {
		return Outcome{}, err
	}
	// The adversary replaces the onions of all stations but the victim.
	batch := t.batch()
	size := t.p.Circuits() * t.p.OnionSize(0)
	victim := t.place(t.stations[0])
	for k := range t.stations {
		if k != victim {
			suite.Random(batch[k*size : (k+1)*size])
		}
	}
	if err := t.mixAll(batch); err != nil {
		return Outcome{}, err
	}
	array, err := t.receipts(nil)
	if err != nil {
		return Outcome{}, err
	}
	t.hand(array)
	acks, missing := t.acks()
	ok, err := t.reveal(acks)
	if err != nil {
		return Outcome{}, err
	}
	if !ok {
		return held("%d acknowledgements were missing and nothing was revealed", missing)
	}
	return broken("the attempt was revealed with %d acknowledgements missing: the victim is alone in the mix", missing)
}

// tagSplicing: the entry suppresses a station's acknowledgement and looks for
// another preimage whose tag is taken for the station's; and it submits an onion
// that begins like an honest one, so that the honest one is dropped as a copy.
func tagSplicing() (Outcome, error) {
	t, err := newTable(1, 1, 2)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.upTo(); err != nil {
		return Outcome{}, err
	}
	batch := t.batch()
	size := t.p.OnionSize(0)
	forged := make([]byte, size)
	suite.Random(forged)
	copy(forged, batch[size*2:size*2+8])
	copy(batch, forged) // the adversary's station stands first in the roster
	first, second := t.stations[0], t.stations[1]
	if t.place(first) != 0 {
		first, second = second, first
	}
	if err := t.mixAll(batch); err != nil {
		return Outcome{}, err
	}
	array, err := t.receipts(nil)
	if err != nil {
		return Outcome{}, err
	}
	t.hand(array)
	if _, ok := second.gate.Ack(); !ok {
		return broken("an honest onion was dropped as the copy of one that only begins like it")
	}
	// Splicing: 2^18 guesses find a preimage for 16 bits of a tag, not for 128.
	acks, _ := t.acks()
	aid := first.gate.AID()
	own := wire.TagOf(aid, first.lanes[0].s)
	for range 1 << 18 {
		guess := suite.RandomKey()
		if tag := wire.TagOf(aid, guess); tag[0] == own[0] && tag[1] == own[1] {
			copy(acks[t.place(first)*t.p.AckSize():], guess[:])
			break
		}
	}
	ok, err := t.reveal(acks)
	if err != nil {
		return Outcome{}, err
	}
	if ok {
		return broken("the relays took a spliced preimage for the station's acknowledgement")
	}
	return held("the honest onion stayed, and no spliced preimage was taken")
}
