package roster

import (
	"bytes"
	"testing"

	"backchannel/internal/wire"
)

// until brings relay 1 of a fresh network of two into a phase, everybody honest.
func until(t *testing.T, phase relayPhase) *network {
	t.Helper()
	w := newNetwork(t, 2, 2)
	for _, step := range []struct {
		reached relayPhase
		do      func()
	}{
		{relayRoster, func() { w.exchangeKeys(t) }},
		{relayBatch, func() { w.join(t); w.roster(t) }},
		{relayMixed, func() { w.mixAll(t); w.acknowledge(t) }},
		{relaySeeds, func() {
			for _, r := range w.relays {
				if _, ok, err := r.Acks(w.acks); !ok || err != nil {
					t.Fatal(err)
				}
			}
		}},
		{relayReveals, func() { mustSeed(t, w.relays[0], w.seed(1)); mustSeed(t, w.relays[1], w.seed(0)) }},
		{relayDone, func() {
			if ok, err := w.relays[0].Reveal(w.revealOf(1)); !ok || err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if phase != relayOver && step.reached <= phase {
			step.do()
		}
	}
	if phase == relayOver {
		w.exchangeKeys(t)
		w.join(t)
		w.signHeaders(t)
		w.mixAll(t)
		w.relays[0].Abort()
	}
	if got := w.relays[0].phase; got != phase {
		t.Fatalf("the relay is %s, want %s", relayPhaseNames[got], relayPhaseNames[phase])
	}
	return w
}

func mustSeed(t *testing.T, r *Relay, s wire.Seed) {
	t.Helper()
	if _, ok, err := r.Seed(s); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

func (w *network) seed(i int) wire.Seed {
	return wire.Seed{Attempt: w.attempt, Relay: i, Seed: seedOf('i', i)}
}

func (w *network) revealOf(i int) wire.Reveal {
	return wire.SignReveal(w.attempt, i, w.relays[0].HeaderHash(), w.sign[i])
}

// Every event in every phase, with arguments that would be right if the phase
// were: allowed ones move to the stated phase, all others are errors and change
// nothing.
func TestRelayTransitions(t *testing.T) {
	const no = relayPhases // forbidden
	next := [relayEvents][relayPhases]relayPhase{
		//             keys         roster      batch       mixed       seeds         reveals    done over
		eventKeys:    {relayRoster, no, no, no, no, no, no, no},
		eventRecords: {no, relayBatch, no, no, no, no, no, no},
		eventMixed:   {no, no, relayMixed, no, no, no, no, no},
		eventAcks:    {relayOver, relayOver, relayOver, relaySeeds, no, no, no, no},
		eventSeed:    {no, no, no, no, relayReveals, no, no, no},
		eventReveal:  {no, no, no, no, no, relayDone, no, no},
	}
	for phase := range relayPhases {
		for ev := range relayEvents {
			w := until(t, phase)
			r := w.relays[0]
			if phase < relayBatch { // for events out of place
				w.list, w.acks = make([]byte, 2*w.params.RecordSize()), make([]byte, 2*w.params.AckSize())
			}
			var err error
			switch ev {
			case eventKeys:
				// KEYS that relay 1 does not hold yet: relay 2's, or a second set of them.
				k := w.relays[1].OwnKeys()
				if phase != relayKeys {
					cfg := w.config(1)
					cfg.OuterSeed = seedOf('z', 1)
					other, e := NewRelay(cfg)
					if e != nil {
						t.Fatal(e)
					}
					k = other.OwnKeys()
				}
				_, err = r.Keys(k)
			case eventRecords:
				_, err = r.Records(w.list)
			case eventMixed:
				err = r.Mixed()
			case eventAcks:
				_, _, err = r.Acks(w.acks)
			case eventSeed:
				s := w.seed(1)
				if phase >= relayReveals { // a seed that is not held
					s.Seed[5]++
				}
				_, _, err = r.Seed(s)
			case eventReveal:
				v := w.revealOf(1)
				if phase == relayDone { // a repeated one is no event
					v.Header[0]++
				}
				_, err = r.Reveal(v)
			}
			want := next[ev][phase]
			if (err == nil) != (want != no) || (err == nil) != relayAllows[ev][phase] {
				t.Errorf("%s while %s: err = %v", relayEventNames[ev], relayPhaseNames[phase], err)
			}
			if want == no {
				want = phase
			}
			if r.phase != want {
				t.Errorf("%s while %s: now %s, want %s", relayEventNames[ev], relayPhaseNames[phase], relayPhaseNames[r.phase], relayPhaseNames[want])
			}
		}
	}
}

// What is held already may come again at any later time and changes nothing.
func TestRelayRepeats(t *testing.T) {
	for phase := relayRoster; phase <= relayDone; phase++ {
		w := until(t, phase)
		r := w.relays[0]
		for i := range 2 {
			if ok, err := r.Keys(w.relays[i].OwnKeys()); ok || err != nil {
				t.Errorf("repeated KEYS while %s: %v %v", relayPhaseNames[phase], ok, err)
			}
			if phase >= relayReveals {
				if _, ok, err := r.Seed(w.seed(i)); ok || err != nil {
					t.Errorf("repeated seed while %s: %v %v", relayPhaseNames[phase], ok, err)
				}
			}
		}
		if phase == relaySeeds {
			if _, ok, err := r.Seed(w.seed(0)); ok || err != nil {
				t.Errorf("own seed back: %v %v", ok, err)
			}
		}
		if phase >= relayReveals {
			if ok, err := r.Reveal(w.revealOf(0)); ok || err != nil {
				t.Errorf("own REVEAL back: %v %v", ok, err)
			}
		}
		if phase == relayDone {
			if ok, err := r.Reveal(w.revealOf(1)); ok || err != nil {
				t.Errorf("repeated REVEAL: %v %v", ok, err)
			}
		}
		if r.phase != phase {
			t.Errorf("repeats moved a relay that was %s", relayPhaseNames[phase])
		}
	}
}

func TestAbortOnlyBeforeTheDecision(t *testing.T) {
	for phase := range relayPhases {
		w := until(t, phase)
		r := w.relays[0]
		r.Abort()
		decided := phase >= relaySeeds && phase <= relayDone
		if decided && r.phase != phase {
			t.Errorf("an abort changed a relay that was %s", relayPhaseNames[phase])
		}
		if !decided && (!r.Over() || r.inner.Valid() || r.outer.Valid() || r.InnerKeys() != nil) {
			t.Errorf("an abort left keys with a relay that was %s", relayPhaseNames[phase])
		}
	}
}

func TestEraseForgetsKeysButNotReveals(t *testing.T) {
	w := until(t, relayReveals)
	r := w.relays[0]
	if len(r.InnerKeys()) != 2 {
		t.Fatal("no inner keys after all seeds")
	}
	r.Erase()
	if r.InnerKeys() != nil || r.inner.Valid() {
		t.Error("inner keys survive Erase")
	}
	if ok, err := r.Reveal(w.revealOf(1)); !ok || err != nil {
		t.Error("REVEALs are not completed after Erase:", err)
	}
	w = until(t, relaySeeds)
	w.relays[0].Erase()
	if _, _, err := w.relays[0].Seed(w.seed(1)); err == nil || !w.relays[0].Over() {
		t.Error("an erased attempt goes on")
	}
}

// stationUntil brings station 1 of a fresh network of two into a phase.
func stationUntil(t *testing.T, phase stationPhase) *network {
	t.Helper()
	w := newNetwork(t, 2, 2)
	s := w.stations[0]
	good := w.receiptsOf(0)
	if phase >= stationJoin {
		w.exchangeKeys(t)
	}
	if phase >= stationRoster {
		w.join(t)
	}
	if phase >= stationOnions {
		w.roster(t)
	}
	if phase >= stationReceipts {
		s.Expect(good)
	}
	switch phase {
	case stationAck, stationDone:
		s.Receipts(good)
		if phase == stationDone {
			for i := range 2 {
				if _, err := s.Reveal(w.revealOf(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	case stationFailed:
		s.Receipts(make([]byte, len(good)))
	}
	if s.phase != phase {
		t.Fatalf("the station is %s, want %s", stationPhaseNames[s.phase], stationPhaseNames[phase])
	}
	return w
}

func TestStationTransitions(t *testing.T) {
	allowed := [stationEvents][stationPhases]bool{
		eventStationKeys:   {stationKeys: true},
		eventHeader:        {stationRoster: true},
		eventList:          {stationRoster: true},
		eventStationReveal: {stationAck: true},
	}
	for phase := range stationPhases {
		for ev := range stationEvents {
			w := stationUntil(t, phase)
			s := w.stations[0]
			var err error
			switch ev {
			case eventStationKeys:
				k := w.relays[0].OwnKeys()
				if phase != stationKeys { // what is held already is no event
					cfg := w.config(0)
					cfg.OuterSeed = seedOf('z', 1)
					other, e := NewRelay(cfg)
					if e != nil {
						t.Fatal(e)
					}
					k = other.OwnKeys()
				}
				_, err = s.Keys(k)
			case eventHeader:
				h := wire.Header{Attempt: w.attempt, AID: s.AID(), Count: 2}
				if phase > stationRoster {
					h.Count = 3
				}
				err = s.Header(wire.SignHeader(h, 0, w.sign[0]))
			case eventList:
				list := w.list
				if phase != stationRoster {
					list = make([]byte, w.params.RecordSize())
				}
				err = s.Records(list)
			case eventStationReveal:
				h := s.HeaderHash()
				v := wire.SignReveal(w.attempt, 0, h, w.sign[0])
				if phase == stationDone {
					v.Header[0]++
				}
				_, err = s.Reveal(v)
			}
			if (err == nil) != allowed[ev][phase] || allowed[ev][phase] != stationAllows[ev][phase] {
				t.Errorf("%s while %s: err = %v", stationEventNames[ev], stationPhaseNames[phase], err)
			}
			if err != nil && s.phase != phase {
				t.Errorf("%s while %s: refused, but now %s", stationEventNames[ev], stationPhaseNames[phase], stationPhaseNames[s.phase])
			}
		}
	}
}

// The events without errors do nothing out of place.
func TestStationQuietEvents(t *testing.T) {
	for phase := range stationPhases {
		w := stationUntil(t, phase)
		s := w.stations[0]
		tags, pre := w.lanes(s.AID(), 9)
		record := s.Join(tags, pre)
		switch {
		case phase < stationJoin:
			if record != nil {
				t.Error("joined before all KEYS")
			}
		case phase > stationJoin:
			if tags, _ := w.lanes(s.AID(), 0); !bytes.Equal(record[:16], tags[0][:]) {
				t.Errorf("another record while %s", stationPhaseNames[phase])
			}
		}

		w = stationUntil(t, phase)
		s = w.stations[0]
		s.Expect(w.receiptsOf(1))
		if (s.phase != phase) != (phase == stationOnions) {
			t.Errorf("Expect while %s: now %s", stationPhaseNames[phase], stationPhaseNames[s.phase])
		}
		if s.Expect([]byte{1}); phase == stationReceipts && !bytes.Equal(s.expected, w.receiptsOf(0)) {
			t.Error("a second Expect counted")
		}

		w = stationUntil(t, phase)
		s = w.stations[0]
		s.Receipts(w.receiptsOf(0)[1:])
		if s.phase != phase {
			t.Errorf("a torn array of receipts was looked at while %s", stationPhaseNames[phase])
		}
		s.Receipts(w.receiptsOf(0))
		_, ok := s.Ack()
		if want := phase == stationReceipts || phase == stationAck || phase == stationDone; ok != want {
			t.Errorf("right receipts while %s: ack=%v", stationPhaseNames[phase], ok)
		}
		if !ok && s.phase != stationFailed {
			t.Errorf("receipts while %s did not latch", stationPhaseNames[phase])
		}
	}
}

func TestStationErase(t *testing.T) {
	w := stationUntil(t, stationAck)
	s := w.stations[0]
	s.Erase()
	if _, ok := s.Ack(); ok || s.ack != nil {
		t.Error("an erased attempt acknowledges")
	}
}
