package pairwise

// Witness is what an all-seeing test writes down of two sessions, for the second
// implementation to recompute.
type Witness struct {
	Sigma, SeedI, SeedR, Nonce []byte
	EncR, EncI                 []byte
	Activation                 uint64
	Words                      [4]uint16
	Restore                    Key
	Healings                   []WitnessHealing
	Meetings                   []WitnessMeeting
}

// WitnessHealing is one exchange.
type WitnessHealing struct {
	Version    uint32
	Seed, Enc  []byte
	Activation uint64
}

// WitnessMeeting is one attempt that became circuits, with the cells of both
// sides in one round.
type WitnessMeeting struct {
	Epoch          uint64
	First, Round   uint64
	AID            Key
	Meeting        Meeting
	Cells, Replies [twins][]byte
}

// Watch lets two sessions meet up to version last and writes everything down.
func Watch(t failer, last uint32) (w Witness) {
	p := newPair(t, 77)
	w.Sigma = append(w.Sigma, p.a.s.intro.sigma[:]...)
	w.SeedI = append(w.SeedI, p.a.s.intro.seed[:]...)
	w.Nonce = append(w.Nonce, p.a.s.intro.nonce[:]...)
	keep := func(dst *[]byte, src []byte) {
		if *dst == nil && len(src) > 0 {
			*dst = append([]byte(nil), src...)
		}
	}
	seeds := map[uint32][]byte{}
	for range 100 * p.per {
		if p.round%p.per == 0 && p.a.next != nil {
			w.Meetings = append(w.Meetings, WitnessMeeting{Epoch: p.epoch, First: p.round, AID: p.aid, Meeting: *p.a.meeting})
		}
		if p.round%p.per == 3 && p.a.talk != nil && p.b.talk != nil {
			if m := &w.Meetings[len(w.Meetings)-1]; m.Epoch == p.epoch {
				a, b := *p.a.talk, *p.b.talk // copies: the keys are used again, on purpose
				for twin := range twins {
					m.Cells[twin], m.Replies[twin] = make([]byte, testCell), make([]byte, testCell)
					a.Cell(p.round, twin, m.Cells[twin])
					b.Cell(p.round, twin, m.Replies[twin])
				}
				m.Round = p.round
				if m.Meeting.Version >= last {
					break
				}
			}
		}
		p.step(faults{})
		if in := &p.b.s.intro; in.stage == stageKeyed {
			keep(&w.SeedR, in.seed[:])
		}
		keep(&w.EncR, p.a.s.intro.encR)
		for _, d := range p.sides() {
			if v := d.s.newest().number + 1; d.s.healing.active && seeds[v] == nil {
				seeds[v] = append([]byte(nil), d.s.healing.seed[:]...)
			}
			for _, c := range d.s.sending.control {
				switch m, _ := parseMessage(c); m.kind {
				case kindAccept:
					w.EncI, w.Activation = append([]byte(nil), m.enc...), m.epoch
				case kindHealEnc:
					w.Healings = append(w.Healings, WitnessHealing{m.version, seeds[m.version], append([]byte(nil), m.enc...), m.epoch})
				}
			}
		}
	}
	w.Words, _ = p.a.s.Words()
	w.Restore, _ = p.a.s.RestoreKey()
	return w
}

// Reencode parses a control message and encodes it again.
func Reencode(b []byte) ([]byte, bool) {
	m, ok := parseMessage(b)
	return m.append(nil), ok
}
