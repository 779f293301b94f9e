package blind

import (
	"errors"

	"backchannel/internal/suite"
)

// Step is a step of the protocol; all parties take each of them, in this order.
type Step byte

// The steps. StepOpen comes once per cell, StepEcho only among more than two.
const (
	StepCommit Step = 1
	StepKey    Step = 2
	StepInput  Step = 3
	StepCoin   Step = 4
	StepBlind  Step = 5
	StepOpen   Step = 6
	StepEcho   Step = 7
)

// Sizes in bytes. A body is what the documented formula counts; the header is
// framing.
const (
	HeaderSize = 1 + 1 + 32        // step ‖ cell ‖ T
	CommitSize = 32                // H(key, coin hash)
	KeySize    = 32 + 32 + 32 + 32 // X ‖ V ‖ R ‖ coin hash
	CoinSize   = 32
	OpenSize   = 32 + 32 + 32 // D ‖ c ‖ z
	EchoSize   = 1

	cellSize = 32 + 32      // U ‖ V, as input or blinded
	bitSize  = 32 + 32 + 32 // c0 ‖ z0 ‖ z1
)

// ErrMalformed is every message that this round can have no use for: an unknown
// step or a wrong size.
var ErrMalformed = errors.New("reading a message of a blind round: unknown step or wrong size; the other side must send it again or the round lapses")

// A Message is one party's word in one step: what all earlier steps were in its
// view, and the body.
type Message struct {
	Step Step
	Cell uint8                // derived cell of StepOpen and StepEcho, else 0
	View [suite.HashSize]byte // T
	Body Body
}

// Body is one of Commit, Key, Input, Coin, Blind, Open and Echo.
type Body interface{ appendTo(b []byte) []byte }

// Commit is H(sender, X, proof, H(coin)).
type Commit struct{ Hash [32]byte }

// Key opens all of a Commit but the coin. V and R are the Schnorr proof.
type Key struct {
	X        Point
	V        Point
	R        Scalar
	CoinHash [32]byte
}

// A Bit proves that a ciphertext encrypts 0 or 1. The second challenge is the
// message's challenge minus the first.
type Bit struct{ C0, Z0, Z1 Scalar }

// Input is the encrypted answer with all its proofs under one challenge.
type Input struct {
	Cells     []Ciphertext
	Challenge Scalar
	Bits      []Bit
	Totals    []Scalar
}

// Coin opens the last part of a Commit.
type Coin struct{ Coin [32]byte }

// Blind has s·C for each derived cell, each with a fresh s, and proofs under one
// challenge.
type Blind struct {
	Cells     []Ciphertext
	Challenge Scalar
	Responses []Scalar
}

// Open is a decryption share of one cell. C and Z are the proof.
type Open struct {
	D Point
	C Scalar
	Z Scalar
}

// Echo says what a party saw: after a hit, all must have seen it.
type Echo struct{ Hit bool }

func (m Commit) appendTo(b []byte) []byte { return append(b, m.Hash[:]...) }

func (m Key) appendTo(b []byte) []byte {
	b = append(append(b, m.X.Bytes()...), m.V.Bytes()...)
	return append(append(b, m.R.Bytes()...), m.CoinHash[:]...)
}

func (m Input) appendTo(b []byte) []byte {
	for _, c := range m.Cells {
		b = c.appendTo(b)
	}
	b = append(b, m.Challenge.Bytes()...)
	for _, p := range m.Bits {
		b = append(append(append(b, p.C0.Bytes()...), p.Z0.Bytes()...), p.Z1.Bytes()...)
	}
	for _, z := range m.Totals {
		b = append(b, z.Bytes()...)
	}
	return b
}

func (m Coin) appendTo(b []byte) []byte { return append(b, m.Coin[:]...) }

func (m Blind) appendTo(b []byte) []byte {
	for _, c := range m.Cells {
		b = c.appendTo(b)
	}
	b = append(b, m.Challenge.Bytes()...)
	for _, z := range m.Responses {
		b = append(b, z.Bytes()...)
	}
	return b
}

func (m Open) appendTo(b []byte) []byte {
	return append(append(append(b, m.D.Bytes()...), m.C.Bytes()...), m.Z.Bytes()...)
}

func (m Echo) appendTo(b []byte) []byte {
	if m.Hit {
		return append(b, 1)
	}
	return append(b, 0)
}

