package contact

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

var written = time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC)

func TestNewHeader(t *testing.T) {
	h, err := NewHeader(Letter, "On \xff X", strings.Repeat("ä", 600), "text/plain", written.Add(time.Millisecond).In(time.FixedZone("", 3600)), []byte("abc"))
	want := Header{Letter, "On \uFFFD X", strings.Repeat("ä", 500), "text/plain", written, 3, suite.Digest([]byte("abc"))}
	if diff := cmp.Diff(want, h); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	for _, bad := range []string{"text/\n", "täxt", strings.Repeat("x", 128)} {
		if h, err := NewHeader(Letter, "", "", bad, written, nil); err != nil || h.Type != "" {
			t.Errorf("%q: %q, %v", bad, h.Type, err)
		}
	}
	if h, err := NewHeader(Signal, "", "", "", time.Time{}, nil); err != nil || !h.Time.IsZero() || h.Size != 0 {
		t.Errorf("empty: %+v, %v", h, err)
	}
	for name, c := range map[string]struct {
		kind Kind
		size int
		want error
	}{
		"largest letter": {Letter, MaxContent, nil},
		"too large":      {Letter, MaxContent + 1, ErrTooLarge},
		"longest signal": {Signal, MaxSignal, nil},
		"too long":       {Signal, MaxSignal + 1, ErrTooLarge},
		"no such kind":   {3, 0, ErrHeader},
		"nor this":       {0, 0, ErrHeader},
	} {
		if _, err := NewHeader(c.kind, "", "", "", written, make([]byte, c.size)); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The largest header fits its limit, the longest signal with the usual header
// fits one record, and the largest item fits the stream's offsets.
func TestHeaderSizes(t *testing.T) {
	h := Header{Letter, strings.Repeat("s", MaxSubject), strings.Repeat("n", MaxName), strings.Repeat("t", MaxType), time.Unix(maxTime, 0).UTC(), MaxContent, suite.Digest(nil)}
	b, err := h.Encode()
	if err != nil || len(b) > MaxHeader {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if got, n, err := ParseHeader(b); err != nil || n != len(b) || got != h {
		t.Errorf("%+v, %d, %v", got, n, err)
	}
	s, err := NewHeader(Signal, "", "", "", written, make([]byte, MaxSignal))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Encode(); err != nil || len(b)+MaxSignal > wire.MaxRecordData {
		t.Errorf("a signal has %d bytes, %v", len(b)+MaxSignal, err)
	}
	if MaxItem != MaxHeader+MaxContent || uint64(MaxItem) >= 1<<32 {
		t.Error("MaxItem")
	}
	for k, want := range map[Kind]wire.Class{Signal: wire.ClassSignal, Letter: wire.ClassLetter} {
		if k.Class() != want {
			t.Errorf("%v has class %d", k, k.Class())
		}
	}
}

func drawHeader(t *rapid.T) Header {
	h := Header{
		Kind: rapid.SampledFrom([]Kind{Signal, Letter}).Draw(t, "kind"), Subject: rapid.StringN(0, 300, MaxSubject).Draw(t, "subject"),
		Name: rapid.StringN(0, 300, MaxName).Draw(t, "name"), Type: rapid.StringMatching(`[ -~]{0,127}`).Draw(t, "type"),
		Size:   rapid.Uint32Range(0, MaxSignal).Draw(t, "size"),
		SHA256: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")),
	}
	if s := rapid.Int64Range(0, maxTime).Draw(t, "time"); s > 0 {
		h.Time = time.Unix(s, 0).UTC()
	}
	return h
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHeader(t)
		b, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		rest := rapid.SliceOf(rapid.Byte()).Draw(t, "content")
		got, n, err := ParseHeader(append(bytes.Clone(b), rest...))
		if err != nil || n != len(b) || got != h {
			t.Fatalf("%+v, %d, %v", got, n, err)
		}
		if got, n, err := ParseHeader(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err != nil || n != 0 || got != (Header{}) {
			t.Fatalf("a beginning: %+v, %d, %v", got, n, err)
		}
	})
}

// Only the one encoding is accepted.
func TestHeaderIsStrict(t *testing.T) {
	sum := suite.Digest(nil)
	full := map[int]any{1: 2, 2: "s", 3: "n", 4: "text/plain", 5: 1000, 6: 3, 7: sum[:]}
	with := func(k int, v any) map[any]any {
		m := map[any]any{}
		for kk, vv := range full {
			m[kk] = vv
		}
		if m[k] = v; v == nil {
			delete(m, k)
		}
		return m
	}
	marshal := func(v any) []byte {
		b, err := headerEnc.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	framed := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	if _, _, err := ParseHeader(framed(marshal(full))); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	good := marshal(full)
	indefinite := append(append([]byte{0xbf}, good[1:]...), 0xff)
	twice := append(append([]byte{good[0] + 1}, good[1:]...), good[1:3]...)
	longInt := append([]byte{good[0], 1, 0x18, 2}, good[3:]...)
	swapped := append([]byte{good[0]}, append(append(bytes.Clone(good[3:6]), good[1:3]...), good[6:]...)...)
	for name, bad := range map[string][]byte{
		"no kind":          marshal(with(1, nil)),
		"kind 0":           marshal(with(1, 0)),
		"kind 3":           marshal(with(1, 3)),
		"kind as text":     marshal(with(1, "letter")),
		"kind 258":         marshal(with(1, 258)),
		"empty subject":    marshal(with(2, "")),
		"subject bytes":    marshal(with(2, []byte("s"))),
		"subject null":     append([]byte{good[0], 1, 2, 2, 0xf6}, good[6:]...),
		"long subject":     marshal(with(2, strings.Repeat("s", MaxSubject+1))),
		"long name":        marshal(with(3, strings.Repeat("s", MaxName+1))),
		"no UTF-8":         append([]byte{good[0], 1, 2, 2, 0x61, 0xff}, good[6:]...),
		"type with a line": marshal(with(4, "text\nplain")),
		"time 0":           marshal(with(5, 0)),
		"negative time":    marshal(with(5, -1)),
		"year 10000":       marshal(with(5, maxTime+1)),
		"time as float":    marshal(with(5, 1000.5)),
		"no size":          marshal(with(6, nil)),
		"too large":        marshal(with(6, MaxContent+1)),
		"size beyond":      marshal(with(6, 1<<32)),
		"large signal":     marshal(map[int]any{1: 1, 6: MaxSignal + 1, 7: sum[:]}),
		"no digest":        marshal(with(7, nil)),
		"short digest":     marshal(with(7, sum[:31])),
		"long digest":      marshal(with(7, append(sum[:], 0))),
		"another key":      marshal(with(8, 1)),
		"a text key":       marshal(map[any]any{1: 2, 6: 3, 7: sum[:], "x": 1}),
		"a key twice":      twice,
		"not shortest":     longInt,
		"not in order":     swapped,
		"indefinite":       indefinite,
		"a tag":            append([]byte{0xc1}, good...),
		"an array":         marshal([]any{2, "s"}),
		"a rest":           append(bytes.Clone(good), 0),
		"cut":              good[:len(good)-1],
		"deep":             bytes.Repeat([]byte{0x81}, 2000),
	} {
		if h, n, err := ParseHeader(framed(bad)); !errors.Is(err, ErrHeader) || n != 0 || h != (Header{}) {
			t.Errorf("%s: %+v, %d, %v", name, h, n, err)
		}
	}
	for name, bad := range map[string][]byte{"no length": {0, 0}, "too long": {0xff, 0xff}} {
		if _, _, err := ParseHeader(bad); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var diagnostic any
	if err := cbor.Unmarshal(good, &diagnostic); err != nil {
		t.Error(err)
	}
}

// FuzzHeader: what is accepted is encoded to the same bytes.
func FuzzHeader(f *testing.F) {
	for _, h := range []Header{
		{Kind: Signal}, {Kind: Letter, Subject: "s", Name: "n.pdf", Type: "application/pdf", Time: written, Size: 1 << 20, SHA256: suite.Digest(nil)},
		NewNote(Acknowledgement, wire.ItemID{1}), NewNote(Cancellation, wire.ItemID{}),
	} {
		b, err := h.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, "content"...))
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{0, 0})
	note, err := NewNote(Acknowledgement, wire.ItemID{}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	for at, b := range map[int]byte{4: 5, 6: 15, 3: 0xa4} { // no kind, another size, a field more
		bad := bytes.Clone(note)
		bad[at] = b
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseHeader(b)
		if err != nil || n == 0 {
			if h != (Header{}) || n != 0 || err != nil && !errors.Is(err, ErrHeader) {
				t.Fatalf("%+v, %d, %v", h, n, err)
			}
			return
		}
		again, err := h.Encode()
		if err != nil || !bytes.Equal(again, b[:n]) {
			t.Fatalf("%x becomes %x, %v", b[:n], again, err)
		}
	})
}
