package station

import (
	"time"

	"backchannel/internal/link"
	"backchannel/internal/vault"
)

// Self-expiry erases own copies whose time is over. It runs at fixed times of this
// clock, whether there is anything to erase or not, in the lane that commits take;
// when a commit waits for it, cells are padding, which nobody can tell apart. What
// is due while the station is off or locked goes right after the vault is opened.

const (
	// sweepEvery is how often copies are looked through.
	sweepEvery = time.Minute
	// sweepBatch bounds what one transaction erases, so that commits come between.
	sweepBatch = 100
)

// scheduleSweep asks for the next full minute.
func (n *Node) scheduleSweep(now time.Time) {
	n.agenda.at(now.Truncate(sweepEvery).Add(sweepEvery), func(now time.Time) {
		n.scheduleSweep(now)
		n.sweep()
		n.nudge()
	})
}

// sweep erases what is over, batch after batch.
func (n *Node) sweep() {
	if n.vault == nil || n.sweeping {
		return
	}
	n.sweeping = true
	v := n.vault
	var gone []vault.Gone
	var err error
	n.env.Go(link.LaneDisk, func() {
		err = v.Update(func(tx *vault.Tx) error {
			if gone, err = tx.Expired(tx.Now(), sweepBatch); err != nil {
				return err
			}
			for _, g := range gone {
				if err := tx.DeleteItem(g.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}, func(now time.Time) {
		n.sweeping = false
		switch {
		case n.vault != v: // locked meanwhile
		case err != nil:
			n.fail(now, "erasing what has expired", err)
		default:
			for _, g := range gone {
				n.notify(Event{Time: now, Kind: EventExpired, Contact: g.Contact, Item: g.ID})
			}
			if len(gone) == sweepBatch {
				n.sweep()
			}
		}
	})
}
