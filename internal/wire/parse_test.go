package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"backchannel/internal/suite"
)

// noise is deterministic filling.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func params(t testing.TB, preset string) Params {
	t.Helper()
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// appender is any document.
type appender interface{ Append([]byte) []byte }

// documents are the fixed-size documents with their decoders.
var documents = []struct {
	name  string
	size  int
	parse func([]byte) (appender, error)
}{
	{"KEYS", KeysSize, func(b []byte) (appender, error) { return ParseKeys(b) }},
	{"signed header", SignedHeaderSize, func(b []byte) (appender, error) { return ParseSignedHeader(b) }},
	{"seed", SeedBodySize, func(b []byte) (appender, error) { return ParseSeed(b) }},
	{"REVEAL", RevealSize, func(b []byte) (appender, error) { return ParseReveal(b) }},
}

// Every document of the right size decodes and encodes to itself, appended to
// whatever stands before it; every other size is refused.
func TestDocumentsReproduce(t *testing.T) {
	for i, d := range documents {
		in := noise(uint64(i), d.size)
		v, err := d.parse(in)
		if err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
		if got := v.Append([]byte("before")); !bytes.Equal(got, append([]byte("before"), in...)) {
			t.Errorf("%s: parse then append changed it", d.name)
		}
		if f := Frame(TypeKeys, v); f[0] != byte(TypeKeys) || !bytes.Equal(f[1:], in) || TypeOf(f) != TypeKeys {
			t.Errorf("%s: Frame", d.name)
		}
		for _, n := range []int{0, 1, d.size - 1, d.size + 1, 2 * d.size} {
			if _, err := d.parse(noise(1, n)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s of %d bytes instead of %d: %v", d.name, n, d.size, err)
			}
		}
	}
}

// The sizes of the protocol page, as sums.
func TestSizes(t *testing.T) {
	p := params(t, "small")
	for name, v := range map[string][2]int{
		"KEYS":          {KeysSize, 12 + 1 + 2*1216 + 3373},
		"header":        {HeaderSize, 12 + 32 + 4 + 32},
		"signed header": {SignedHeaderSize, 80 + 1 + 3373},
		"seed":          {SeedBodySize, 12 + 1 + 32},
		"REVEAL":        {RevealSize, 12 + 1 + 32 + 3373},
		"record":        {p.RecordSize(), 4 * 16},
		"ack":           {p.AckSize(), 4 * 32},
		"envelope":      {p.EnvelopeSize(), 3*1120 + 16 + 16},
		"onion":         {p.OnionSize(0), 3*1120 + 32 + 3*1136},
		"last layer":    {p.OnionSize(2), 3*1120 + 32 + 1136},
		"core":          {p.OnionSize(3), p.EnvelopeSize()},
		"receipts":      {p.ReceiptSize(0), 96},
		"last receipt":  {p.ReceiptSize(2), 32},
		"payload":       {p.MaxPayload(), 481},
		"cells":         {p.CellsFrameSize(), 21 + 8*512},
		"record data":   {MaxRecordData, 4072},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: %d bytes, want %d", name, v[0], v[1])
		}
	}
	for _, cell := range []int{256, 512, 1024} {
		if ChunkSize%cell != 0 {
			t.Errorf("chunks split cells of %d bytes", cell)
		}
	}
	if ChunkHeaderSize+ChunkSize > 1<<20 {
		t.Error("a chunk does not fit a frame of the link")
	}
}

