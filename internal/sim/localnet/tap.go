package localnet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"backchannel/internal/wire"
)

// Tap is an observer on the line between one station and its entry: a SOCKS5
// proxy (RFC 1928) that forwards bytes and records the TLS records in them.
type Tap struct {
	ln net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn
	records [2][]Record // out of the station, into the station
}

// Record is one TLS record as the line shows it.
type Record struct {
	At   time.Time
	Kind byte // TLS content type
	Size int  // bytes
}

// NewTap begins to listen.
func NewTap() (*Tap, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tapping a line: %w", err)
	}
	t := &Tap{ln: ln}
	t.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.wg.Go(func() { t.serve(c) })
		}
	})
	return t, nil
}

// Addr is where the proxy listens.
func (t *Tap) Addr() string { return t.ln.Addr().String() }

// Close ends the lines.
func (t *Tap) Close() {
	t.ln.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}

// Seen returns what passed out of the station (0) or into it (1).
func (t *Tap) Seen(direction int) []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Record(nil), t.records[direction]...)
}

func (t *Tap) serve(station net.Conn) {
	defer station.Close()
	to, err := connectRequest(station)
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	if _, err := station.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return
	}
	t.mu.Lock()
	t.conns = append(t.conns, station, server)
	t.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { t.pass(0, server, station) })
	both.Go(func() { t.pass(1, station, server) })
	both.Wait()
}

// connectRequest reads a SOCKS5 greeting and a CONNECT request.
func connectRequest(c net.Conn) (string, error) {
	head := make([]byte, 262)
	if _, err := io.ReadFull(c, head[:2]); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c, head[:head[1]]); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c, head[:5]); err != nil {
		return "", err
	}
	var size int
	switch head[3] {
	case 1:
		size = net.IPv4len
	case 3:
		size = 1 + int(head[4])
	case 4:
		size = net.IPv6len
	default:
		return "", errors.New("an address of an unknown type")
	}
	rest := make([]byte, size+2)
	rest[0] = head[4]
	if _, err := io.ReadFull(c, rest[1:]); err != nil {
		return "", err
	}
	host := net.IP(rest[:size]).String()
	if head[3] == 3 {
		host = string(rest[1:size])
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(rest[size:])))), nil
}

func (t *Tap) pass(direction int, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	head := make([]byte, 5)
	body := make([]byte, 1<<15)
	for {
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(head[3:]))
		if n > len(body) {
			return
		}
		if _, err := io.ReadFull(from, body[:n]); err != nil {
			return
		}
		t.mu.Lock()
		t.records[direction] = append(t.records[direction], Record{time.Now(), head[0], n})
		t.mu.Unlock()
		if _, err := to.Write(append(bytes.Clone(head), body[:n]...)); err != nil {
			return
		}
	}
}

// aside is how many rounds one line may be behind the other at the cut, on a machine
// that lets one of them wait.
const aside = 8

// Compare returns how the line of one station differs before cut from that of
// another, idle, which nobody touches: in how many records of which size pass, in
// either direction, or in the rounds in which they leave.
//
// Records of two sizes may change places: frames of a set-up and of a round have
// times of their own, and on a busy machine two that are due together leave in
// either order. So each size is compared by itself, one record after the other.
func Compare(a, idle *Tap, p wire.Params, cut time.Time) error {
	// A round's cells leave at its start; the observer's own clock and scheduling
	// may make it a little later, never earlier.
	round := func(r Record) int64 { return int64(r.At.Sub(p.T0.Add(-p.Round/10)) / p.Round) }
	for direction, name := range []string{"leaving", "arriving"} {
		// The entry acknowledges each message as it arrives, beside the answers that
		// it sends to all: which comes first is the network's jitter, in the entry's
		// hand and no station's. They are counted apart.
		all, acksA := apart(a.Seen(direction), direction == 1, cut)
		left := bySize(all, cut)
		all, acksB := apart(idle.Seen(direction), direction == 1, cut)
		right := bySize(all, cut)
		if n := min(len(acksA), len(acksB)); len(acksA) != len(acksB) {
			// Onions follow each other quickly: of those under way at the cut one line may
			// have several acknowledged before the other.
			more, old := append(acksA[n:len(acksA):len(acksA)], acksB[n:]...), 0
			for _, r := range more {
				if r.At.Before(cut.Add(-aside * p.Round)) {
					old++
				}
			}
			if old > 1 {
				return fmt.Errorf("%d acknowledgements arrived at the one station, %d at the other", len(acksA), len(acksB))
			}
		}
		late, missing, compared, uneven := 0, 0, 0, 0
		for _, size := range slices.Sorted(maps.Keys(union(left, right))) {
			l, r := left[size], right[size]
			n := min(len(l), len(r))
			compared += n
			if direction == 0 {
				more, missed := lateness(l, r, round)
				late, missing = late+more, missing+missed
			}
			uneven += unevenness(r, round)
			// What one line has more is one that the cut separated from its like.
			for _, more := range append(l[n:len(l):len(l)], r[n:]...) {
				if more.At.Before(cut.Add(-aside * p.Round)) {
					return fmt.Errorf("%d records of %d bytes %s at the one station, %d at the other; the first that has no like passed %.3f s after the beginning: %v and %v",
						len(l), size>>8, name, len(r), more.At.Sub(p.T0).Seconds(), around(a.Seen(direction), more.At, p), around(idle.Seen(direction), more.At, p))
				}
			}
		}
		// Goroutines on a busy machine miss a tick, those of the one station as often as
		// those of the other. How often the idle one does says how busy it is. A
		// difference that follows the content makes the same one later every time.
		if limit := compared/8 + uneven; late > limit || -late > limit {
			return fmt.Errorf("of %d records the one station sent %d more in a later round than the idle one, whose own pace was uneven %d times", compared, late, uneven)
		}
		// A busy machine may leave out some, and is uneven besides.
		if 2*missing > uneven {
			return fmt.Errorf("of %d records %d have no like in the other line, and the pace of the idle one was uneven %d times", compared, missing, uneven)
		}
		if compared < 100 {
			return fmt.Errorf("only %d records were seen %s", compared, name)
		}
	}
	return nil
}

