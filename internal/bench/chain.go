package bench

import (
	"errors"
	"fmt"
	"sync"

	"backchannel/internal/mix"
	"backchannel/internal/wire"
)

// chain is the relays of a network without everything else: each has its circuits
// and takes its part in a round.
type chain struct {
	params wire.Params
	sets   []*mix.Set
	round  uint64
}

// newChain makes synthetic circuits at every relay.
func newChain(relays, n, cell int) (*chain, error) {
	p, err := wire.Preset("small")
	if err != nil {
		return nil, err
	}
	p.Relays, p.Cell = relays, cell
	c := &chain{params: p}
	for hop := range relays {
		s, err := mix.NewSynthetic(p, hop, n)
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, s)
	}
	return c, nil
}

func (c *chain) erase() {
	for _, s := range c.sets {
		s.Erase()
	}
}

// step is one chunk: a whole number of cells.
func (c *chain) step() int { return wire.ChunkSize / c.params.Cell * c.params.Cell }

// inMemory carries one round forward, around and back, chunk by chunk, on the
// calling thread, and hands the answers to read.
func (c *chain) inMemory(in []byte, read func(answers []byte)) error {
	c.round++
	array := in
	var held *mix.Pass
	through := func(ps *mix.Pass, err error) error {
		if err != nil {
			return err
		}
		for off := 0; off < len(array); off += c.step() {
			if err := ps.Write(array[off:min(off+c.step(), len(array))]); err != nil {
				return err
			}
		}
		out, whole := ps.Output()
		if !whole {
			return errors.New("a pass is not finished after its last cell")
		}
		if held != nil {
			held.Release()
		}
		array, held = out, ps
		return nil
	}
	last := len(c.sets) - 1
	for _, s := range c.sets[:last] {
		if err := through(s.Forward(c.round)); err != nil {
			return err
		}
	}
	if err := through(c.sets[last].Turn(c.round)); err != nil {
		return err
	}
	for i := range last {
		if err := through(c.sets[last-1-i].Backward(c.round)); err != nil {
			return err
		}
	}
	read(array)
	held.Release()
	return nil
}

// line is a chain whose relays are connected by sockets: the entry's end first.
// A relay has a goroutine for each direction that reads its neighbour's array,
// processes each chunk as it comes, and sends on only what is whole; as at a server,
// chunks are processed one at a time.
type line struct {
	*chain
	cargo  cargo
	entry  Conn
	conns  []Conn
	nodes  []*sync.Mutex // each relay's one thread, on which it processes
	served sync.WaitGroup
	mu     sync.Mutex
	failed error
	frame  []byte
}

// cargo is the types of frames in which a line carries the two things that it can:
// a round, and as many bytes over the same sockets, whole arrays again, with nothing
// done to them. A link between servers looks at the type to choose how a frame
// travels.
type cargo struct{ round, bytes wire.Type }

var (
	asCells   = cargo{wire.TypeForward, wire.TypeBackward} // beside TLS
	asControl = cargo{wire.TypeBatch, wire.TypeReceipts}   // in TLS
)

// newLine connects the relays of c, each to the one before, the first to the entry.
func newLine(c *chain, k cargo, pair func(hop int) (dialled, accepted Conn, err error)) (*line, error) {
	l := &line{chain: c, cargo: k, nodes: make([]*sync.Mutex, len(c.sets))}
	for hop := range l.nodes {
		l.nodes[hop] = new(sync.Mutex)
	}
	var before, next []Conn // each relay's connection to the one before and after
	for hop := range c.sets {
		d, a, err := pair(hop)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connecting a chain: %w", err), l.close())
		}
		l.conns = append(l.conns, d, a)
		before, next = append(before, a), append(next, d)
	}
	l.entry = next[0]
	for hop, s := range c.sets {
		way := func(from, to Conn, begin func(round uint64) (*mix.Pass, error)) {
			w := &way{node: l.nodes[hop], from: from, to: to, begin: begin, round: k.round, step: c.step()}
			l.served.Go(func() { l.fail(fmt.Errorf("relay %d: %w", hop+1, w.serve())) })
		}
		if hop == len(c.sets)-1 {
			way(before[hop], before[hop], s.Turn)
			continue
		}
		way(before[hop], next[hop+1], s.Forward)
		way(next[hop+1], before[hop], s.Backward)
	}
	return l, nil
}

