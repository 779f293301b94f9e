package main

import (
	"encoding/json"
	"errors"
	"time"

	"backchannel/internal/negotiation"
)

const failRefused = "refused" // a statement or message that nobody may take

// counted is randomness that grows from a counter.
type counted struct {
	seed string
	n    int
}

func (c *counted) Read(p []byte) (int, error) {
	c.n++
	copy(p, pattern(c.seed+string(rune('a'+c.n)), len(p)))
	return len(p), nil
}

// talks is the room of the vectors: three members, one statement of each of the
// kinds that matter.
func talks() []negotiation.Forged {
	at := func(minute int) time.Time { return time.Date(2026, 11, 12, 10, minute, 0, 0, time.UTC) }
	one, zero := 1, 0
	return must(negotiation.Forge(negotiation.Script{
		Title: "Straits talks", Members: []string{"Aldmark", "Borvia", "Cenia"}, Start: at(-10),
		Lines: []negotiation.Line{
			{Name: "signal", At: at(0), By: 0, Kind: "signal", Body: json.RawMessage(`{"text":"Is this line good?"}`)},
			{Name: "letter", At: at(1), By: 1, To: &zero, Kind: "letter", Body: json.RawMessage(`{"subject":"X","text":"We may drop our opposition."}`)},
			{Name: "agenda", At: at(2), By: 0, Kind: "agenda", Body: json.RawMessage(`{"rev":1,"issues":[
				{"id":1,"title":"Status of X","type":"choice","options":["opposed","accepted"],"outsiders":["Dorland"]},
				{"id":2,"title":"Fee","type":"range","range":{"min":"0","max":"10","step":"0.5","unit":"per ton"}},
				{"id":3,"title":"Wording","type":"text"}]}`)},
			{Name: "confirm 1", At: at(3), By: 1, Kind: "confirm", Body: json.RawMessage(`{"of":"@agenda"}`)},
			{Name: "confirm 2", At: at(3), By: 2, Kind: "confirm", Body: json.RawMessage(`{"of":"@agenda"}`)},
			{Name: "package", At: at(4), By: 2, Kind: "package", Body: json.RawMessage(`{"agenda":"@agenda","values":{"1":{"option":0},"2":{"number":"2.5"},"3":{"text":"Both sides note."}}}`)},
			{Name: "offer", At: at(5), By: 0, Kind: "offer", Body: json.RawMessage(`{"agenda":"@agenda","to":["@member:1"],"expires":1794500000,"only_if":["@package"],
				"gives":[{"by":"@member:0","issue":1,"value":{"option":1}}],"gets":[{"by":"@member:1","issue":2,"value":{"number":"-0"}}]}`)},
			{Name: "take", At: at(6), By: 1, Kind: "take", Body: json.RawMessage(`{"of":"@offer"}`)},
			{Name: "agreement", At: at(7), By: 0, Kind: "agreement", Body: json.RawMessage(`{"text":"All agree.","parties":["@member:0","@member:1"],"level":"sealed","lapses":1794990000}`)},
			{Name: "consent", At: at(8), By: 2, Kind: "consent", Body: json.RawMessage(`{"core":"@core:agreement"}`)},
			{Name: "other", At: at(9), By: 0, To: &one, Kind: "round/x", Raw: []byte{0xa0}},
			{Name: "comment", At: at(10), By: 0, Kind: "comment", Body: json.RawMessage(`{"on":"@package","text":"Too high."}`)},
			{Name: "draft", At: at(11), By: 1, Kind: "draft", Body: json.RawMessage(`{"rev":1,"title":"Joint text","text":"Both sides note."}`)},
			{Name: "draft 2", At: at(12), By: 2, Kind: "draft", Body: json.RawMessage(`{"rev":2,"base":"@draft","text":"Both sides note\nand welcome."}`)},
			{Name: "files", At: at(13), By: 2, Kind: "letter", Body: json.RawMessage(`{"text":"Enclosed.","attachments":[{"name":"map.bin","type":"application/octet-stream","data":"AAH/"},{"name":"empty","data":""}]}`)},
			{Name: "single", At: at(14), By: 0, Kind: "round", Body: json.RawMessage(`{"mode":"single","agenda":"@agenda","packages":["@package"],"parties":["@member:0","@member:1","@member:2"],
				"opener":"@member:0","inputs_at":1794490000,"deadline":1794500000}`)},
			{Name: "join", At: at(15), By: 1, Kind: "join", Body: json.RawMessage(`{"of":"@single"}`)},
			{Name: "ladder", At: at(16), By: 1, Kind: "round", Body: json.RawMessage(`{"mode":"ladder","agenda":"@agenda","issue":2,"figures":["0.5","1","10"],"parties":["@member:1","@member:2"],
				"directions":["buyer","seller"],"opener":"@member:1","inputs_at":1794490000,"deadline":1794500000}`)},
			{Name: "withdrawn", At: at(17), By: 1, Kind: "withdraw", Body: json.RawMessage(`{"of":"@ladder"}`)},
			{Name: "again", At: at(18), By: 0, Kind: "agreement", Body: json.RawMessage(`{"parties":["@member:0","@member:1","@member:2"],"level":"handshake","lapses":1794990000,
				"side_letter_of":"@agreement","agenda":"@agenda","packages":["@package"],"replaces":"@agreement"}`)},
			{Name: "communiqué", At: at(19), By: 0, Kind: "communique", Body: json.RawMessage(`{"agreement":"@again","text":"All three agree.",
				"keys":["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],"signature":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw=="}`)},
			{Name: "approve 1", At: at(20), By: 1, Kind: "approve", Body: json.RawMessage(`{"of":"@communiqué"}`)},
			{Name: "approve 2", At: at(20), By: 2, Kind: "approve", Body: json.RawMessage(`{"of":"@communiqué"}`)},
			{Name: "release", At: at(21), By: 0, Kind: "release", Body: json.RawMessage(`{"of":"@communiqué"}`)},
		},
	}, &counted{seed: "negotiation/"}))
}

