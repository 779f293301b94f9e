package station

import (
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/wire"
)

// EventKind tells what an Event reports.
type EventKind string

// The events of a station, for its own principal only.
const (
	EventConnected    EventKind = "connected"    // to the entry
	EventDisconnected EventKind = "disconnected" // from the entry
	EventEpoch        EventKind = "epoch"        // a set-up succeeded: Epoch, Stations
	EventMeetings     EventKind = "meetings"     // a new set of circuits carries the cells
	EventContact      EventKind = "contact"      // a contact's state changed
	EventSending      EventKind = "sending"      // Bytes of Item are on their way
	EventDelivered    EventKind = "delivered"    // Item is in the other station's vault
	EventReceiving    EventKind = "receiving"    // Bytes of Item are in the own vault; Last ends it
	EventRoom         EventKind = "room"         // something changed in Room
	EventAlarm        EventKind = "alarm"        // what members of Room were told does not fit
	EventTrouble      EventKind = "trouble"      // Text

	EventAcknowledged EventKind = "acknowledged" // the other side's person has Item
	EventCancelled    EventKind = "cancelled"    // Item was withdrawn by its sender
	EventExpired      EventKind = "expired"      // the own copy of Item is erased: its time was over
	EventChanged      EventKind = "changed"      // something about Item or Contact was changed here
)

// Event is something that happened. Which fields are set depends on the kind.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Contact  contact.ID
	Item     wire.ItemID
	Room     RoomID
	Bytes    uint32
	Last     bool
	Epoch    uint64
	Stations int
	Text     string
}

// Watcher receives events. One that does not keep up loses the oldest: it is a
// hint to look, the vault is the truth.
type Watcher struct{ C chan Event }

// Watch registers a watcher; Unwatch ends it.
func (n *Node) Watch() *Watcher {
	w := &Watcher{C: make(chan Event, 512)}
	n.watchers[w] = struct{}{}
	return w
}

// Unwatch removes w and closes its channel.
func (n *Node) Unwatch(w *Watcher) {
	if _, ok := n.watchers[w]; ok {
		delete(n.watchers, w)
		close(w.C)
	}
}

func (n *Node) notify(e Event) {
	n.own(e)
	for w := range n.watchers {
		select {
		case w.C <- e:
		default:
			select {
			case <-w.C:
			default:
			}
			select {
			case w.C <- e:
			default:
			}
		}
	}
}
