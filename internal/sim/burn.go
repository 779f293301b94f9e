package sim

import (
	"fmt"
	"time"

	"backchannel/internal/station"
)

// Burn erases contact j at station i, as station.Station.Burn does. What the two
// still had to deliver to each other is no longer expected.
func (s *Sim) Burn(i, j int) error {
	h := s.Stations[i]
	if h.vault == nil {
		return fmt.Errorf("burning at %s: it has no open vault", h.Name)
	}
	var w *station.Withdrawn
	s.Net.Do(h.Name, func(now time.Time) { w = h.Node.Withdraw(now, contactID(j)) })
	if err := h.vault.Burn(contactID(j), nil); err != nil {
		return err
	}
	s.Net.Do(h.Name, func(now time.Time) { h.Node.Forget(now, w) })
	delete(s.sent, [2]int{i, j})
	delete(s.sent, [2]int{j, i})
	return nil
}