// negotiationVectors are statements with their ids, bodies in both forms, the id
// of a room, cores, and what a decoder refuses.
func negotiationVectors() any {
	copies := talks()
	room := copies[0].Charter
	var members []string
	for _, id := range copies[0].Room.Members() {
		members = append(members, id.String())
	}
	v := []vector{{Op: "room", Name: "id of a room, from its plan and members",
		In: m{"plan": hx(room.Plan.Encode()), "members": members}, Out: m{"room": room.Room.String()}}}
	for _, row := range copies[1].Rows {
		if row.Erased {
			continue
		}
		s, ok := copies[1].Room.Statement(row.ID)
		if !ok {
			panic("gen: a row without its statement")
		}
		out := m{"id": row.ID.String(), "kind": string(s.Kind)}
		if s.Body != nil {
			out["body"] = s.Body
		}
		v = append(v, vector{Op: "statement", Name: "of the kind " + string(s.Kind), In: m{"without_vouch": hx(row.Raw)}, Out: out})
		if a, ok := s.Body.(*negotiation.Agreement); ok {
			v = append(v, vector{Op: "core", In: m{"body": hx(s.Raw)}, Out: m{"core": a.Core().String()}})
		}
	}
	v = append(append(v, formationVectors()...), vouchVectors(copies)...)
	return m{"vectors": append(v, refusedStatements(copies)...)}
}

// formationVectors are the messages by which a room comes about.
func formationVectors() (v []vector) {
	now := time.Date(2026, 11, 12, 10, 0, 0, 0, time.UTC)
	random := &counted{seed: "negotiation/formation/"}
	first, out, err := negotiation.NewFormation("Talks", []negotiation.Contact{{1}}, []string{"Aldmark", "Borvia"}, nil, 4, now, random)
	second := must(negotiation.Invited(negotiation.Contact{1}, must(out, err)[0].Raw, now))
	member := must(second.Join([]negotiation.Contact{{1}}, 4, random))
	confirm := must(first.Apply(negotiation.Contact{1}, member[0].Raw, now))
	decline := must(first.Decline())
	form := first.Plan.Form
	room := first.Room()
	for _, c := range []struct {
		name string
		step int
		body []byte
		raw  []byte
	}{
		{"invite", 1, first.Plan.Encode(), out[0].Raw},
		{"member", 2, second.Self[:], member[0].Raw},
		{"confirm", 3, room[:], confirm[0].Raw},
		{"decline", 4, nil, decline[0].Raw},
	} {
		v = append(v, vector{Op: "formation", Name: c.name, In: m{"step": c.step, "form": hx(form[:]), "body": hx(c.body)}, Out: m{"message": hx(c.raw)}})
	}
	return v
}