// Against compares a line with those of idle stations (Compare) and returns nil if it
// is like one of them: where idle lines differ from each other, the machine was too
// busy for one of them, and an observer learns nothing from such a difference.
func Against(a *Tap, idle []*Tap, p wire.Params, cut time.Time) error {
	var all []error
	for i, b := range idle {
		err := Compare(a, b, p, cut)
		if err == nil {
			return nil
		}
		all = append(all, fmt.Errorf("and idle line %d: %w", i, err))
	}
	return errors.Join(all...)
}

// Repeated runs a trial whose lines should be equal and, if they are not, two more; it
// returns what they found if that happened in two of the three. On the real clock of a
// busy machine any station may miss a moment for once. What its use does to it, it
// does each time.
func Repeated(trial func() error) error {
	first := trial()
	if first == nil {
		return nil
	}
	second := trial()
	if second == nil {
		if second = trial(); second == nil {
			return nil
		}
	}
	return fmt.Errorf("in two trials: %w", errors.Join(first, second))
}

// lateness follows two lines: how many more records of the first than of the second
// left in a later round than their like, and how many rounds one line has left out. A
// record is left out, not late, if the next one is where it should be.
func lateness(a, b []Record, round func(Record) int64) (late, missing int) {
	at := func(list []Record, i int) int64 {
		if i < len(list) {
			return round(list[i])
		}
		return math.MaxInt64
	}
	leftOut := func(early, behind []Record, i, j int) bool {
		return at(early, i+1) == at(behind, j) && at(behind, j+1) != at(behind, j)
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch order := cmp.Compare(round(a[i]), round(b[j])); {
		case order < 0 && leftOut(a, b, i, j):
			missing++
			i++
		case order > 0 && leftOut(b, a, j, i):
			missing++
			j++
		default:
			late += order
			i, j = i+1, j+1
		}
	}
	return late, missing
}

// unevenness is how many records followed the one before after another number of
// rounds than most.
func unevenness(all []Record, round func(Record) int64) int {
	steps, most := map[int64]int{}, 0
	for i := 1; i < len(all); i++ {
		d := round(all[i]) - round(all[i-1])
		steps[d]++
		most = max(most, steps[d])
	}
	return max(0, len(all)-1) - most
}

// bySize sorts the records before cut by size. All of them must be application
// data but for those of the handshake, which have sizes of their own.
func bySize(all []Record, cut time.Time) map[int][]Record {
	out := map[int][]Record{}
	for _, r := range all {
		if r.At.Before(cut) {
			key := r.Size<<8 | int(r.Kind)
			out[key] = append(out[key], r)
		}
	}
	return out
}

func union(a, b map[int][]Record) map[int]bool {
	out := map[int]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// around shows the records that passed within a round of at: their sizes and when
// they passed, in seconds of the schedule.
func around(all []Record, at time.Time, p wire.Params) (out []string) {
	for _, r := range all {
		if d := r.At.Sub(at); d.Abs() < p.Round {
			out = append(out, fmt.Sprintf("%d@%.3f", r.Size, r.At.Sub(p.T0).Seconds()))
		}
	}
	return out
}

// apart takes the entry's acknowledgements out: attempt ‖ type ‖ number in a
// WebSocket frame in a TLS record. Those after cut are nobody's.
func apart(all []Record, take bool, cut time.Time) (rest, taken []Record) {
	const size = 1 + wire.AttemptSize + 2 + 2 + 1 + 16
	for _, r := range all {
		switch {
		case !take || r.Size != size:
			rest = append(rest, r)
		case r.At.Before(cut):
			taken = append(taken, r)
		}
	}
	return rest, taken
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
