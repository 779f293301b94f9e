package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// benchStations plays the stations of bench in a process of their own. It is not
// for people: it takes a crowdOrder and then a line for every round on standard
// input, and says "done" after each.
func benchStations() *cobra.Command {
	return &cobra.Command{
		Use: "stations", Hidden: true, Short: "Play the stations of a measurement", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return playStations(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// dialling is how many connections are made at a time.
const dialling = 16

// side is a station's end of one connection.
type side interface {
	send() error
	receive() error
	io.Closer
}

func playStations(ctx context.Context, in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to play: %w", err)
	}
	var o crowdOrder
	if err := json.Unmarshal(line, &o); err != nil || o.Count < 1 || o.Frame < wire.CellsHeaderSize {
		return fmt.Errorf("reading what to play: %w", errors.Join(err, errors.New("give the order that bench gives")))
	}
	dial, err := o.dialler()
	if err != nil {
		return err
	}
	sides := make([]side, o.Count)
	defer func() {
		for _, s := range sides {
			if s != nil {
				_ = s.Close() // the process ends
			}
		}
	}()
	each := func(f func(i int) error) error {
		errs := make([]error, dialling)
		var wg sync.WaitGroup
		for w := range dialling {
			wg.Go(func() {
				for i := w; i < len(sides) && errs[w] == nil; i += dialling {
					errs[w] = f(i)
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	if err := each(func(i int) (err error) { sides[i], err = dial(ctx); return err }); err != nil {
		return err
	}
	for {
		if _, err := io.WriteString(out, "done\n"); err != nil {
			return err
		}
		if _, err := r.ReadString('\n'); err != nil {
			return nil // bench has what it wanted
		}
		if err := each(func(i int) error { return sides[i].send() }); err != nil {
			return err
		}
		if err := each(func(i int) error { return sides[i].receive() }); err != nil {
			return err
		}
	}
}

func (o crowdOrder) dialler() (func(context.Context) (side, error), error) {
	if o.Plain {
		return func(ctx context.Context) (side, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Address)
			if err != nil {
				return nil, err
			}
			b := make([]byte, 4+o.Frame)
			putLength(b)
			return plainSide{c, b}, nil
		}, nil
	}
	pin, err1 := hex.DecodeString(o.Pin)
	network, err2 := hex.DecodeString(o.Net)
	if err := errors.Join(err1, err2); err != nil || len(pin) != suite.Ed25519PublicKeySize || len(network) != suite.HashSize {
		return nil, errors.New("reading what to play: a key or a hash of another size")
	}
	return func(ctx context.Context) (side, error) {
		c, err := link.StationDialer{
			Addresses: []string{o.Address}, Entry: link.PinnedKey(pin), Net: wire.Hash(network), Account: suite.NewAccountKey(suite.RandomKey()),
		}.Dial(ctx)
		if err != nil {
			return nil, err
		}
		f := make([]byte, o.Frame)
		f[0] = byte(wire.TypeCells)
		return linkSide{c, f}, nil
	}, nil
}

type plainSide struct {
	net.Conn
	frame []byte
}

func (s plainSide) send() error    { _, err := s.Write(s.frame); return err }
func (s plainSide) receive() error { _, err := io.ReadFull(s.Conn, s.frame); return err }

type linkSide struct {
	link.Conn
	frame []byte
}

func (s linkSide) send() error { return s.WriteFrame(s.frame) }

func (s linkSide) receive() error {
	f, err := s.ReadFrame()
	if err == nil && len(f) != len(s.frame) {
		err = errors.New("an answer of another size")
	}
	return err
}
