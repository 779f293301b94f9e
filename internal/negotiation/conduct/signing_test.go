package conduct

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

func (m *mesh) agreement(level negotiation.Level, parties ...int) *negotiation.Agreement {
	return &negotiation.Agreement{Text: "Aldmark opens the port.", Parties: m.ids(parties...), Level: level,
		Lapses: uint64(m.clock.Add(24 * time.Hour).Unix()), Agenda: &m.agenda, Packages: m.list[:1]}
}

// ready proposes an agreement to which everybody consents.
func (m *mesh) ready(b *negotiation.Agreement) negotiation.ID {
	m.t.Helper()
	id := m.say(0, b)
	m.settle()
	for i := range m.members {
		m.say(i, &negotiation.Consent{Core: b.Core()})
		m.settle()
	}
	return id
}

func (m *mesh) agreed(i int, id negotiation.ID) *negotiation.AgreementView {
	m.t.Helper()
	for _, a := range m.members[i].room.AgreementsAt(m.clock) {
		if a.ID == id {
			return &a
		}
	}
	m.t.Fatal("the agreement is not in the view")
	return nil
}

func (m *mesh) wantAgreement(id negotiation.ID, want negotiation.AgreementState, members ...int) {
	m.t.Helper()
	for _, i := range members {
		if a := m.agreed(i, id); a.State != want {
			m.t.Errorf("%s sees %q (%s), want %q", names[i], a.State, a.Note, want)
		}
	}
}

func (m *mesh) sign(i int, id negotiation.ID) {
	m.t.Helper()
	if err := m.trySign(i, id); err != nil {
		m.t.Fatalf("%s: %v", names[i], err)
	}
}

func (m *mesh) trySign(i int, id negotiation.ID) error {
	m.t.Helper()
	return m.do(i, func(s *Seat) ([]Saying, error) { return m.members[i].signs.Sign(s, id) })
}

