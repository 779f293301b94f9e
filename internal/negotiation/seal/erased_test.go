package seal

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"testing"

	"filippo.io/edwards25519"
)

// pairOf are two that have shown their nonces, and the first one's nonce.
func pairOf(t *testing.T) (s [2]*Session, nonce []byte) {
	t.Helper()
	s, err := pairWith(t, sha512.Sum512([]byte{9, 1}))
	if err != nil {
		t.Fatal(err)
	}
	return s, s[0].r.Bytes()
}

// pairWith are two, of whom the second has a given nonce, when nothing moves any more.
func pairWith(t *testing.T, second [UniformSize]byte) (s [2]*Session, err error) {
	t.Helper()
	ids := []ID{{1}, {2}}
	var queue [2][][]byte
	for i := range s {
		k, err := NewKey(sha512.Sum512([]byte{byte(i)}))
		if err != nil {
			t.Fatal(err)
		}
		n := sha512.Sum512([]byte{9, 0})
		if i == 1 {
			n = second
		}
		if s[i], queue[i], err = New(Params{Core: Core{7}, Level: Sealed, Text: "x", Parties: ids, Self: ids[i]}, k, [FreshSize]byte{byte(i)}, &n); err != nil {
			t.Fatal(err)
		}
	}
	for len(queue[0])+len(queue[1]) > 0 {
		for i := range s {
			for len(queue[i]) > 0 {
				out, err := s[1-i].Receive(ids[i], queue[i][0])
				if err != nil {
					return s, err
				}
				queue[i], queue[1-i] = queue[i][1:], append(queue[1-i], out...)
			}
		}
	}
	return s, nil
}

// Nonces that cancel end the attempt before a share: its R would be the identity.
func TestNoncesThatCancel(t *testing.T) {
	first := sha512.Sum512([]byte{9, 0})
	minus := edwards25519.NewScalar().Negate(reduce(first[:]))
	var second [UniformSize]byte
	copy(second[:], minus.Bytes())
	s, err := pairWith(t, second)
	if !errors.Is(err, ErrViewsDiffer) || !s[0].Ended() && !s[1].Ended() {
		t.Errorf("%v", err)
	}
}

// has finds bytes in JSON, where they stand in base64 at one of three places of a group.
func has(b, secret []byte) bool {
	for skip := range 3 {
		whole := secret[skip : skip+(len(secret)-skip)/3*3]
		if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(whole))) {
			return true
		}
	}
	return bytes.Contains(b, secret)
}

// A nonce is in memory until its share is made or the attempt ends, and in no state.
func TestNonceIsErased(t *testing.T) {
	for name, f := range map[string]func(s *Session){
		"shared": func(s *Session) {
			if out, err := s.Approve(); err != nil || len(out) != 1 || Step(out[0][0]) != StepShare {
				t.Fatal(err)
			}
		},
		"aborted": func(s *Session) { s.Abort() },
		"broken": func(s *Session) {
			if _, err := s.Receive(ID{2}, []byte{9}); err == nil {
				t.Fatal("rubbish was taken")
			}
		},
	} {
		s, nonce := pairOf(t)
		r := s[0].r
		for range 2 {
			b, err := s[0].State()
			if err != nil {
				t.Fatal(err)
			}
			if !has(b, s[0].k.Messages[0][StepNonce-1][1+32:]) {
				t.Fatal("what is there is not found")
			}
			if has(b, nonce) || has(b, s[0].key.Secret()) {
				t.Errorf("%s: the state has a secret", name)
			}
			if again, err := Restore(b); err != nil || again.r != nil || again.key != nil {
				t.Errorf("%s: a restart brings a nonce or a key back: %v", name, err)
			}
			if s[0].r != nil {
				f(s[0])
			}
		}
		if s[0].r != nil || !bytes.Equal(r.Bytes(), make([]byte, 32)) {
			t.Errorf("%s: the nonce is still there", name)
		}
		// Nothing that follows makes another share.
		before := s[0].Step()
		_, _ = s[0].Approve()
		if s[0].Step() != before {
			t.Errorf("%s: another step", name)
		}
	}
}

// Nobody goes on without waiting for us: what it then says cannot rest on what we said.
func TestAhead(t *testing.T) {
	ids := []ID{{1}, {2}, {3}}
	k, err := NewKey(sha512.Sum512([]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKey(sha512.Sum512([]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	n := sha512.Sum512([]byte{3})
	s, _, err := New(Params{Core: Core{7}, Level: Sealed, Text: "x", Parties: ids, Self: ids[0]}, k, [FreshSize]byte{}, &n)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []Wire{{Step: StepHello, Core: Core{7}, Key: other.Public()}, {Step: StepCommit}} {
		if out, err := s.Receive(ids[1], w.Encode()); err != nil || len(out) > 0 {
			t.Fatal(err)
		}
	}
	var inv *InvalidError
	if _, err := s.Receive(ids[1], Wire{Step: StepEcho}.Encode()); !errors.As(err, &inv) || inv.Who != ids[1] || !s.Ended() {
		t.Errorf("two steps ahead of us: %v", err)
	}
}