// fail keeps the first failure and ends all connections, so that nobody waits for
// a relay that is gone.
func (l *line) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
	for _, c := range l.conns {
		_ = c.Close() // a second close says that there was a first
	}
}

// close ends the line and waits for its relays.
func (l *line) close() error {
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	l.fail(errClosed)
	l.served.Wait()
	return failed
}

var errClosed = errors.New("the chain was taken down")

// carry sends in through the chain and hands over the chunks of what comes back.
func (l *line) carry(what wire.Type, in []byte, read func(chunk []byte)) error {
	return l.carryAtOnce(1, what, in, read)
}

// carryAtOnce sends in as so many rounds, one after the other without waiting for
// what comes back.
func (l *line) carryAtOnce(rounds int, what wire.Type, in []byte, read func(chunk []byte)) error {
	answered := make(chan error, 1)
	answers := func() (err error) {
		for i := 0; i < rounds && err == nil; i++ {
			err = readArray(l.entry, func(c wire.Chunk) error { read(c.Data); return nil })
		}
		return err
	}
	if rounds > 1 {
		go func() { answered <- answers() }()
	}
	var err error
	for i := 0; i < rounds && err == nil; i++ {
		l.round++
		err = sendArray(l.entry, what, l.round, in, l.step(), &l.frame, true)
	}
	if rounds > 1 {
		if err != nil {
			l.fail(err) // or who reads would wait for what was not sent
		}
		err = errors.Join(err, <-answered)
	} else if err == nil {
		err = answers()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return l.failed
	}
	return err
}

// way is one direction of one hop of a line; at the last relay it is both.
type way struct {
	node     *sync.Mutex
	from, to Conn
	begin    func(round uint64) (*mix.Pass, error)
	round    wire.Type // what is a round; anything else is only moved
	step     int
	frame    []byte
	idle     []byte // what leaves instead of the array when bytes are only moved
}

// serve carries rounds until a connection ends, and says why it did.
func (w *way) serve() error {
	for {
		if err := w.carry(); err != nil {
			return err
		}
	}
}

// carry takes one whole array from one neighbour and then sends one to another.
func (w *way) carry() error {
	var ps *mix.Pass
	var last wire.Chunk
	err := readArray(w.from, func(c wire.Chunk) (err error) {
		last = c
		if c.Type != w.round {
			return nil
		}
		w.node.Lock()
		defer w.node.Unlock()
		if ps == nil {
			if ps, err = w.begin(c.Round); err != nil {
				return err
			}
		}
		return ps.Write(c.Data)
	})
	if err != nil {
		return err
	}
	if ps == nil {
		if uint64(len(w.idle)) != last.Total {
			w.idle = make([]byte, last.Total)
		}
		return sendArray(w.to, last.Type, last.Round, w.idle, w.step, &w.frame, false)
	}
	out, whole := ps.Output()
	if !whole {
		return errors.New("the array was not whole")
	}
	defer ps.Release()
	return sendArray(w.to, last.Type, last.Round, out, w.step, &w.frame, true)
}

// sendArray sends a whole array in chunks, through one frame buffer. Without fill
// it sends as many bytes but leaves the frame's content as it is.
func sendArray(c Conn, t wire.Type, round uint64, array []byte, step int, frame *[]byte, fill bool) error {
	if len(*frame) != wire.ChunkHeaderSize+step {
		*frame = make([]byte, wire.ChunkHeaderSize+step)
	}
	for off := 0; off < len(array); off += step {
		part := array[off:min(off+step, len(array))]
		f := (*frame)[:wire.ChunkHeaderSize+len(part)]
		wire.PutChunkHeader(f, t, wire.Attempt{}, round, uint64(len(array)), uint64(off))
		if fill {
			copy(f[wire.ChunkHeaderSize:], part)
		}
		if err := c.WriteFrame(f); err != nil {
			return err
		}
	}
	return nil
}

// readArray reads the chunks of one whole array.
func readArray(c Conn, take func(wire.Chunk) error) error {
	for at := uint64(0); ; {
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		chunk, err := wire.ParseChunk(f)
		if err != nil {
			return err
		}
		if chunk.Offset != at {
			return errors.New("a chunk out of order")
		}
		if err := take(chunk); err != nil {
			return err
		}
		if at += uint64(len(chunk.Data)); at == chunk.Total {
			return nil
		}
	}
}