// Encode writes step ‖ cell ‖ T ‖ body.
func (m Message) Encode() []byte {
	b := append([]byte{byte(m.Step), m.Cell}, m.View[:]...)
	return m.Body.appendTo(b)
}

// BodySize is the size of a step's body; 0 if the round has no such step.
func (p *Params) BodySize(s Step) int {
	l := p.layout()
	switch s {
	case StepCommit:
		return CommitSize
	case StepKey:
		return KeySize
	case StepInput:
		return cellSize*l.cells + ScalarSize + bitSize*len(l.bits) + ScalarSize*len(l.totals)
	case StepCoin:
		return CoinSize
	case StepBlind:
		return (cellSize+ScalarSize)*l.opened() + ScalarSize
	case StepOpen:
		return OpenSize
	case StepEcho:
		if len(p.Parties) > 2 {
			return EchoSize
		}
	}
	return 0
}

// Cells is how many cells a round opens at most.
func (p *Params) Cells() int { return p.layout().opened() }

// PartyBytes is what one party sends to each other in a round that opens every
// cell: the documented formula, without headers.
func (p *Params) PartyBytes() int {
	n := p.BodySize(StepOpen) * p.Cells()
	for _, s := range []Step{StepCommit, StepKey, StepInput, StepCoin, StepBlind, StepEcho} {
		n += p.BodySize(s)
	}
	return n
}

// peek reads a header and checks the size, not the body.
func (p *Params) peek(b []byte) (m Message, body []byte, err error) {
	if len(b) < HeaderSize {
		return m, nil, ErrMalformed
	}
	m.Step, m.Cell, m.View = Step(b[0]), b[1], [32]byte(b[2:HeaderSize])
	body = b[HeaderSize:]
	size := p.BodySize(m.Step)
	if size == 0 || size != len(body) {
		return m, nil, ErrMalformed
	}
	celled := m.Step == StepOpen || m.Step == StepEcho
	if celled && int(m.Cell) >= p.Cells() || !celled && m.Cell != 0 {
		return m, nil, ErrMalformed
	}
	return m, body, nil
}

// Decode is the inverse of Encode, for a round. It refuses any size but the
// step's, identities, and encodings that are not canonical.
func (p *Params) Decode(b []byte) (Message, error) {
	m, body, err := p.peek(b)
	if err != nil {
		return Message{}, err
	}
	if m.Body, err = p.decodeBody(m.Step, body); err != nil {
		return Message{}, err
	}
	return m, nil
}

func (p *Params) decodeBody(s Step, b []byte) (Body, error) {
	r := reader{b: b}
	l := p.layout()
	var body Body
	switch s {
	case StepCommit:
		body = Commit{r.hash()}
	case StepKey:
		body = Key{r.point(), r.point(), r.scalar(), r.hash()}
	case StepInput:
		in := Input{Cells: r.cells(l.cells), Challenge: r.scalar()}
		for range l.bits {
			in.Bits = append(in.Bits, Bit{r.scalar(), r.scalar(), r.scalar()})
		}
		for range l.totals {
			in.Totals = append(in.Totals, r.scalar())
		}
		body = in
	case StepCoin:
		body = Coin{r.hash()}
	case StepBlind:
		bl := Blind{Cells: r.cells(l.opened()), Challenge: r.scalar()}
		for range l.opened() {
			bl.Responses = append(bl.Responses, r.scalar())
		}
		body = bl
	case StepOpen:
		body = Open{r.point(), r.scalar(), r.scalar()}
	case StepEcho:
		hit := r.next(1)[0]
		if hit > 1 {
			return nil, ErrEncoding
		}
		body = Echo{hit == 1}
	}
	if r.err != nil || len(r.b) != 0 {
		return nil, ErrEncoding
	}
	return body, nil
}

// reader takes fields off bytes whose size was checked; the first error stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) next(n int) []byte {
	if r.err != nil || len(r.b) < n {
		r.err = ErrEncoding
		return make([]byte, n)
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

func (r *reader) hash() [32]byte { return [32]byte(r.next(32)) }

func (r *reader) point() Point {
	p, err := ParsePoint(r.next(PointSize))
	if err != nil {
		r.err = err
	}
	return p
}

func (r *reader) scalar() Scalar {
	s, err := ParseScalar(r.next(ScalarSize))
	if err != nil {
		r.err = err
	}
	return s
}

func (r *reader) cells(n int) (cells []Ciphertext) {
	for range n {
		cells = append(cells, Ciphertext{r.point(), r.point()})
	}
	return cells
}
