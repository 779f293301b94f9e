package lab

import (
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// recognisedAgain: a restored station looks for its contact in attempt after
// attempt, with tags from a key that never steps. The relays keep every preimage
// that was revealed at one ACK and try it on every tag of the next list: whatever
// opens one is no idle lane.
func recognisedAgain() (Outcome, error) {
	session := pairwise.NewRestored(pairwise.Inviter, suite.RandomKey())
	var revealed [][suite.HashSize]byte
	lanes, opened := 0, 0
	for attempt := range 2 {
		t, err := newTable(1, 2, 2) // a restored station, and one that is idle
		if err != nil {
			return Outcome{}, err
		}
		if err := t.giveKeys(nil); err != nil {
			return Outcome{}, err
		}
		m, err := session.Join(t.at.Epoch, t.stations[0].gate.AID())
		if err != nil {
			return Outcome{}, err
		}
		t.stations[0].lanes[0].s = m.S
		if err := t.join(); err != nil {
			return Outcome{}, err
		}
		if err := t.rosters(); err != nil {
			return Outcome{}, err
		}
		aid := t.stations[0].gate.AID()
		for off := 0; off < len(t.list); off += suite.TagSize {
			for _, s := range revealed {
				if wire.TagOf(aid, s) == wire.Tag(t.list[off:off+suite.TagSize]) {
					opened++
				}
			}
		}
		if attempt == 0 {
			for _, p := range t.stations {
				for _, l := range p.lanes {
					revealed = append(revealed, l.s)
					lanes++
				}
			}
		}
	}
	if opened > 0 {
		return broken("of %d preimages of the first attempt, %d opened a tag of the second: its lane has a contact", lanes, opened)
	}
	return held("no preimage of one attempt opens a tag of another")
}
