package negotiation

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// exportFormat names the format of an exported room.
const exportFormat = "backchannel/room/1"

// Export is a room as JSON: who its members are by the names that the user gives
// them, and every statement, readable and as it was encoded. There is no vouch tag or
// key in it, no contact, nothing of Private, and nothing that proves anything:
// Forge makes the same.
type Export struct {
	Format     string           `json:"format"`
	Title      string           `json:"title"`
	Room       ID               `json:"room"`
	Self       MemberID         `json:"self"`
	Created    time.Time        `json:"created"`
	Plan       []byte           `json:"plan"` // CBOR, base64
	Members    []ExportMember   `json:"members"`
	Statements []ExportedRecord `json:"statements"`
}

// ExportMember is a member and its name.
type ExportMember struct {
	ID   MemberID `json:"id"`
	Name string   `json:"name"`
}

// ExportedRecord is one statement. Statement is for people and programs that
// read; ReadExport takes Envelope.
type ExportedRecord struct {
	ID        ID              `json:"id"`
	To        *MemberID       `json:"to,omitempty"`
	At        time.Time       `json:"at"`
	Envelope  []byte          `json:"envelope"` // CBOR, base64
	Erased    bool            `json:"erased,omitempty"`
	Statement json.RawMessage `json:"statement,omitempty"`
}

// Export writes the room for somebody to keep.
func (r *Room) Export(rows []Row, names func(MemberID) string) ([]byte, error) {
	x := Export{Format: exportFormat, Title: r.charter.Plan.Title, Room: r.charter.Room, Self: r.self,
		Created: r.charter.Created, Plan: encode(&r.charter.Plan), Statements: []ExportedRecord{}}
	for _, m := range r.members {
		name := names(m)
		if err := CheckLine("the name of a member", name, MaxText); err != nil {
			return nil, err
		}
		x.Members = append(x.Members, ExportMember{m, name})
	}
	for _, row := range rows {
		if row.Refused != "" {
			continue // it may be anything, a vouch tag included
		}
		rec := ExportedRecord{ID: row.ID, At: row.At.UTC(), Envelope: row.Raw, Erased: row.Erased}
		if !row.To.IsZero() {
			rec.To = &row.To
		}
		if s, ok := r.byID[row.ID]; ok && !row.Erased {
			b, err := json.Marshal(s)
			if err != nil {
				return nil, err
			}
			rec.Statement = b
		}
		x.Statements = append(x.Statements, rec)
	}
	return json.MarshalIndent(x, "", "  ")
}

// ReadExport makes a room of an export, to be looked at and no more: every id, chain
// and vector is checked as the station that wrote it checked them, and the whole is
// written again and compared. What rounds and signings say is for package conduct.
func ReadExport(b []byte) (*Room, func(MemberID) string, error) {
	var x Export
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return nil, nil, refused("the export is no JSON of a room: %v", err)
	}
	if x.Format != exportFormat {
		return nil, nil, refused("the export has the format %q, %q is read here", x.Format, exportFormat)
	}
	c := Charter{Self: x.Self, Room: x.Room, Created: x.Created}
	if err := decode(x.Plan, &c.Plan); err != nil {
		return nil, nil, err
	}
	if err := c.Plan.check(); err != nil {
		return nil, nil, err
	}
	names, ids, self := map[MemberID]string{}, []MemberID{}, false
	var called []string
	for i, m := range x.Members {
		names[m.ID] = m.Name
		ids, called = append(ids, m.ID), append(called, m.Name)
		contact := Contact{byte(i) + 1}
		if m.ID == x.Self {
			contact, self = Contact{}, true
		}
		c.Members = append(c.Members, Member{m.ID, contact})
	}
	if err := ascending(ids); err != nil {
		return nil, nil, err
	}
	if !self || uint64(len(ids)) != c.Plan.Size || c.Plan.room(ids) != x.Room {
		return nil, nil, refused("the members of the export are not those of its room")
	}
	if slices.Sort(called); !slices.Equal(called, slices.Sorted(slices.Values(c.Plan.Names))) {
		return nil, nil, refused("the members of the export have other names than in the plan of its room")
	}
	var rows []Row
	for _, s := range x.Statements {
		e, err := parseKept(s.Envelope)
		if err != nil {
			return nil, nil, err
		}
		if len(e.Vouch) > 0 {
			return nil, nil, refused("a statement of the export has vouch tags, which no export has")
		}
		row := Row{From: e.From, At: s.At, ID: s.ID, Raw: s.Envelope, Erased: s.Erased}
		if s.To != nil {
			row.To = *s.To
		}
		if _, member := names[row.From]; !member {
			return nil, nil, refused("a statement of the export is by nobody")
		}
		if row.To != (MemberID{}) && row.From != x.Self && row.To != x.Self {
			return nil, nil, refused("a private statement of the export is for somebody else")
		}
		if _, member := names[row.To]; !row.To.IsZero() && !member || row.To == row.From {
			return nil, nil, refused("a private statement of the export is for nobody")
		}
		if s.Erased && !e.Kind.secret() {
			return nil, nil, refused("a statement of the export is said to be erased and is not one that is")
		}
		rows = append(rows, row)
	}
	r, err := Restore(c, rows, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	name := func(m MemberID) string { return names[m] }
	if again, err := r.Export(rows, name); err != nil || !bytes.Equal(again, b) {
		return nil, nil, refused("the export does not say in words what its statements say, or is not as it was written")
	}
	return r, name, nil
}
