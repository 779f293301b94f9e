package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"backchannel/internal/bench"
	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// entryCrowds lets bench hold stations: their side runs in a second process of this
// program (bench_stations.go), the entry's side in this one, with the link that an
// entry has and a node that gives every frame back once all have come.
type entryCrowds struct{}

// Room implements bench.Crowds.
func (entryCrowds) Room() int { return openFiles() }

// crowdOrder is what the other process is told, as one line of JSON.
type crowdOrder struct {
	Address string `json:"address"`
	Count   int    `json:"count"`
	Frame   int    `json:"frame"`
	Plain   bool   `json:"plain"`
	Pin     string `json:"pin"` // of the entry, hex
	Net     string `json:"net"`
}

// crowd is one such second process and what it is connected to.
type crowd struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	server interface{ Close() error }
}

// Make implements bench.Crowds.
func (entryCrowds) Make(ctx context.Context, n, frame int, plain bool) (_ bench.Crowd, err error) {
	order := crowdOrder{Count: n, Frame: frame, Plain: plain}
	c := &crowd{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if plain {
		s, err := newPlainEntry(n, frame)
		if err != nil {
			return nil, err
		}
		c.server, order.Address = s, s.ln.Addr().String()
	} else {
		s, err := newBenchEntry(n, frame, &order)
		if err != nil {
			return nil, err
		}
		c.server = s
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, to play the stations: %w", err)
	}
	c.cmd = exec.CommandContext(ctx, self, "bench", "stations")
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the stations' process: %w", err)
	}
	if err := json.NewEncoder(c.in).Encode(order); err != nil {
		return nil, err
	}
	return c, c.wait()
}

// wait reads the other process's word that it is done.
func (c *crowd) wait() error {
	if line, err := c.out.ReadString('\n'); err != nil || line != "done\n" {
		return fmt.Errorf("the stations' process ended or failed: %w", errors.Join(err, errors.New("see above")))
	}
	return nil
}

// Round implements bench.Crowd.
func (c *crowd) Round() error {
	if _, err := io.WriteString(c.in, "round\n"); err != nil {
		return fmt.Errorf("talking to the stations' process: %w", err)
	}
	return c.wait()
}

// Close implements bench.Crowd.
func (c *crowd) Close() (err error) {
	if c.in != nil {
		err = c.in.Close()
	}
	if c.cmd != nil && c.cmd.Process != nil {
		err = errors.Join(err, c.cmd.Wait())
	}
	if c.server != nil {
		err = errors.Join(err, c.server.Close())
	}
	return err
}

// benchEntry is an entry's link around a node that hands back what came. It waits
// for the frames of all stations first, as an entry does for the chain.
type benchEntry struct {
	cancel context.CancelFunc
	ended  chan error
	env    link.Env
	count  int
	from   []link.Peer
	frames [][]byte
}

func newBenchEntry(n, frame int, order *crowdOrder) (*benchEntry, error) {
	key := suite.TLSKey(suite.RandomKey())
	network := suite.Hash(suite.LabelNetwork, []byte("bench"))
	order.Pin, order.Net = hex.EncodeToString(key[suite.SeedSize:]), hex.EncodeToString(network[:]) // seed ‖ public key
	ln, err := link.ListenStations("127.0.0.1:0", key, network, frame, entryHalfOpen, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	order.Address = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	e := &benchEntry{cancel: cancel, ended: make(chan error, 1), count: n}
	loop := link.NewLoop(link.LoopConfig{Node: e, Listeners: []link.Listener{ln}})
	go func() { e.ended <- loop.Run(ctx) }()
	return e, nil
}

// Close ends the loop and its listener.
func (e *benchEntry) Close() error { e.cancel(); return <-e.ended }

// Start implements link.Node.
func (e *benchEntry) Start(_ time.Time, env link.Env) { e.env = env }

// Connected implements link.Node.
func (e *benchEntry) Connected(time.Time, link.Peer) {}

// Disconnected implements link.Node.
func (e *benchEntry) Disconnected(time.Time, link.Peer) {}

// Woken implements link.Node.
func (e *benchEntry) Woken(time.Time) {}

// Received implements link.Node.
func (e *benchEntry) Received(_ time.Time, p link.Peer, frame []byte) {
	frame[0] = byte(wire.TypeAnswers)
	e.from, e.frames = append(e.from, p), append(e.frames, frame)
	if len(e.frames) < e.count {
		return
	}
	for i, p := range e.from {
		e.env.Send(p, e.frames[i])
	}
	clear(e.frames)
	e.from, e.frames = e.from[:0], e.frames[:0]
}

// plainEntry is the least that a program can do for as many connections: a
// goroutine each, which reads a frame and writes it back, when all have come, from
// where it lies.
type plainEntry struct {
	ln    net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
	count int
	come  int
	whole chan struct{} // closed when a round's frames are all there
}

func newPlainEntry(n, frame int) (*plainEntry, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &plainEntry{ln: ln, count: n, whole: make(chan struct{})}
	e.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, c)
			e.mu.Unlock()
			e.wg.Go(func() { e.serve(c, frame) })
		}
	})
	return e, nil
}

func (e *plainEntry) serve(c net.Conn, frame int) {
	defer c.Close()
	b := make([]byte, 4+frame)
	for {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		e.mu.Lock()
		whole := e.whole
		if e.come++; e.come == e.count {
			e.come, e.whole = 0, make(chan struct{})
			close(whole)
		}
		e.mu.Unlock()
		<-whole
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// Close ends the listener and, since the other process is gone, every connection.
func (e *plainEntry) Close() error {
	err := e.ln.Close()
	e.mu.Lock()
	for _, c := range e.conns {
		_ = c.Close() // most have ended by themselves
	}
	e.mu.Unlock()
	e.wg.Wait()
	return err
}

// putLength is how a plain frame says its size, as WebSocket's does with four bytes.
func putLength(b []byte) { binary.BigEndian.PutUint32(b, uint32(len(b)-4)) }
