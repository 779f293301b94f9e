package conduct

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// published is a room of three in which all have published a key, an agreement of
// level public that all consent to, and the keys.
func published(t *testing.T, seed uint64) (m *mesh, id negotiation.ID, keys []seal.PublicKey) {
	t.Helper()
	m = newMesh(t, 3, seed)
	for i := range m.members {
		k, err := PublishedKey(m.random)
		if err != nil {
			t.Fatal(err)
		}
		m.members[i].key = k
		keys = append(keys, k.Public())
	}
	m.prepare(1)
	return m, m.ready(m.agreement(negotiation.Public, 0, 1, 2)), keys
}

// shares counts who sent its share, in any attempt.
func (m *mesh) shares(i int) (n int) {
	return len(m.members[i].room.Opaque(string(signKinds[seal.StepShare])))
}

// With the right keys noted it is signed as without; the keys that came are told.
func TestNotedKeys(t *testing.T) {
	m, id, keys := published(t, 60)
	m.members[0].noted = map[negotiation.MemberID]seal.PublicKey{m.id(1): keys[1], m.id(2): keys[2]}
	m.sign(0, id)
	m.sign(1, id)
	m.settle()
	if p := m.progress(0, id); len(p.Other) > 0 || !maps.Equal(p.Keys, map[negotiation.MemberID]seal.PublicKey{m.id(1): keys[1]}) {
		t.Errorf("%v are shown, %v differ", p.Keys, p.Other)
	}
	m.sign(2, id)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
}

// Who comes with another key than the one noted for it gets no share: neither if it
// came first, nor second, nor if the key was noted only once it had come.
func TestAnotherKey(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(m *mesh, id negotiation.ID, note func())
	}{
		{"it comes second", func(m *mesh, id negotiation.ID, note func()) {
			note()
			m.sign(0, id)
			m.settle()
			m.sign(1, id)
			m.sign(2, id)
		}},
		{"it comes first", func(m *mesh, id negotiation.ID, note func()) {
			m.sign(1, id)
			m.settle()
			note()
			if err := m.trySign(0, id); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another key") {
				m.t.Errorf("signing is refused with %v", err)
			}
			m.sign(2, id)
		}},
		{"the key is noted while it is signed", func(m *mesh, id negotiation.ID, note func()) {
			m.sign(0, id)
			m.sign(1, id)
			m.settle()
			note()
			m.sign(2, id)
		}},
		{"the key is noted while it is signed, and a moment passes", func(m *mesh, id negotiation.ID, note func()) {
			m.sign(0, id)
			m.sign(1, id)
			m.settle()
			note()
			if err := m.do(0, m.members[0].signs.Tick); err != nil {
				m.t.Fatal(err)
			}
			if m.progress(0, id).Approved {
				m.t.Error("it goes on signing")
			}
			m.sign(2, id)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, id, keys := published(t, 61)
			m.members[0].noted = map[negotiation.MemberID]seal.PublicKey{m.id(2): keys[2]}
			c.play(m, id, func() { m.members[0].noted[m.id(1)] = keys[2] })
			m.settle()
			if m.agreed(0, id).IsAgreed() || m.shares(0)+m.shares(1)+m.shares(2) > 0 {
				t.Error("a share left")
			}
			if p := m.progress(0, id); !slices.Equal(p.Other, []negotiation.MemberID{m.id(1)}) {
				t.Errorf("%v are said to have another key", p.Other)
			}
			// The note was wrong: once it is mended all can sign again.
			m.members[0].noted[m.id(1)] = keys[1]
			for _, i := range []int{0, 1, 2} {
				_ = m.trySign(i, id) // who signs already waits for the others
				m.settle()
			}
			m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
		})
	}
}

// At level sealed keys are fresh: what is noted has no part in it.
func TestNotedKeysAtLevelSealed(t *testing.T) {
	m, _, keys := published(t, 62)
	m.members[0].noted = map[negotiation.MemberID]seal.PublicKey{m.id(1): keys[1]}
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	for i := range m.members {
		m.sign(i, id)
		m.settle()
	}
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
	if p := m.progress(0, id); len(p.Keys)+len(p.Other) > 0 {
		t.Errorf("%v are shown, %v differ", p.Keys, p.Other)
	}
}
