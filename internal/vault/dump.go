package vault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// A dump is the content of a backup: records, each length(4) ‖ CBOR in the core
// deterministic encoding (RFC 8949), and zeros after the last.
//
// What of the schema goes into it is decided here, column by column. A test
// compares the list with the schema: whoever adds a table or a column decides.

// tableRule says what a backup has of a table.
type tableRule struct {
	name    string
	columns []columnRule
	where   string // rows that are part of it; empty for all
	item    string // the column that names the item to which a row belongs, if so
}

// columnRule says what a backup has of a column: the value of an SQL expression.
type columnRule struct{ name, value string }

// kept are columns that are part of a backup as they are.
func kept(names ...string) (out []columnRule) {
	for _, n := range names {
		out = append(out, columnRule{n, n})
	}
	return out
}

// backupRules are the tables of a backup in an order in which rows can be
// inserted. Rows that belong to items come item by item.
var backupRules = []tableRule{
	// Whoever was verified must be compared anew. An invitation would be a key.
	{name: "contacts", columns: append(kept("number", "id", "name", "role", "created", "muted", "expiry", "seal_key"),
		columnRule{"expires", "0"}, columnRule{"verified", "0"}, columnRule{"invitation", "''"})},
	{name: "lanes", columns: kept("lane", "contact", "leaves")},
	{name: "erased", columns: kept("contact", "id")},
	// Invitations that were used here stay used, and the published seal key is known to
	// others (docs/decisions/0059). The rest belongs to a machine.
	{name: "settings", columns: kept("key", "value"), where: "key LIKE 'used/%' OR key = 'seal-key'"},
	// Rooms that exist, for reading: a station that was restored says nothing more in
	// them (docs/decisions/0048).
	{name: "rooms", where: "length(charter) > 0",
		columns: append(kept("number", "form", "room", "created", "formation", "charter", "lasting", "private", "looked"), columnRule{"local", "lasting"})},
	{name: "room_members", where: inRooms, columns: kept("room", "contact")},
	{name: "room_rows", where: inRooms, columns: kept("room", "number", "sender", "told", "at", "id", "raw", "erased", "refused")},
	// What arrived in part is offered again or belongs to the gap.
	// Messages of negotiations may hold keys; what was said is in the rooms.
	{name: "items", item: "number", where: "(outgoing = 1 OR finished > 0) AND class <> 2",
		columns: append(kept("number", "id", "contact", "outgoing", "class", "header", "parsed", "size", "created", "finished", "read", "damaged", "digest",
			"acknowledged", "cancelled", "seen", "note"),
			columnRule{"done", "iif(outgoing = 1 AND finished = 0, 0, done)"})},
	{name: "chunks", item: "item", columns: kept("item", "start", "data")},
	{name: "texts", item: "item", columns: kept("item", "owner", "subject", "body", "names", "body_type", "parts")}, // fills the index
	{name: "drafts", columns: kept("contact", "kind", "subject", "body")},
}

const inRooms = "room IN (SELECT number FROM rooms WHERE length(charter) > 0)"

// notInBackup are tables that no backup has, with the reason.
var notInBackup = map[string]string{
	"sessions": "keys that step and states of streams; K_re is written by itself",
	"frames":   "belong to a stream",
	"machines": "secrets of blind rounds and signings; a restored station ends them",
	"strays":   "belong to no room",
	"tokens":   "belong to programs on one machine",
	"burning":  "a contact that is being burned has no keys any more",

	"search":         "the full-text index: texts fills it",
	"search_config":  "the same",
	"search_data":    "the same",
	"search_docsize": "the same",
	"search_idx":     "the same",
}

func ruleOf(table string) *tableRule {
	if i := slices.IndexFunc(backupRules, func(r tableRule) bool { return r.name == table }); i >= 0 {
		return &backupRules[i]
	}
	return nil
}

// kinds of records.
const (
	dumpHead  = 1 // the first
	dumpTable = 2 // declares a table; rows name it by its number
	dumpRow   = 3
	dumpKey   = 4 // a contact's K_re, or that there is none
	dumpEnd   = 5 // the last: how many rows and keys there were
)

// dumpVersion is the version of the records.
const dumpVersion = 1

// maxDumpRecord bounds one record; the longest value is a piece of content.
const maxDumpRecord = 16 << 20

// dumpRecord is one record; which fields count depends on the kind.
type dumpRecord struct {
	Kind    uint8    `cbor:"1,keyasint"`
	Version uint32   `cbor:"2,keyasint,omitempty"` // head: dumpVersion
	Schema  uint32   `cbor:"3,keyasint,omitempty"` // head: of the vault
	Time    int64    `cbor:"4,keyasint,omitempty"` // head: when it was made, in milliseconds since 1970
	Net     []byte   `cbor:"5,keyasint,omitempty"` // head: hash of the network file
	Name    string   `cbor:"6,keyasint,omitempty"` // table
	Columns []string `cbor:"7,keyasint,omitempty"` // table
	Table   uint32   `cbor:"8,keyasint,omitempty"` // row: number of the table, in the order of their records
	Values  []any    `cbor:"9,keyasint,omitempty"` // row: int64, string or []byte
	Contact int64    `cbor:"10,keyasint,omitempty"`
	Role    uint8    `cbor:"11,keyasint,omitempty"`
	Key     []byte   `cbor:"12,keyasint,omitempty"` // key: K_re, empty if the two were not introduced
	Rows    uint64   `cbor:"13,keyasint,omitempty"` // end
	Keys    uint64   `cbor:"14,keyasint,omitempty"` // end
}

var (
	dumpEnc = must(cbor.CoreDetEncOptions().EncMode())
	dumpDec = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertSignedOrFail,
		MaxArrayElements: 1024, MaxMapPairs: 64, MaxNestedLevels: 4,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("vault: " + err.Error())
	}
	return v
}

// append encodes r with its length.
func (r dumpRecord) append(b []byte) ([]byte, error) {
	body, err := dumpEnc.Marshal(r)
	if err != nil {
		return b, err
	}
	if len(body) > maxDumpRecord {
		return b, fmt.Errorf("a record of %d bytes is too long for a backup", len(body))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...), nil
}

// readDump reads one record, which must be encoded as append does it.
func readDump(r io.Reader) (rec dumpRecord, err error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return rec, short(err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n == 0 || n > maxDumpRecord {
		return rec, fmt.Errorf("%w: a record has a wrong length", ErrBackup)
	}
	// What is not there takes no memory.
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return rec, short(err)
	}
	if err := dumpDec.Unmarshal(buf.Bytes(), &rec); err != nil {
		return rec, fmt.Errorf("%w: a record does not parse", ErrBackup)
	}
	for _, v := range rec.Values {
		switch v.(type) {
		case int64, string, []byte:
		default:
			return rec, fmt.Errorf("%w: a value has a wrong type", ErrBackup)
		}
	}
	if again, err := rec.append(nil); err != nil || !bytes.Equal(again[4:], buf.Bytes()) {
		return rec, fmt.Errorf("%w: a record is not encoded as it must be", ErrBackup)
	}
	return rec, nil
}
