package vault

import (
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
)

// Room is what the vault has of one room, its statements aside.
type Room struct {
	Number    int64
	Form      negotiation.FormationID
	Created   time.Time
	Formation []byte // negotiation.Formation
	Charter   []byte // negotiation.Charter; empty until the room exists
	Local     []byte // negotiation.Room.Local
}

// AddRoom begins a room with its formation. members are the contacts that it is
// known to have so far; whichever of them is deleted takes the room along.
func (tx *Tx) AddRoom(form negotiation.FormationID, formation []byte, members []contact.ID) (number int64, err error) {
	if err := tx.exec(`INSERT INTO rooms (form, created, formation, charter, local, lasting, private) VALUES (?, ?, ?, x'', x'', x'', x'')`,
		form[:], tx.now(), formation); err != nil {
		return 0, err
	}
	number = tx.c.LastInsertRowID()
	return number, tx.addMembers(number, members)
}

func (tx *Tx) addMembers(room int64, members []contact.ID) error {
	for _, m := range members {
		n, err := tx.number(m)
		if err != nil {
			return err
		}
		if err := tx.exec(`INSERT OR IGNORE INTO room_members (room, contact) VALUES (?, ?)`, room, n); err != nil {
			return err
		}
	}
	return nil
}

// PutFormation replaces a room's formation and adds to its members.
func (tx *Tx) PutFormation(room int64, formation []byte, members []contact.ID) error {
	if err := tx.exec(`UPDATE rooms SET formation = ? WHERE number = ?`, formation, room); err != nil {
		return err
	}
	return tx.addMembers(room, members)
}

// PutCharter notes that a room exists.
func (tx *Tx) PutCharter(room int64, id negotiation.ID, charter []byte) error {
	return tx.exec(`UPDATE rooms SET room = ?, charter = ? WHERE number = ?`, id[:], charter, room)
}

// PutLocal replaces what a room keeps besides its rows: local, and lasting for
// backups. What local had before is gone from the log when Update returns, since it
// may have had keys.
func (tx *Tx) PutLocal(room int64, local, lasting []byte) error {
	tx.wipe = true
	return tx.exec(`UPDATE rooms SET local = ?, lasting = ? WHERE number = ?`, local, lasting, room)
}

// Rooms lists all rooms, oldest first.
func (tx *Tx) Rooms() (out []Room, err error) {
	err = tx.query(`SELECT number, form, created, formation, charter, local FROM rooms ORDER BY number`, func(s *sqlite3.Stmt) error {
		form, err := columnID(s, 1)
		out = append(out, Room{Number: s.ColumnInt64(0), Form: form, Created: columnTime(s, 2),
			Formation: columnBytes(s, 3), Charter: columnBytes(s, 4), Local: columnBytes(s, 5)})
		return err
	})
	return out, err
}

// Room returns one room, or ErrNotFound.
func (tx *Tx) Room(number int64) (r Room, err error) {
	err = tx.one(`SELECT number, form, created, formation, charter, local FROM rooms WHERE number = ?`, func(s *sqlite3.Stmt) error {
		form, err := columnID(s, 1)
		r = Room{Number: s.ColumnInt64(0), Form: form, Created: columnTime(s, 2),
			Formation: columnBytes(s, 3), Charter: columnBytes(s, 4), Local: columnBytes(s, 5)}
		return err
	}, number)
	return r, err
}

// RoomsOf lists the rooms in which a contact takes part, or was invited to.
func (tx *Tx) RoomsOf(id contact.ID) (numbers []int64, err error) {
	n, err := tx.number(id)
	if err != nil {
		return nil, err
	}
	err = tx.query(`SELECT room FROM room_members WHERE contact = ? ORDER BY room`, func(s *sqlite3.Stmt) error {
		numbers = append(numbers, s.ColumnInt64(0))
		return nil
	}, n)
	return numbers, err
}

// DeleteRoom erases a room with all that was said in it. It is ErrNotFound if there
// is none.
func (tx *Tx) DeleteRoom(number int64) error {
	if err := tx.exec(`DELETE FROM rooms WHERE number = ?`, number); err != nil {
		return err
	}
	if tx.c.Changes() == 0 {
		return ErrNotFound
	}
	tx.wipe = true
	return nil
}