// vouchVectors are the tags and heads that go with statements.
func vouchVectors(copies []negotiation.Forged) (v []vector) {
	key := pattern32("negotiation/vouch")
	for _, seq := range []uint64{1, 300} {
		id := negotiation.ID(pattern32("negotiation/id"))
		v = append(v, vector{Op: "vouch", In: m{"key": hx(key), "seq": seq, "id": id.String()}, Out: m{"tag": hx(negotiation.VouchTag(&key, seq, id))}})
	}
	list := []negotiation.ID{{}, negotiation.ID(pattern32("negotiation/head/1")), negotiation.ID(pattern32("negotiation/head/2"))}
	v = append(v, vector{Op: "heads", Name: "nothing heard of the first member", In: m{"ids": []string{list[0].String(), list[1].String(), list[2].String()}}, Out: m{"heads": negotiation.Heads(list).String()}})
	return v
}

// refusedStatements are bytes that nobody may take as a statement.
func refusedStatements(copies []negotiation.Forged) (v []vector) {
	var good []byte
	for _, row := range copies[1].Rows {
		if s, ok := copies[1].Room.Statement(row.ID); ok && s.Kind == negotiation.KindLetter && s.Private() {
			good = row.Raw
		}
	}
	must(negotiation.ParseEnvelope(good))
	change := func(f func(*negotiation.Envelope)) []byte {
		e := must(negotiation.ParseEnvelope(good))
		f(e)
		return e.Encode()
	}
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"a byte more", append(append([]byte(nil), good...), 0)},
		{"indefinite length", append(append([]byte{0xbf}, good[1:]...), 0xff)},
		{"the length of the map in two bytes", append([]byte{0xb8, good[0] & 0x1f}, good[1:]...)},
		{"the version in two bytes", append([]byte{good[0], good[1], 0x18, good[2]}, good[3:]...)},
		{"no version", change(func(e *negotiation.Envelope) { e.Version = 0 })},
		{"number 0", change(func(e *negotiation.Envelope) { e.Seq = 0 })},
		{"number 2 after nothing", change(func(e *negotiation.Envelope) { e.Seq = 2 })},
		{"a private statement with a vector", change(func(e *negotiation.Envelope) { e.Vector = []uint64{0, 0, 0} })},
		{"a statement to the room without a vector", change(func(e *negotiation.Envelope) { e.Class = 0 })},
		{"a vouch tag too many", change(func(e *negotiation.Envelope) { e.Vouch = make([]byte, 16) })},
		{"class 2", change(func(e *negotiation.Envelope) { e.Class = 2 })},
		{"a kind in capitals", change(func(e *negotiation.Envelope) { e.Kind = "Letter" })},
		{"no time", change(func(e *negotiation.Envelope) { e.Time = 0 })},
		{"nothing", nil},
	} {
		_, err := negotiation.ParseEnvelope(c.b)
		v = append(v, vector{Op: "read_statement", Name: c.name, In: m{"envelope": hx(c.b)}, Error: refusal(err)})
	}
	for _, c := range []struct {
		name string
		kind negotiation.Kind
		b    string
	}{
		{"a signal with a bidirectional override", "signal", "a10163e280ae"},
		{"a signal with a zero-width space", "signal", "a10163e2808b"},
		{"an empty signal", "signal", "a10160"},
		{"a signal with an unknown key", "signal", "a2016161020a"},
		{"a signal that is a float", "signal", "a101f93c00"},
		{"a signal whose key stands twice", "signal", "a2016161016161"},
		{"a package with a float", "package", "a2015820" + hx(pattern32("negotiation/id")) + "02a102f93c00"},
		{"a package with a number that is not in its shortest form", "package", "a2015820" + hx(pattern32("negotiation/id")) + "02a102820a00"},
		{"a take of a short id", "take", "a1014101"},
		{"a kind that is unknown", "poll", "a0"},
	} {
		_, err := negotiation.ParseBody(c.kind, unhx(c.b))
		v = append(v, vector{Op: "read_body", Name: c.name, In: m{"kind": string(c.kind), "body": c.b}, Error: refusal(err)})
	}
	return v
}

func refusal(err error) string {
	if errors.Is(err, negotiation.ErrRefused) {
		return failRefused
	}
	return failed(err)
}