func (m *mesh) progress(i int, id negotiation.ID) Progress {
	m.t.Helper()
	p, err := m.members[i].signs.Progress(m.seat(i), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return p
}

func TestHandshake(t *testing.T) {
	m := newMesh(t, 3, 21)
	m.prepare(1)
	b := m.agreement(negotiation.Handshake, 0, 1, 2)
	id := m.say(0, b)
	m.settle()
	for i := range 2 {
		m.say(i, &negotiation.Consent{Core: b.Core()})
		m.settle()
	}
	m.wantAgreement(id, negotiation.AgreementConsenting, 0, 1, 2)
	if n := len(m.members[0].room.Opaque(negotiation.PrefixSign)); n != 0 {
		t.Errorf("%d confirmations before everybody consented", n)
	}
	m.restart(1)
	m.say(2, &negotiation.Consent{Core: b.Core()})
	m.settle()
	m.wantAgreement(id, negotiation.AgreementConfirmed, 0, 1, 2)
	for i, x := range m.members {
		if len(x.store) > 0 {
			t.Errorf("%s keeps keys of a handshake that is over", names[i])
		}
		for _, st := range x.room.Opaque(negotiation.PrefixSign) {
			if !st.Private() || st.Kind != kindKey && st.Kind != kindConfirm {
				t.Errorf("a handshake says %s", st.Kind)
			}
		}
	}
	if err := m.trySign(0, id); err == nil {
		t.Error("a handshake was signed")
	}
	if _, err := Communique(m.members[0].room, m.agreed(0, id), m.name); err == nil {
		t.Error("a handshake has a communiqué to check")
	}
}

// A MAC under another key, or over another core, confirms nothing.
func TestFalseConfirmation(t *testing.T) {
	m := newMesh(t, 2, 22)
	m.prepare(1)
	b := m.agreement(negotiation.Handshake, 0, 1)
	id := m.say(0, b)
	m.settle()
	m.say(0, &negotiation.Consent{Core: b.Core()})
	c, err := m.members[1].room.Say(&negotiation.Consent{Core: b.Core()}, negotiation.MemberID{}, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.keep(1, c)
	key := [32]byte{1}
	mac := seal.Confirmation(key, seal.Core(b.Core()), seal.ID(m.id(1)))
	if err := m.do(1, func(*Seat) ([]Saying, error) {
		return []Saying{{kindKey, Message{Of: id, Bytes: key[:]}.Encode(), m.id(0)}, {kindConfirm, Message{Of: id, Bytes: mac[:]}.Encode(), m.id(0)}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	for m.deliver(1, 0) {
	}
	m.wantAgreement(id, negotiation.AgreementReady, 0)
}

func (m *mesh) name(id negotiation.MemberID) string {
	for i := range m.members {
		if m.id(i) == id {
			return names[i]
		}
	}
	return "nobody"
}

func TestSealed(t *testing.T) {
	for n := 2; n <= 3; n++ {
		m := newMesh(t, n, uint64(30+n))
		m.prepare(1)
		id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
		m.wantAgreement(id, negotiation.AgreementReady, 0, 1, n-1)
		if len(m.members[0].room.Opaque(negotiation.PrefixSign)) != 0 {
			t.Error("something was said before anybody signed")
		}
		for i := range n {
			if i == n-1 {
				if p := m.progress(i, id); len(p.Begun) != n-1 || p.Approved || len(p.Shared) != 0 {
					t.Errorf("progress %+v", p)
				}
			}
			m.sign(i, id)
			m.settle()
		}
		m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, n-1)
		var files [][]byte
		for i := range n {
			m.reload(i)
			file, err := Communique(m.members[i].room, m.agreed(i, id), m.name)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
			p := m.progress(i, id)
			if len(p.Held) != n || len(p.Shared) != n || !p.Approved {
				t.Errorf("%s: progress %+v", names[i], p)
			}
			if n == 3 && *p.Last != m.id(2) {
				t.Error("the third party does not complete last")
			}
			for k, v := range m.members[i].store {
				if k.kind != KindSigning || bytes.Contains(v, []byte("backchannel/")) {
					t.Errorf("%s keeps %s", names[i], k.kind)
				}
			}
		}
		r, err := seal.Verify(files[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !bytes.Equal(f, files[0]) {
				t.Error("the parties hold different files")
			}
		}
		if !ed25519.Verify(r.SumKey[:], r.Message, r.Sig) {
			t.Error("crypto/ed25519 does not take the signature")
		}
		for _, want := range []string{"Aldmark opens the port.", "Transit fee: 0 per ton", "void unless all parties"} {
			if !strings.Contains(r.Text, want) {
				t.Errorf("the signed text lacks %q:\n%s", want, r.Text)
			}
		}
	}
}

func TestPublic(t *testing.T) {
	m := newMesh(t, 2, 40)
	var keys []*seal.Key
	for i := range m.members {
		k, err := PublishedKey(m.random)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
		m.members[i].key = k
	}
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Public, 0, 1))
	m.sign(0, id)
	m.sign(1, id)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
	a := m.agreed(1, id)
	for i := range a.Seal.Signers {
		for j := range keys {
			pub := keys[j].Public()
			if a.Seal.Signers[i] == m.id(j) && !bytes.Equal(a.Seal.Keys[i], pub[:]) {
				t.Error("signed with another key than the published one")
			}
		}
	}
}

// Whoever stops before its share leaves nothing; the agreement can be signed again.
func TestAbort(t *testing.T) {
	m := newMesh(t, 3, 41)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1, 2))
	m.sign(0, id)
	m.sign(1, id)
	m.settle()
	if err := m.trySign(1, id); err == nil {
		t.Error("signed twice at once")
	}
	stop := func(i int) error {
		return m.do(i, func(s *Seat) ([]Saying, error) { return m.members[i].signs.Stop(s, id) })
	}
	if stop(2) == nil {
		t.Error("who does not sign stopped")
	}
	if err := stop(1); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wantAgreement(id, negotiation.AgreementReady, 0, 1, 2)
	if m.progress(0, id).Approved {
		t.Error("an attempt that was stopped goes on")
	}
	for i := range 3 {
		m.sign(i, id)
		m.settle()
	}
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
	if p := m.progress(2, id); p.Attempt < 2 {
		t.Errorf("attempt %d", p.Attempt)
	}
	if stop(1) == nil {
		t.Error("what is signed was stopped")
	}
}

// A restart ends an attempt without an own share, and says so; with one it goes on.
func TestRestart(t *testing.T) {
	for _, late := range []bool{false, true} {
		m := newMesh(t, 3, 42)
		m.prepare(1)
		id := m.ready(m.agreement(negotiation.Sealed, 0, 1)) // 2 consents, and so completes last
		for i := range 3 {
			m.sign(i, id)
		}
		until := func(kind string) {
			for len(m.members[2].room.Opaque(kind)) == 0 {
				moved := false
				for i := range 3 {
					for j := range 3 {
						moved = moved || i != j && m.deliver(i, j)
					}
				}
				if !moved {
					t.Fatal("nothing moves")
				}
			}
		}
		if late {
			restarts := 0
			until("sign/share")
			for i := range 2 { // theirs are out; the restarted one has sent its own
				if slices.ContainsFunc(m.members[i].room.Opaque("sign/share"), func(st *negotiation.Statement) bool { return st.From == m.id(i) }) {
					m.restart(i)
					restarts++
				}
			}
			m.settle()
			m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
			if restarts == 0 {
				t.Error("nobody was restarted")
			}
			continue
		}
		until("sign/nonce")
		m.restart(1)
		m.settle()
		m.wantAgreement(id, negotiation.AgreementStalled, 0, 1, 2)
		for i := range 3 {
			m.sign(i, id)
			m.settle()
		}
		m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
	}
}

// A transaction that came to nothing after the session went on ends the attempt,
// and nothing of it was sent.
func TestTransactionFails(t *testing.T) {
	m := newMesh(t, 2, 43)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	m.sign(0, id)
	m.sign(1, id)
	m.strict = false
	hello := m.members[1].room.Opaque("sign/hello")
	if len(hello) != 1 {
		t.Fatal("no hello")
	}
	before := memory{}
	for k, v := range m.members[0].store {
		before[k] = v
	}
	_, err := m.members[0].signs.Received(m.seat(0), hello[0])
	if err != nil {
		t.Fatal(err)
	}
	m.members[0].store = before
	if m.members[0].room, err = negotiation.Restore(m.members[0].room.Charter(), m.members[0].rows, m.members[0].local, m.random); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wantAgreement(id, negotiation.AgreementReady, 0)
	m.sign(0, id)
	m.settle()
	m.sign(1, id)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
}

func TestLapse(t *testing.T) {
	m := newMesh(t, 2, 44)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	m.sign(0, id)
	m.settle()
	m.at(m.clock.Add(25 * time.Hour))
	m.wantAgreement(id, negotiation.AgreementLapsed, 0, 1)
	if m.trySign(1, id) == nil {
		t.Error("an agreement that lapsed was signed")
	}
	if len(m.members[0].store) > 0 {
		t.Error("the key of an agreement that lapsed is kept")
	}
}

// A party that breaks the rules ends the attempt for the others.
func TestCheater(t *testing.T) {
	m := newMesh(t, 2, 45)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	m.sign(0, id)
	m.settle()
	for _, b := range [][]byte{nil, {1}, bytes.Repeat([]byte{7}, seal.HelloSize)} {
		if err := m.do(1, func(*Seat) ([]Saying, error) {
			return []Saying{{Kind: "sign/hello", Body: Message{Of: id, Attempt: 1, Bytes: b}.Encode()}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		m.settle()
	}
	if p := m.progress(0, id); p.Approved {
		t.Error("the attempt goes on")
	}
	for _, attempt := range []uint64{maxAttempts + 1, 1 << 60} {
		if err := m.do(1, func(*Seat) ([]Saying, error) {
			return []Saying{{Kind: "sign/hello", Body: Message{Of: id, Attempt: attempt, Bytes: make([]byte, seal.HelloSize)}.Encode()}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		m.settle()
	}
	m.sign(0, id)
	m.sign(1, id)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
}

// A communiqué is drafted from what was signed, approved by all, and released.
func TestCommunique(t *testing.T) {
	m := newMesh(t, 3, 46)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	if _, err := DraftCommunique(m.members[0].room, m.agreed(0, id)); err == nil {
		t.Error("a communiqué before anything was signed")
	}
	for i := range 3 {
		m.sign(i, id)
	}
	m.settle()
	q, err := DraftCommunique(m.members[1].room, m.agreed(1, id))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*negotiation.Communique){
		"word": func(q *negotiation.Communique) { q.Text += "!" }, "key": func(q *negotiation.Communique) { q.Keys = q.Keys[:2] },
		"signature": func(q *negotiation.Communique) { q.Signature = bytes.Repeat([]byte{1}, 64) },
	} {
		bad := *q
		change(&bad)
		if CheckCommunique(m.members[0].room, m.agreed(0, id), &bad) == nil {
			t.Errorf("another %s was taken", name)
		}
	}
	if err := CheckCommunique(m.members[2].room, m.agreed(2, id), q); err != nil {
		t.Fatal(err)
	}
	of := m.say(1, q)
	m.settle()
	for _, i := range []int{0, 2} {
		m.say(i, &negotiation.Approve{Of: of})
		m.settle()
	}
	m.say(0, &negotiation.Release{Of: of})
	m.settle()
	if v := m.members[2].room.CommuniquesAt(m.clock); len(v) != 1 || v[0].State != negotiation.CommuniqueReleased {
		t.Errorf("%+v", v)
	}
}

// A side letter is signed like any agreement, and needs its own consents.
func TestSideLetter(t *testing.T) {
	m := newMesh(t, 2, 47)
	m.prepare(1)
	first := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	side := m.agreement(negotiation.Handshake, 0, 1)
	side.SideLetterOf = &first
	id := m.ready(side)
	m.wantAgreement(id, negotiation.AgreementConfirmed, 0, 1)
	m.wantAgreement(first, negotiation.AgreementReady, 0, 1)
}

// No private value is in what is said: seal keys are fresh and stay.
func TestKeysStayHidden(t *testing.T) {
	m := newMesh(t, 2, 48)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	m.sign(0, id)
	k, err := m.members[0].signs.load(m.seat(0), id)
	if err != nil || len(k.Key) == 0 {
		t.Fatal("no key", err)
	}
	secret := bytes.Clone(k.Key)
	m.sign(1, id)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
	for _, x := range m.members {
		for _, row := range x.rows {
			if bytes.Contains(row.Raw, secret) {
				t.Error("a seal key was said")
			}
		}
		for _, v := range x.store {
			if bytes.Contains(v, secret) {
				t.Error("a seal key is kept after its agreement was sealed")
			}
		}
	}
}
