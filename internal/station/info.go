package station

import (
	"fmt"
	"time"
)

// The types below are what a station shows its principal: plain values, ready
// for JSON, without keys.

// Code classifies an Error for programs.
type Code string

// The codes.
const (
	CodeInvalid  Code = "invalid"   // the request itself is wrong
	CodeNotFound Code = "not-found" // no such contact or item
	CodeConflict Code = "conflict"  // it does not fit the present state
	CodeLocked   Code = "locked"    // the vault is locked
	CodeTooLarge Code = "too-large" // more bytes than an item may have
	CodeDenied   Code = "denied"    // wrong passphrase
	CodeFull     Code = "disk-full" // the disk is full; nothing was changed
	CodeInternal Code = "internal"  // anything else
)

// Error is what every method of Station returns: what was being done, what was
// wrong and what to do, in one line, without contacts, keys or addresses.
type Error struct {
	Code Code
	Text string
	Err  error // the cause, if any
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fault(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// ContactState is how far the acquaintance with a contact is.
type ContactState string

// The states of a contact.
const (
	StateInvited     ContactState = "invited"     // an invitation is out, nobody came yet
	StateAccepted    ContactState = "accepted"    // we accepted theirs and look for them
	StateIntroducing ContactState = "introducing" // both met; keys are being agreed
	StateIntroduced  ContactState = "introduced"  // keys agreed
	StateExpired     ContactState = "expired"     // nobody came in time; the invitation may have been used
	StateRefused     ContactState = "refused"     // what they sent did not fit their promise
	StateRestoring   ContactState = "restoring"   // we were restored from a backup and look for them
	StateLost        ContactState = "lost"        // the backup has no key of it: invite it anew
)

// ContactInfo describes one contact.
type ContactInfo struct {
	ID         string       `json:"id" doc:"local identifier, 32 hexadecimal digits"`
	Name       string       `json:"name" doc:"the name given here; nobody else sees it"`
	State      ContactState `json:"state" enum:"invited,accepted,introducing,introduced,expired,refused,restoring,lost" doc:"how far the acquaintance is; signals and letters are carried once it is introduced and ready"`
	Verified   bool         `json:"verified" doc:"the words were compared by voice"`
	Ready      bool         `json:"ready" doc:"the agreed keys are in use: signals and letters are carried"`
	Together   bool         `json:"together" doc:"cells to it are carried in the running circuits"`
	Restored   bool         `json:"restored" doc:"one of the two was restored from a backup; the words must be compared anew"`
	Held       bool         `json:"held" doc:"what waits for it is not sent until the words were compared again, or \"deliver\" says so: it was met again from a backup"`
	Backup     *time.Time   `json:"backup,omitempty" doc:"this contact is from a backup of then: what was exchanged between that and the restore is not here, unless it was offered again"`
	Lane       int          `json:"lane" doc:"its lane from 1, or 0 when parked"`
	Leaving    *time.Time   `json:"leaving,omitempty" doc:"when its lane will idle, if it was freed"`
	Waiting    int          `json:"waiting" doc:"items not yet delivered"`
	Created    time.Time    `json:"created" doc:"when the contact was made here"`
	Expires    *time.Time   `json:"expires,omitempty" doc:"when the invitation ends"`
	Invitation *Invitation  `json:"invitation,omitempty" doc:"until somebody came"`
	Muted      bool         `json:"muted" doc:"what arrives is not announced"`
	Unread     int          `json:"unread" doc:"items that are here whole and were not read"`
	Expiry     int64        `json:"expiry_seconds" doc:"own copies are erased so long after they were delivered or read; 0 never"`
	SealKey    string       `json:"seal_key,omitempty" doc:"the key with which its principal publishes that it signs, as noted here"`
	Rooms      int          `json:"rooms" doc:"rooms with it, which are erased with it when it is burned"`
	LastItem   *time.Time   `json:"last_item,omitempty" doc:"of the newest signal or letter"`
}

// Invitation is an invitation in the forms in which it can be handed over.
type Invitation struct {
	Text  string   `json:"text" doc:"to hand over as text or file"`
	Words []string `json:"words" doc:"the same as 31 words, to dictate"`
}

// ItemState is how far an item got.
type ItemState string

// The states of an item. The first three are the sender's.
const (
	ItemWaiting   ItemState = "waiting"   // none of it has left
	ItemSending   ItemState = "sent"      // some or all of it has left
	ItemDelivered ItemState = "delivered" // all of it is in the other station's vault
	ItemArriving  ItemState = "arriving"  // part of it is here
	ItemArrived   ItemState = "arrived"   // all of it is here

	ItemAcknowledged ItemState = "acknowledged" // delivered, and a person there said so
	ItemCancelled    ItemState = "cancelled"    // withdrawn by its sender before it was whole
)

// ItemInfo describes one signal or letter.
type ItemInfo struct {
	ID        string     `json:"id" doc:"32 hexadecimal digits"`
	Contact   string     `json:"contact" doc:"the contact's identifier"`
	Name      string     `json:"name" doc:"the contact's name"`
	Verified  bool       `json:"verified" doc:"whether that contact is verified"`
	Outgoing  bool       `json:"outgoing" doc:"sent from here; else it came in"`
	Kind      string     `json:"kind" enum:"signal,letter" doc:"signal: a short text; letter: anything"`
	Subject   string     `json:"subject,omitempty" doc:"of a letter"`
	FileName  string     `json:"file_name,omitempty" doc:"as its sender chose it: never a path to write to as it is"`
	MediaType string     `json:"media_type,omitempty" doc:"as its sender claims"`
	Size      int64      `json:"size" doc:"bytes of the content"`
	SHA256    string     `json:"sha256" doc:"of the content; for an incoming item computed over what arrived"`
	State     ItemState  `json:"state" enum:"waiting,sent,delivered,acknowledged,arriving,arrived,cancelled" doc:"waiting: none has left; sent: some or all has left; delivered: all is in the other vault; acknowledged: a person there said so; arriving, arrived: here in part, whole; cancelled: withdrawn"`
	Done      int64      `json:"done" doc:"bytes sent or arrived so far, header included"`
	Total     int64      `json:"total" doc:"bytes in all, header included; 0 while not known"`
	Read      bool       `json:"read" doc:"it was looked at here"`
	Created   time.Time  `json:"created" doc:"the time shown: when it was accepted here, or when the first of it arrived"`
	Finished  *time.Time `json:"finished,omitempty" doc:"when it was delivered or had arrived"`
	Damaged   bool       `json:"damaged,omitempty" doc:"the other side sent something else than it announced"`
	Left      *Left      `json:"left,omitempty" doc:"an estimate, for an item under way"`

	Acknowledged *time.Time `json:"acknowledged,omitempty" doc:"when a person said so: theirs (outgoing) or one's own (incoming)"`
	Expires      *time.Time `json:"expires,omitempty" doc:"when this copy will be erased"`
	Cancelled    bool       `json:"cancelled,omitempty" doc:"withdrawn by its sender before it was whole"`
	Text         string     `json:"text,omitempty" doc:"of a signal, or the text of a letter, up to 64 KiB"`
	TextType     string     `json:"text_type,omitempty" doc:"text/plain or text/markdown"`
	Parts        []Part     `json:"parts,omitempty" doc:"attachments of a letter"`
}

// Part describes an attachment of a letter.
type Part struct {
	Number    int    `json:"number" doc:"from 1"`
	FileName  string `json:"file_name" doc:"as its sender chose it: never a path to write to as it is"`
	MediaType string `json:"media_type" doc:"as its sender claims"`
	Size      int64  `json:"size" doc:"bytes"`
	SHA256    string `json:"sha256" doc:"of the content, 64 hexadecimal digits"`
}

// Page is a piece of a conversation, oldest first.
type Page struct {
	Items []ItemInfo `json:"items" doc:"signals and letters, oldest first"`
	More  bool       `json:"more" doc:"there is something before the first"`
	Next  string     `json:"next,omitempty" doc:"as before, it asks for the page that stands before this one; only if there is more" example:"p67b8b10a4c3e0f21"`
}

// Left is an estimate of what remains, if both stay connected and nothing of a
// higher priority comes between.
type Left struct {
	Rounds  int64   `json:"rounds" doc:"of the network"`
	Seconds float64 `json:"seconds" doc:"the same as time"`
}

// Status describes the station and its network.
type Status struct {
	Unlocked   bool        `json:"unlocked" doc:"the vault is open"`
	Connected  bool        `json:"connected" doc:"to the entry"`
	Usual      bool        `json:"usual" doc:"connected, and cells leave every round: the traffic is the same as always"`
	Network    string      `json:"network" doc:"name in the network file"`
	Net        string      `json:"net" doc:"hash of the network file"`
	Relays     []RelayInfo `json:"relays" doc:"in the order of the path"`
	Stations   int         `json:"stations" doc:"in the last signed roster"`
	Epoch      uint64      `json:"epoch" doc:"number of the present epoch"`
	Round      uint64      `json:"round" doc:"number of the present round"`
	NextEpoch  float64     `json:"next_epoch_seconds" doc:"until the next epoch begins"`
	Circuits   *uint64     `json:"circuits,omitempty" doc:"epoch whose circuits carry the cells"`
	Lanes      int         `json:"lanes" doc:"of this station, in every round"`
	LanesFree  int         `json:"lanes_free" doc:"lanes without a contact"`
	Attempt    uint32      `json:"attempt" doc:"number, within its epoch, of the set-up whose circuits carry the cells"`
	LastSetup  *time.Time  `json:"last_setup,omitempty" doc:"when a set-up last succeeded, since the start"`
	Attempts   int         `json:"attempts" doc:"set-ups begun since the start"`
	Aborted    int         `json:"aborted" doc:"set-ups since the start of which no circuits came"`
	Reconnects int         `json:"reconnects" doc:"to the entry, since the start"`
	Waiting    int         `json:"waiting" doc:"items not yet delivered"`
	Left       *Left       `json:"left,omitempty" doc:"until all of them are, if both sides stay"`
	ClockOff   bool        `json:"clock_off" doc:"this clock and the entry's differ by more than the tolerance"`
	ClockSkew  float64     `json:"clock_skew_seconds" doc:"this clock minus the entry's"`
	Proxy      bool        `json:"proxy" doc:"the entry is reached through a SOCKS5 proxy"`
	Backup     *time.Time  `json:"backup,omitempty" doc:"this station was restored from a backup of then: what came in or was written later is not here, unless the others still had it"`
	Warnings   []string    `json:"warnings" doc:"what is wrong or lacking, each in a sentence; empty if nothing is"`
	RoundTime  float64     `json:"round_seconds" doc:"length of a round"`
	EpochTime  float64     `json:"epoch_seconds" doc:"length of an epoch"`
}

// RelayInfo names a relay and who runs it.
type RelayInfo struct {
	Name     string `json:"name" doc:"in the network file"`
	Operator string `json:"operator" doc:"who runs it, in the network file"`
}

// Notice is an event for the principal; see EventKind.
type Notice struct {
	Time     time.Time `json:"time" doc:"when it happened"`
	Kind     EventKind `json:"kind" enum:"connected,disconnected,epoch,meetings,contact,sending,delivered,receiving,room,alarm,trouble,acknowledged,cancelled,expired,changed" doc:"what happened"`
	Contact  string    `json:"contact,omitempty" doc:"identifier, if it is about one"`
	Item     string    `json:"item,omitempty" doc:"identifier, if it is about one"`
	Room     string    `json:"room,omitempty" doc:"identifier, if it is about one"`
	Bytes    int64     `json:"bytes,omitempty" doc:"of the item that were sent or are here, header included"`
	Last     bool      `json:"last,omitempty" doc:"with these the item is here whole"`
	Epoch    uint64    `json:"epoch,omitempty" doc:"of the set-up that succeeded"`
	Stations int       `json:"stations,omitempty" doc:"that take part, in the roster of that set-up"`
	Text     string    `json:"text,omitempty" doc:"of trouble: what is wrong"`
}

// Draft is what a principal wants to send.
type Draft struct {
	Kind      string // "signal" or "letter"
	Subject   string
	FileName  string
	MediaType string
	Content   []byte

	// Attachments make the letter one with parts; Content is then its text, which
	// MediaType says how to read (text/markdown unless it is text/plain).
	Attachments []Attachment

	// Strip takes names and metadata out of every file, or refuses; see Strip.
	Strip bool
}

// Attachment is a file that goes with a letter.
type Attachment struct {
	FileName  string `json:"file_name" doc:"how the other side sees it; may be empty"`
	MediaType string `json:"media_type" doc:"such as application/pdf"`
	Content   []byte `json:"content" doc:"the file"`
}
