package sim

import (
	"context"
	"errors"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// deskTurns is how often in a round a station looks at its rooms. A running one
// does so at once; a station that negotiates shall not be quicker here than there.
const deskTurns = 20

// Desk is station i with all that its API does, rooms among it: the real one on the
// simulation's clock, vault and network. It stays the same until the station crashes;
// ask for it again afterwards. The station must know somebody (Introduce).
func (s *Sim) Desk(i int) (*station.Station, error) {
	h := s.Stations[i]
	if h.vault == nil {
		return nil, errors.New("looking at the rooms of " + h.Name + ": it has no open vault")
	}
	h.rooms = true
	if h.desk == nil {
		s.sit(h)
	}
	return h.desk, nil
}

func (s *Sim) sit(h *StationHost) {
	h.desk = station.Driven(&wire.Network{Name: "simulated", Params: s.Params}, h.Node, simulated{s, h.Name}, h.vault)
	h.nudged.Store(true)
}

// simulated is the driver of a simulated station.
type simulated struct {
	s    *Sim
	name string
}

// Do implements station.Driver.
func (d simulated) Do(_ context.Context, f func(now time.Time)) error {
	if !d.s.Net.Alive(d.name) {
		return errors.New("the simulated station has crashed")
	}
	d.s.Net.Do(d.name, f)
	return nil
}

// Stopped implements station.Driver: a crash is seen by Do.
func (simulated) Stopped() <-chan struct{} { return nil }

// desks reports whether any station's rooms are looked after.
func (s *Sim) desks() bool {
	for _, h := range s.Stations {
		if h.rooms {
			return true
		}
	}
	return false
}

// attend has every station do what waits on its tables.
func (s *Sim) attend() {
	for _, h := range s.Stations {
		if h.desk == nil || !s.Net.Alive(h.Name) || !h.nudged.Swap(false) {
			continue
		}
		for h.desk.Attend() {
		}
	}
}

// Said lists what station i keeps of its one room, in the order in which it came.
func (s *Sim) Said(i int) (rows []negotiation.Row, err error) {
	err = s.Stations[i].vault.View(func(tx *vault.Tx) error {
		rooms, err := tx.Rooms()
		if err != nil {
			return err
		}
		if len(rooms) != 1 {
			return errors.New("the station has not exactly one room")
		}
		rows, err = tx.RoomRows(rooms[0].Number)
		return err
	})
	return rows, err
}
