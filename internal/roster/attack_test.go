package roster

import (
	"bytes"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// attacks are what an adversary tries against the rules that this package
// enforces, by row of the table "Rules with a named attack each". Each reports
// whether it got what it wanted. TestRules wants none to succeed;
// weakened_test.go breaks each rule and wants its attack to succeed.
var attacks = []struct {
	rule string
	try  func(t *testing.T) bool
}{
	{"UnboundKeys", equivocateKeys},
	{"RepairedReceipts", replaceReceipts},
	{"DanglingVersion", dangle},
	{"SecondRecord", joinTwice},
	{"SecondBatch", mixTwice},
	{"RepeatedTag", redeemTwice},
	{"RevealWithoutAck", dropOne},
	{"LooseTags", spliceTag},
}

func TestRules(t *testing.T) {
	for _, a := range attacks {
		if a.try(t) {
			t.Errorf("the attack on rule %s succeeds", a.rule)
		}
	}
}

// equivocateKeys: relay 2 signs other KEYS for station 2 than for everybody else.
// It succeeds if station 2 is rostered all the same: relay 2 then tells its onions
// by the key that opens them.
func equivocateKeys(t *testing.T) bool {
	w := newNetwork(t, 2, 1)
	w.exchangeKeys(t)
	cfg := w.config(1)
	cfg.OuterSeed = seedOf('e', 1)
	second, err := NewRelay(cfg)
	if err != nil {
		t.Fatal(err)
	}
	victim := NewStation(w.params, w.net, w.verify, w.attempt)
	for _, k := range []wire.Keys{w.relays[0].OwnKeys(), second.OwnKeys()} {
		if _, err := victim.Keys(k); err != nil {
			t.Fatal(err)
		}
	}
	w.stations = append(w.stations, victim)
	w.join(t)
	w.signHeaders(t)
	if err := victim.Records(w.list); err != nil {
		t.Fatal(err)
	}
	for _, h := range w.headers {
		_ = victim.Header(h) // refused if the rule holds
	}
	return victim.Rostered()
}

// replaceReceipts: a wrong array, then, when the adversary saw enough, the right one.
func replaceReceipts(t *testing.T) bool {
	w := stationUntil(t, stationReceipts)
	s := w.stations[0]
	s.Receipts(make([]byte, len(w.receiptsOf(0))))
	s.Receipts(w.receiptsOf(0))
	_, ok := s.Ack()
	return ok
}

// dangle: the peer lists its tag for a version that this station holds but did not
// list. Talking on it leaves ids of one circuit each, for the peer does not talk.
func dangle(t *testing.T) bool {
	w := newNetwork(t, 1, 2)
	w.exchangeKeys(t)
	w.join(t)
	w.roster(t)
	peer, _ := w.lanes(w.stations[0].AID(), 1)
	unlisted := wire.TagOf(w.stations[0].AID(), [32]byte{77})
	return w.stations[0].Talks(unlisted, peer[0])
}

// joinTwice: a station that is made to join again for the same attempt lists other
// random tags for its idle lanes.
func joinTwice(t *testing.T) bool {
	w := newNetwork(t, 1, 1)
	w.exchangeKeys(t)
	s := w.stations[0]
	first := s.Join(w.lanes(s.AID(), 0))
	return !bytes.Equal(first, s.Join(w.lanes(s.AID(), 1)))
}

// mixTwice: a second batch under the same outer key.
func mixTwice(t *testing.T) bool {
	r := until(t, relayBatch).relays[0]
	if err := r.Mixed(); err != nil {
		t.Fatal(err)
	}
	return r.Outer().Valid() && r.Mixed() == nil
}

// redeemTwice: an invitation was redeemed by two stations, so the peer's tag
// stands in the list twice; talking makes ids with three circuits.
func redeemTwice(t *testing.T) bool {
	w := newNetwork(t, 1, 3)
	w.exchangeKeys(t)
	aid := w.stations[0].AID()
	mine, pre := w.lanes(aid, 0)
	w.stations[0].Join(mine, pre)
	peer, pre := w.lanes(aid, 1)
	w.stations[1].Join(peer, pre)
	w.stations[2].Join(peer, pre)
	w.join(t)
	w.roster(t)
	return w.stations[0].Talks(mine[0], peer[0])
}

// dropOne: the entry dropped one station's circuits and has no acknowledgement of it.
func dropOne(t *testing.T) bool {
	w := until(t, relayMixed)
	clear(w.acks[:w.params.AckSize()])
	_, reveal, _ := w.relays[0].Acks(w.acks)
	return reveal
}

// spliceTag: the entry lists a tag of its own making that only begins like the
// victim's, and acknowledges it with the victim's preimage.
func spliceTag(t *testing.T) bool {
	w := newNetwork(t, 1, 1)
	w.exchangeKeys(t)
	w.join(t)
	forged := bytes.Clone(w.list)
	suite.Random(forged[8:16])
	w.list = forged
	w.signHeaders(t)
	r := w.relays[0]
	if err := r.Mixed(); err != nil {
		t.Fatal(err)
	}
	_, reveal, _ := r.Acks(w.stations[0].ack)
	return reveal
}
