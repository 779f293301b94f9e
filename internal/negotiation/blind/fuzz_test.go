package blind

import (
	"bytes"
	"testing"
)

// shapes are rounds whose messages the decoders are tried with.
func shapes() []Params {
	return []Params{params(2, nil), params(3, nil), params(2, ladder(2)), params(2, list(4, 1, 0)), params(2, list(4, 1, 1))}
}

// played hands every message and every state of a whole round to f.
func played(f testing.TB, p Params, message func([]byte), state func([]byte)) {
	w := newTable(f, p)
	w.mangle = func(m sent) []sent {
		message(m.raw)
		for _, r := range w.rounds {
			state(r.State())
		}
		return []sent{m}
	}
	answers := []Answer{Yes(), No(), Yes()}[:len(p.Parties)]
	switch p.Mode {
	case Ladder:
		answers = []Answer{Limit(1), Limit(1)}
	case List:
		answers = []Answer{Approve(0, 1, 0, 0), Approve(0, 1, 0, 0)}
	}
	w.play(answers...)
	for _, r := range w.rounds {
		state(r.State())
	}
}

// What decodes encodes to the same bytes, and holds no identity.
func FuzzMessage(f *testing.F) {
	for i, p := range shapes() {
		played(f, p, func(b []byte) { f.Add(byte(i), b) }, func([]byte) {})
	}
	f.Add(byte(0), []byte{})
	f.Add(byte(0), make([]byte, HeaderSize+CommitSize))
	f.Fuzz(func(t *testing.T, shape byte, b []byte) {
		all := shapes()
		p := all[int(shape)%len(all)]
		m, err := p.Decode(b)
		if err != nil {
			return
		}
		if again := m.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes and encodes to %x", b, again)
		}
		var points []Point
		switch body := m.Body.(type) {
		case Key:
			points = append(points, body.X, body.V)
		case Input:
			for _, c := range body.Cells {
				points = append(points, c.U, c.V)
			}
		case Blind:
			for _, c := range body.Cells {
				points = append(points, c.U, c.V)
			}
		case Open:
			points = append(points, body.D)
		}
		for _, q := range points {
			if q.e.IsIdentity() {
				t.Fatal("an identity decodes")
			}
		}
	})
}

func FuzzPoint(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(encode(ristretto.Generator()))
	f.Add(bytes.Repeat([]byte{0xff}, 32))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePoint(b); err == nil && (!bytes.Equal(p.Bytes(), b) || p.e.IsIdentity()) {
			t.Fatalf("%x decodes as a point and encodes to %x", b, p.Bytes())
		}
		if s, err := ParseScalar(b); err == nil && !bytes.Equal(s.Bytes(), b) {
			t.Fatalf("%x decodes as a scalar and encodes to %x", b, s.Bytes())
		}
	})
}

// A state that loads is the one that is kept, and no event makes it panic.
func FuzzState(f *testing.F) {
	for _, p := range shapes() {
		n := 0
		played(f, p, func([]byte) {}, func(b []byte) {
			if n++; n%3 == 0 {
				f.Add(b, []byte{1, 0})
			}
		})
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, b, msg []byte) {
		r, err := Load(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.State(), b) {
			t.Fatal("a state that loads is kept as another")
		}
		p := r.Params()
		for _, from := range p.Parties {
			_, _ = r.Receive(p.InputsAt, from, msg, [32]byte{1})
			r, _ = Load(b)
		}
		for _, event := range []func() (Change, error){
			func() (Change, error) { return r.Join(p.InputsAt.Add(-1e6), [32]byte{2}) },
			func() (Change, error) { return r.Answer(p.InputsAt.Add(-1e6), Yes()) },
			func() (Change, error) { return r.Tick(p.InputsAt, [32]byte{3}) },
			func() (Change, error) { return r.Tick(p.Deadline, [32]byte{4}) },
			r.Decline, r.Restored,
		} {
			c, err := event()
			if err == nil && c.State != nil {
				if _, err := Load(c.State); err != nil {
					t.Fatal("an event makes a state that does not load")
				}
			}
			if r, err = Load(b); err != nil {
				t.Fatal(err)
			}
			_ = r.Status()
		}
	})
}

// Damaged states are refused or harmless: every byte of one, changed in turn.
func TestDamagedStates(t *testing.T) {
	var kept [][]byte
	played(t, params(2, list(4, 1, 0)), func([]byte) {}, func(b []byte) { kept = append(kept, bytes.Clone(b)) })
	for _, b := range [][]byte{kept[0], kept[len(kept)/2], kept[len(kept)-1]} {
		if _, err := Load(b[:len(b)-1]); err == nil {
			t.Error("a state a byte short loads")
		}
		if _, err := Load(append(bytes.Clone(b), 0)); err == nil {
			t.Error("a state a byte long loads")
		}
		for i := range b {
			if i%7 != 0 {
				continue
			}
			c := bytes.Clone(b)
			c[i] ^= 0x5a
			r, err := Load(c)
			if err != nil {
				continue
			}
			if _, err := r.Tick(r.Params().InputsAt, [32]byte{1}); err != nil && r.at < Match {
				t.Logf("byte %d: %v", i, err)
			}
		}
	}
}

// The size of the state bytes does not depend on answers, and after the end no
// secret of the whole round is in them.
func TestStatesTellNothing(t *testing.T) {
	var sizes []int
	for _, a := range [][]Answer{{Yes(), No()}, {No(), No()}, {No(), Yes()}} {
		w := newTable(t, params(2, nil))
		w.join()
		w.answer(a...)
		secret := w.rounds[0].secret
		got := []int{len(w.rounds[0].State())}
		w.mangle = func(m sent) []sent {
			got = append(got, len(w.rounds[0].State()))
			return []sent{m}
		}
		w.at(w.p.InputsAt)
		w.all(NoMatch, -1)
		if bytes.Contains(w.rounds[0].State(), secret[:]) {
			t.Error("the key is in the state after the end")
		}
		if sizes == nil {
			sizes = got
		}
		if len(got) != len(sizes) {
			t.Fatalf("%d states, then %d", len(sizes), len(got))
		}
		for i := range got {
			if got[i] != sizes[i] {
				t.Errorf("state %d has %d bytes, then %d", i, sizes[i], got[i])
			}
		}
	}
}