// Every signature covers every field it is said to cover, and nothing passes
// under another relay, network or purpose.
func TestSignedDocuments(t *testing.T) {
	sk, other := suite.NewSigningKey(seedOf(1)), suite.NewSigningKey(seedOf(2))
	vk, net, net2 := sk.Public(), Hash(seedOf(3)), Hash(seedOf(4))
	a := Attempt{7, 1}

	k := Keys{Attempt: a, Relay: 2, Outer: noise(1, 1216), Inner: noise(2, 1216)}
	k.Sign(net, sk)
	if !k.Verify(net, vk) {
		t.Fatal("KEYS do not verify")
	}
	for name, bad := range map[string]func(k *Keys){
		"epoch":     func(k *Keys) { k.Epoch++ },
		"number":    func(k *Keys) { k.Number++ },
		"relay":     func(k *Keys) { k.Relay++ },
		"outer":     func(k *Keys) { k.Outer = noise(9, 1216) },
		"inner":     func(k *Keys) { k.Inner = noise(9, 1216) },
		"swapped":   func(k *Keys) { k.Outer, k.Inner = k.Inner, k.Outer },
		"signature": func(k *Keys) { k.Signature = bytes.Clone(k.Signature); k.Signature[99] ^= 1 },
		"missing":   func(k *Keys) { k.Signature = nil },
	} {
		c := k
		bad(&c)
		if c.Verify(net, vk) {
			t.Errorf("KEYS with another %s verify", name)
		}
	}
	if k.Verify(net2, vk) || k.Verify(net, other.Public()) {
		t.Error("KEYS verify for another network or relay")
	}

	h := Header{Attempt: a, AID: seedOf(5), Count: 3, List: seedOf(6)}
	s := SignHeader(h, 2, sk)
	if !s.Verify(vk) {
		t.Fatal("a header does not verify")
	}
	for name, bad := range map[string]func(s *SignedHeader){
		"epoch":  func(s *SignedHeader) { s.Epoch++ },
		"number": func(s *SignedHeader) { s.Number++ },
		"aid":    func(s *SignedHeader) { s.AID[0]++ },
		"count":  func(s *SignedHeader) { s.Count++ },
		"list":   func(s *SignedHeader) { s.List[31]++ },
	} {
		c := s
		bad(&c)
		if c.Verify(vk) {
			t.Errorf("a header with another %s verifies", name)
		}
	}
	r := SignReveal(a, 2, h.Hash(), sk)
	if !r.Verify(vk) || r.Verify(other.Public()) {
		t.Fatal("REVEAL")
	}
	r.Header[0] ^= 1
	if r.Verify(vk) {
		t.Error("a REVEAL over another header verifies")
	}
	// A header's signature is no REVEAL and the other way round.
	if (Reveal{a, 2, h.Hash(), s.Signature}).Verify(vk) {
		t.Error("a header's signature passes as a REVEAL")
	}
	r = SignReveal(a, 2, h.Hash(), sk)
	if (SignedHeader{h, 2, r.Signature}).Verify(vk) {
		t.Error("a REVEAL passes as a header's signature")
	}
}

// aid binds the network, the attempt and every relay's keys, in order.
func TestAIDBindsEverything(t *testing.T) {
	net, a := Hash(seedOf(1)), Attempt{3, 0}
	keys := []Keys{{a, 0, noise(1, 1216), noise(2, 1216), nil}, {a, 1, noise(3, 1216), noise(4, 1216), nil}}
	ref := AID(net, a, keys)
	signed := []Keys{keys[0], keys[1]}
	signed[0].Signature = noise(5, 10)
	if AID(net, a, signed) != ref {
		t.Error("signatures enter aid")
	}
	seen := map[Hash]string{ref: "the original"}
	for name, id := range map[string]Hash{
		"another network":   AID(seedOf(2), a, keys),
		"another epoch":     AID(net, Attempt{4, 0}, keys),
		"another number":    AID(net, Attempt{3, 1}, keys),
		"another order":     AID(net, a, []Keys{keys[1], keys[0]}),
		"fewer relays":      AID(net, a, keys[:1]),
		"another outer key": AID(net, a, []Keys{{a, 0, noise(9, 1216), keys[0].Inner, nil}, keys[1]}),
		"another inner key": AID(net, a, []Keys{keys[0], {a, 1, keys[1].Outer, noise(9, 1216), nil}}),
	} {
		if other := seen[id]; other != "" {
			t.Errorf("%s gives the aid of %s", name, other)
		}
		seen[id] = name
	}
	if TagOf(ref, seedOf(1)) == TagOf(ref, seedOf(2)) || TagOf(ref, seedOf(1)) == TagOf(net, seedOf(1)) {
		t.Error("tags do not commit to s and aid")
	}
}

