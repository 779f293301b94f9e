package pairwise_test

import (
	"bytes"
	"testing"

	"backchannel/internal/pairwise"
)

// TestSecondImplementation lets two real sessions go through an introduction and
// two healings, and recomputes from what was said, and the private seeds, every
// tag, preimage, identifier, word and cell with the second implementation.
func TestSecondImplementation(t *testing.T) {
	w := pairwise.Watch(t, 3)
	one := secondIntroduction{w.Sigma, w.SeedI, w.SeedR, w.Nonce, w.EncR, w.EncI, w.Activation}.derive()
	if one.words != w.Words {
		t.Errorf("words: %v, second %v", w.Words, one.words)
	}
	if !bytes.Equal(one.restore, w.Restore[:]) {
		t.Error("K_re differs")
	}
	versions := []secondVersion{secondInvitation(w.Sigma, 99), one.secondVersion}
	for _, h := range w.Healings {
		if int(h.Version) != len(versions) {
			t.Fatalf("version %d made when %d are known", h.Version, len(versions))
		}
		versions = append(versions, versions[len(versions)-1].next(h.Version, h.Activation, h.Seed, h.Enc))
	}
	seen := map[uint32]bool{}
	for _, m := range w.Meetings {
		seen[m.Meeting.Version] = true
		second := versions[m.Meeting.Version].meet(m.Epoch, m.AID[:])
		id1, id2 := m.Meeting.Twins()
		for _, x := range []struct {
			name      string
			got, want []byte
		}{
			{"s", m.Meeting.S[:], second.sI}, {"tag", m.Meeting.Tag[:], second.tagI}, {"peer's tag", m.Meeting.PeerTag[:], second.tagR},
			{"twin 1", id1[:], second.id1}, {"twin 2", id2[:], second.id2},
		} {
			if !bytes.Equal(x.got, x.want) {
				t.Errorf("version %d, epoch %d: %s differs", m.Meeting.Version, m.Epoch, x.name)
			}
		}
		for twin := range 2 {
			for role, cell := range [][]byte{m.Cells[twin], m.Replies[twin]} {
				if cell == nil {
					continue
				}
				if _, err := secondOpen(second.cellKey(byte(1+twin), byte(1+role), m.First, m.Round), cell); err != nil {
					t.Errorf("version %d, epoch %d: the cell of twin %d, role %d does not open", m.Meeting.Version, m.Epoch, 1+twin, 1+role)
				}
			}
		}
	}
	for v := uint32(0); v <= 3; v++ {
		if !seen[v] {
			t.Errorf("no meeting under version %d was compared", v)
		}
	}
}
