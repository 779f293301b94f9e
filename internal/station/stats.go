package station

import (
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// trafficRounds is how many rounds of the station's own traffic are kept, as an
// observer would record it.
const trafficRounds = 600

// Tick is one round of a station's traffic as its observer sees it.
type Tick struct {
	Round    uint64
	Sent     int // bytes of the one cells frame; 0 if none left
	Received int // bytes of the one answers frame; 0 if none came

	// Own are bytes of letters and signals that went into or came out of the cells
	// about that round. No observer sees them. They are in memory only, and gone
	// when the vault closes.
	Own int
}

// stats are counts that hold for an idle station and a talking one alike.
type stats struct {
	connectedSince time.Time
	disconnects    int
	attempts       int // begun
	aborted        int // joined, and no circuits came of them
	revealed       int
	stations       int // in the last signed roster
	skew           time.Duration
	skewed         bool
	otherEpoch     uint64
	lastSetup      time.Time // of the last set-up that succeeded
	progress       map[wire.ItemID]uint32
	ticks          [trafficRounds]Tick
}

func (s *stats) tick(round uint64) *Tick {
	t := &s.ticks[round%trafficRounds]
	if t.Round != round {
		*t = Tick{Round: round}
	}
	return t
}

// own notes what an event says about content under way, for the principal's own
// picture beside the observer's.
func (n *Node) own(e Event) {
	s := &n.stats
	switch e.Kind {
	case EventEpoch:
		s.lastSetup = e.Time
	case EventSending, EventReceiving:
		if s.progress == nil {
			s.progress = map[wire.ItemID]uint32{}
		}
		before := s.progress[e.Item]
		s.progress[e.Item] = e.Bytes
		if round, ok := n.p.RoundAt(e.Time); ok && e.Bytes > before {
			s.tick(round).Own += min(int(e.Bytes-before), 2*n.p.MaxPayload()) // a restart begins in the middle
		}
		if e.Last {
			delete(s.progress, e.Item)
		}
	case EventDelivered:
		delete(s.progress, e.Item)
	}
}

// forgetOwn forgets what own noted of contents.
func (s *stats) forgetOwn() {
	s.progress = nil
	for i := range s.ticks {
		s.ticks[i].Own = 0
	}
}

func (s *stats) sent(_ time.Time, round uint64, size int)     { s.tick(round).Sent = size }
func (s *stats) received(_ time.Time, round uint64, size int) { s.tick(round).Received = size }

// Traffic returns the last count rounds before now, oldest first.
func (n *Node) Traffic(now time.Time, count int) []Tick {
	r, ok := n.p.RoundAt(now)
	count = min(count, trafficRounds)
	if !ok {
		return nil
	}
	var out []Tick
	for i := uint64(count); i > 0; i-- {
		if r < i {
			continue
		}
		t := n.stats.ticks[(r-i)%trafficRounds]
		if t.Round != r-i {
			t = Tick{Round: r - i}
		}
		out = append(out, t)
	}
	return out
}

// ServerTime is told the entry's clock at each connection. The entry is not
// trusted: its time is shown to the owner and never used.
func (n *Node) ServerTime(server, local time.Time) {
	n.stats.skew = local.Sub(server)
	n.stats.skewed = n.stats.skew.Abs() > n.p.ClockTolerance
	if n.stats.skewed {
		n.log.Warn("station: this clock and the network's differ by more than the tolerance: set the clock", "difference", n.stats.skew.Round(time.Millisecond))
	}
}

// observeEpoch notes for which epoch the relays make keys.
func (n *Node) observeEpoch(e uint64) { n.stats.otherEpoch = e }

// Health is the node's own view of itself.
type Health struct {
	Unlocked   bool
	Connected  bool
	Epoch      uint64
	Round      uint64
	Attempt    wire.Attempt // of the running circuits; zero without
	Circuits   bool         // cells are being sent
	Stations   int          // in the last signed roster
	LastSetup  time.Time    // zero before the first
	Attempts   int
	Aborted    int
	Revealed   int
	Reconnects int
	ClockSkew  time.Duration // own minus entry's, at the last connection
	ClockOff   bool          // beyond the tolerance
	Trouble    string        // the last local failure, until a commit succeeds
}

// Health describes the node at now.
func (n *Node) Health(now time.Time) Health {
	h := Health{
		Unlocked: n.vault != nil, Connected: n.connected, Stations: n.stats.stations,
		Attempts: n.stats.attempts, Aborted: n.stats.aborted, Revealed: n.stats.revealed,
		LastSetup: n.stats.lastSetup, Reconnects: n.stats.disconnects, ClockSkew: n.stats.skew, ClockOff: n.stats.skewed,
	}
	h.Epoch, _ = n.p.EpochAt(now)
	h.Round, _ = n.p.RoundAt(now)
	if n.current != nil {
		h.Attempt, h.Circuits = n.current.id, true
	}
	if n.failed != nil {
		h.Trouble = n.failed.Error()
	}
	return h
}

// freeLanes is how many lanes belong to nobody.
func (n *Node) freeLanes(now time.Time) int {
	e, _ := n.p.EpochAt(now)
	if n.vault == nil {
		return n.p.Lanes
	}
	return n.lanes.Idle(e)
}

// WordsOf tells a contact's words, if there are any, and whether one of the two
// was restored from a backup, for the simulation.
func (n *Node) WordsOf(id contact.ID) (words [4]uint16, known, restored bool) {
	if c := n.talks[id]; c != nil {
		words, known = c.session.Words()
		restored = c.session.Restored()
	}
	return words, known, restored
}

// Compared lets what waits for a contact go out, for the simulation.
func (n *Node) Compared(id contact.ID) {
	if c := n.talks[id]; c != nil {
		c.session.Vouch()
	}
}

// PhaseOf and TogetherWith tell how far a contact is, for the simulation.
func (n *Node) PhaseOf(id contact.ID) pairwise.Phase {
	if c := n.talks[id]; c != nil {
		return c.session.Phase()
	}
	return pairwise.Waiting
}

// VersionOf is which version of their keys the station and a contact have come to, 0
// for a contact that it does not have.
func (n *Node) VersionOf(id contact.ID) uint32 {
	if c := n.talks[id]; c != nil {
		return c.session.Version()
	}
	return 0
}

// TogetherWith tells whether the running circuits carry cells to the contact.
func (n *Node) TogetherWith(id contact.ID) bool { return n.together(id) }