// AddRoomRows appends to the statements of a room.
func (tx *Tx) AddRoomRows(room int64, rows []negotiation.Row) error {
	for _, r := range rows {
		var told []byte
		if !r.To.IsZero() {
			told = r.To[:]
		}
		if err := tx.exec(`INSERT INTO room_rows (room, number, sender, told, at, id, raw, erased, refused)
			VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM room_rows WHERE room = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
			room, r.From[:], bytesOf(told), r.At, r.ID[:], bytesOf(r.Raw), r.Erased, r.Refused); err != nil {
			return err
		}
	}
	return nil
}

// ForgetRoomRow replaces what a room keeps of one statement by less
// (negotiation.Room.Forget). What was there before is gone from the file and from the
// log when Update returns.
func (tx *Tx) ForgetRoomRow(room int64, r negotiation.Row) error {
	tx.wipe = true
	return tx.exec(`UPDATE room_rows SET raw = ?, erased = 1 WHERE room = ? AND id = ?`, r.Raw, room, r.ID[:])
}

// bytesOf binds an empty blob where nil would be NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// RoomRows lists the statements of a room in the order in which they were appended.
func (tx *Tx) RoomRows(room int64) (rows []negotiation.Row, err error) {
	err = tx.query(`SELECT sender, told, at, id, raw, erased, refused FROM room_rows WHERE room = ? ORDER BY number`, func(s *sqlite3.Stmt) error {
		r := negotiation.Row{At: columnTime(s, 2), Raw: columnBytes(s, 4), Erased: s.ColumnBool(5), Refused: s.ColumnText(6)}
		from, err := columnID(s, 0)
		if told := s.ColumnRawBlob(1); len(told) > 0 && copy(r.To[:], told) != len(r.To) || copy(r.ID[:], s.ColumnRawBlob(3)) != len(r.ID) || err != nil {
			return errors.Join(ErrDamaged, err)
		}
		r.From = from
		rows = append(rows, r)
		return nil
	}, room)
	return rows, err
}

// RoomNews is what of a room its user has not looked at.
type RoomNews struct {
	Looked bool             // at the room, ever
	IDs    []negotiation.ID // of the rows of others after that, in order of arrival
	Last   int64            // the number of the newest row of all, for LookedAt
}

// RoomNews says what others than self have said in a room since it was looked at.
// Not every row is a statement.
func (tx *Tx) RoomNews(room int64, self negotiation.MemberID) (n RoomNews, err error) {
	looked := int64(0)
	if err := tx.one(`SELECT looked, (SELECT coalesce(max(number), 0) FROM room_rows WHERE room = rooms.number) FROM rooms WHERE number = ?`,
		func(s *sqlite3.Stmt) error {
			looked, n.Last = s.ColumnInt64(0), s.ColumnInt64(1)
			return nil
		}, room); err != nil {
		return n, err
	}
	n.Looked = looked >= 0
	err = tx.query(`SELECT id FROM room_rows WHERE room = ? AND number > ? AND sender <> ? ORDER BY number`, func(s *sqlite3.Stmt) error {
		var id negotiation.ID
		if copy(id[:], s.ColumnRawBlob(0)) != len(id) {
			return ErrDamaged
		}
		n.IDs = append(n.IDs, id)
		return nil
	}, room, looked, self[:])
	return n, err
}

// LookedAt notes that a user has looked at the rows of a room up to a number, and
// says whether that is news. What was looked at stays so.
func (tx *Tx) LookedAt(room, number int64) (changed bool, err error) {
	err = tx.exec(`UPDATE rooms SET looked = ?2 WHERE number = ?1 AND looked < ?2
		AND ?2 <= (SELECT coalesce(max(number), 0) FROM room_rows WHERE room = ?1)`, room, number)
	return tx.c.Changes() > 0, err
}

// RoomPrivate returns what the user keeps to itself about a room
// (negotiation.Private), empty if nothing.
func (tx *Tx) RoomPrivate(room int64) (b []byte, err error) {
	err = tx.one(`SELECT private FROM rooms WHERE number = ?`, func(s *sqlite3.Stmt) error {
		b = columnBytes(s, 0)
		return nil
	}, room)
	return b, err
}

// PutRoomPrivate replaces it. What was there before is gone from the log when Update
// returns.
func (tx *Tx) PutRoomPrivate(room int64, private []byte) error {
	tx.wipe = true
	return tx.exec(`UPDATE rooms SET private = ? WHERE number = ?`, bytesOf(private), room)
}

// Machine is the state of a blind round or a signing under way.
type Machine struct {
	ID    []byte
	State []byte
}

// PutMachine replaces the state of one machine of a room. It is secret: it is part
// of no backup, and what was there before is gone from the log when Update returns.
func (tx *Tx) PutMachine(room int64, kind string, id, state []byte) error {
	tx.wipe = true
	return tx.exec(`INSERT INTO machines (room, kind, id, state) VALUES (?, ?, ?, ?)
		ON CONFLICT (room, kind, id) DO UPDATE SET state = excluded.state`, room, kind, bytesOf(id), bytesOf(state))
}

// Machines lists the machines of one kind of a room.
func (tx *Tx) Machines(room int64, kind string) (out []Machine, err error) {
	err = tx.query(`SELECT id, state FROM machines WHERE room = ? AND kind = ? ORDER BY id`, func(s *sqlite3.Stmt) error {
		out = append(out, Machine{ID: columnBytes(s, 0), State: columnBytes(s, 1)})
		return nil
	}, room, kind)
	return out, err
}

// Machine returns the state of one machine, or ErrNotFound.
func (tx *Tx) Machine(room int64, kind string, id []byte) (state []byte, err error) {
	err = tx.one(`SELECT state FROM machines WHERE room = ? AND kind = ? AND id = ?`, func(s *sqlite3.Stmt) error {
		state = columnBytes(s, 0)
		return nil
	}, room, kind, bytesOf(id))
	return state, err
}

// DropMachine erases a machine, if it is there.
func (tx *Tx) DropMachine(room int64, kind string, id []byte) error {
	tx.wipe = true
	return tx.exec(`DELETE FROM machines WHERE room = ? AND kind = ? AND id = ?`, room, kind, bytesOf(id))
}