func TestSorted(t *testing.T) {
	for _, c := range []struct {
		list string
		size int
		want bool
	}{
		{"", 2, true}, {"ab", 2, true}, {"abac", 2, true}, {"abab", 2, true}, {"acab", 2, false},
		{"aba", 2, false}, {"ab", 0, false}, {"ab", -1, false}, {"\x7fa\x80a", 2, true}, {"\x80a\x7fa", 2, false},
	} {
		if got := Sorted([]byte(c.list), c.size); got != c.want {
			t.Errorf("Sorted(%q, %d) = %v", c.list, c.size, got)
		}
	}
}

func TestAttemptFrames(t *testing.T) {
	p := params(t, "small")
	a := Attempt{1 << 40, 7}
	f := FrameAttempt(TypeJoin, a, []byte("ab"), nil, []byte("c"))
	if got, body, err := ParseAttemptFrame(f, 3); err != nil || got != a || string(body) != "abc" || TypeOf(f) != TypeJoin {
		t.Errorf("%v %q %v", got, body, err)
	}
	for _, n := range []int{0, 2, 4} {
		if _, _, err := ParseAttemptFrame(f, n); !errors.Is(err, ErrMalformed) {
			t.Errorf("a body of %d instead of 3 bytes: %v", n, err)
		}
	}
	onion := noise(1, p.OnionSize(0))
	f = FrameOnion(a, 7, onion)
	if got, i, o, err := p.ParseOnion(f); err != nil || got != a || i != 7 || !bytes.Equal(o, onion) {
		t.Errorf("onion: %v %d %v", got, i, err)
	}
	if _, _, _, err := p.ParseOnion(FrameOnion(a, 8, onion)); !errors.Is(err, ErrMalformed) {
		t.Errorf("onion number 8 of 8: %v", err)
	}
	if _, _, _, err := p.ParseOnion(f[:len(f)-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a cut onion: %v", err)
	}
	if got, ty, i, err := ParseAccepted(FrameAccepted(a, TypeOnion, 5)); err != nil || got != a || ty != TypeOnion || i != 5 {
		t.Errorf("accepted: %v %v %d %v", got, ty, i, err)
	}
	f, cells := p.NewCells(TypeCells, a, 99)
	copy(cells, noise(2, len(cells)))
	if got, r, c, err := p.ParseCells(f); err != nil || got != a || r != 99 || !bytes.Equal(c, cells) {
		t.Errorf("cells: %v %d %v", got, r, err)
	}
	for _, n := range []int{0, CellsHeaderSize, len(f) - 1} {
		if _, _, _, err := p.ParseCells(f[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cells cut to %d bytes: %v", n, err)
		}
	}
}

func TestChunks(t *testing.T) {
	a := Attempt{5, 1}
	for _, c := range []struct{ bytes, unit, frames int }{
		{0, 512, 1}, {512, 512, 1}, {ChunkSize, 512, 1}, {ChunkSize + 512, 512, 2}, {6800 * 100, 6800, 3}, {3*ChunkSize + 96, 96, 4},
	} {
		array := noise(uint64(c.bytes), c.bytes)
		frames := Chunks(TypeForward, a, 7, array, c.unit)
		if len(frames) != c.frames {
			t.Errorf("%d bytes in units of %d: %d frames, want %d", c.bytes, c.unit, len(frames), c.frames)
		}
		var got []byte
		for _, f := range frames {
			ch, err := ParseChunk(f)
			if err != nil {
				t.Fatal(err)
			}
			if ch.Type != TypeForward || ch.Attempt != a || ch.Round != 7 || ch.Total != uint64(c.bytes) || ch.Offset != uint64(len(got)) || len(ch.Data)%c.unit != 0 {
				t.Fatalf("%+v", ch)
			}
			got = append(got, ch.Data...)
		}
		if !bytes.Equal(got, array) {
			t.Errorf("%d bytes in units of %d do not come together again", c.bytes, c.unit)
		}
	}
	for name, c := range map[string]struct {
		total, offset uint64
		n             int
	}{
		"beyond the end":     {10, 8, 3},
		"offset beyond":      {10, 11, 0},
		"offset overflows":   {10, 1<<64 - 1, 4},
		"empty, not at zero": {10, 10, 0},
		"too large":          {1 << 40, 0, ChunkSize + 1},
	} {
		f, _ := NewChunk(TypeBatch, a, 0, c.total, c.offset, c.n)
		if _, err := ParseChunk(f); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, _ := NewChunk(TypeBatch, a, 0, 0, 0, 0)
	if _, err := ParseChunk(f); err != nil {
		t.Errorf("the one chunk of an empty array: %v", err)
	}
	if _, err := ParseChunk(f[:len(f)-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a cut header: %v", err)
	}
}

func TestCellFrames(t *testing.T) {
	p := params(t, "small")
	size := p.Cell - suite.AEADOverhead
	full := CellFrame{FrameData, 1<<32 - 1, 5, 0xf0f0f0f0, noise(1, p.MaxPayload())}
	for _, f := range []CellFrame{full, {FrameData, 0, 0, 0, []byte("x")}, {FramePadding, 0, 7, 1, nil}} {
		cell := noise(3, size) // leftovers must be overwritten
		f.Encode(cell)
		got, err := ParseCellFrame(cell)
		if err != nil || got.Kind != f.Kind || got.Seq != f.Seq || got.Ack != f.Ack || got.Bitmap != f.Bitmap || !bytes.Equal(got.Payload, f.Payload) {
			t.Errorf("%+v came back as %+v, %v", f, got, err)
		}
	}
	for name, spoil := range map[string]func(b []byte){
		"unknown kind":          func(b []byte) { b[0] = 2 },
		"data without payload":  func(b []byte) { clear(b); b[0] = byte(FrameData) },
		"padding with a number": func(b []byte) { clear(b); b[4] = 1 },
		"padding with payload":  func(b []byte) { b[0] = byte(FramePadding); clear(b[1:5]) },
		"length beyond":         func(b []byte) { b[13], b[14] = 0xff, 0xff },
		"dirty padding":         func(b []byte) { b[len(b)-1] = 1 },
	} {
		cell := make([]byte, size)
		CellFrame{FrameData, 3, 0, 0, []byte("abc")}.Encode(cell)
		spoil(cell)
		if _, err := ParseCellFrame(cell); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseCellFrame(make([]byte, CellFrameHeader-1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a cut frame: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a payload larger than the cell was encoded")
		}
	}()
	CellFrame{FrameData, 0, 0, 0, noise(1, p.MaxPayload()+1)}.Encode(make([]byte, size))
}

func TestRecords(t *testing.T) {
	id := ItemID(noise(1, 16))
	stream := []byte{}
	in := []Record{
		{ClassControl, false, id, 0, noise(2, MaxRecordData)}, {ClassLetter, true, id, 1<<32 - 11, noise(3, 10)}, {ClassSignal, true, id, 0, nil},
	}
	for _, r := range in {
		stream = r.Append(stream)
	}
	for _, want := range in {
		for n := range min(len(stream), RecordHeader+len(want.Data)) {
			if _, size, err := ParseRecord(stream[:n]); size != 0 || err != nil {
				t.Fatalf("%d bytes of a record: size %d, %v", n, size, err)
			}
		}
		got, size, err := ParseRecord(stream)
		if err != nil || size != RecordHeader+len(want.Data) || got.Class != want.Class || got.Last != want.Last || got.Item != want.Item || got.Offset != want.Offset || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("%v, size %d, %v", got, size, err)
		}
		stream = stream[size:]
	}
	if len(stream) != 0 {
		t.Error("bytes left over")
	}
	for name, spoil := range map[string]func(b []byte){
		"unknown class":      func(b []byte) { b[0] = Classes },
		"unknown flags":      func(b []byte) { b[1] = 2 },
		"too long":           func(b []byte) { b[22], b[23] = 0x0f, 0xe9 },
		"empty, not last":    func(b []byte) { b[1], b[22], b[23] = 0, 0, 0 },
		"offset beyond 4GiB": func(b []byte) { b[18], b[19], b[20], b[21] = 0xff, 0xff, 0xff, 0xff },
	} {
		b := Record{ClassSignal, true, id, 0, []byte("abc")}.Append(nil)
		spoil(b)
		if _, _, err := ParseRecord(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
