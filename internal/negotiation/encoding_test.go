package negotiation

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func one[T any](v T) *T { return &v }

// samples are a body of every kind, with every field set.
func samples() []Body {
	a, b := MemberID{1}, MemberID{2}
	return []Body{
		&Signal{Text: "Is this line good?"},
		&Letter{Subject: "X", Text: "First.\n\tSecond.", Attachments: []Attachment{{Name: "a.pdf", Type: "application/pdf", Data: []byte{1}}}},
		&Agenda{Rev: 2, Base: &ID{7}, Issues: []Issue{
			{ID: 1, Title: "Status", Type: Choice, Options: []string{"no", "yes"}, Affects: []MemberID{a, b}, Outsiders: []string{"Cenia"}},
			{ID: 5, Title: "Fee", Type: Range, Range: &Bounds{Min: dec10(-1, 0), Max: dec10(10, 0), Step: dec10(5, -1), Unit: "per ton"}},
			{ID: 6, Title: "Wording", Type: Text},
		}},
		&Confirm{Of: ID{1}},
		&Package{Agenda: ID{2}, Values: map[uint64]Value{1: OptionValue(0), 5: NumberValue(dec10(-15, -1)), 6: TextValue("Both sides note.")}, Note: "n"},
		&Offer{To: []MemberID{a}, Agenda: ID{2}, Gives: []Term{{By: a, Issue: 1, Value: OptionValue(1)}}, Gets: []Term{{By: b, Issue: 5, Value: NumberValue(dec10(3, 0))}},
			OnlyIf: []ID{{3}}, Expires: 1800000000, Replaces: &ID{4}, Answers: &ID{5}, Note: "n"},
		&Take{Of: ID{1}}, &Taken{Of: ID{1}, By: ID{2}}, &Withdraw{Of: ID{1}}, &Comment{On: ID{1}, Text: "Hm."},
		&Draft{Rev: 1, Title: "Text", Text: "One."}, &Draft{Rev: 2, Base: &ID{1}, Text: "Two."},
		&Round{Mode: Single, Agenda: ID{2}, Packages: []ID{{1}}, Parties: []MemberID{a, b}, Opener: a, InputsAt: 1, Deadline: 2},
		&Round{Mode: Ladder, Agenda: ID{2}, Issue: 5, Figures: []Decimal{dec10(1, 0), dec10(2, 0)}, Directions: []Direction{Seller, Buyer}, Parties: []MemberID{a, b}, Opener: b, InputsAt: 1, Deadline: 2},
		&Round{Mode: List, Agenda: ID{2}, Packages: []ID{{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}}, Cap: 2, Tiers: []uint64{1, 2}, Parties: []MemberID{a, b}, Opener: b, InputsAt: 1, Deadline: 2},
		&Join{Of: ID{1}},
		&Agreement{Text: "Agreed.", Parties: []MemberID{a, b}, Level: Public, Lapses: 1800000000, SideLetterOf: &ID{1}, Agenda: &ID{2}, Packages: []ID{{3}}, Replaces: &ID{4}},
		&Consent{Core: ID{1}},
		&Communique{Agreement: ID{1}, Text: "It is agreed.", Keys: [][]byte{make([]byte, 32)}, Signature: make([]byte, 64)},
		&Approve{Of: ID{1}}, &Release{Of: ID{1}},
		&vouchKey{First: 1, Key: [32]byte{1}}, &gossip{[]entry{{From: 1, Seq: 2, ID: ID{3}, Tag: [16]byte{4}}}},
		&showing{Statement: told(nil), Tag: make([]byte, TagSize)},
	}
}

// told is the encoding of a statement to a room of three.
func told(change func(*Envelope)) []byte {
	e := &Envelope{Version: 1, Room: ID{1}, From: MemberID{2}, Seq: 1, Vector: make([]uint64, 3), Heads: make([]byte, IDSize), Time: 1, Kind: KindSignal, Body: []byte{0xa0}}
	if change != nil {
		change(e)
	}
	return e.Encode()
}

func TestBodies(t *testing.T) {
	seen := map[Kind]bool{}
	for _, b := range samples() {
		raw, err := EncodeBody(b)
		if err != nil {
			t.Fatalf("%T: %v", b, err)
		}
		got, err := ParseBody(KindOf(b), raw)
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%T: %v\n%+v\n%+v", b, err, got, b)
		}
		seen[KindOf(b)] = true
		if KindOf(b).secret() {
			if _, err := BodyFromJSON(KindOf(b), []byte("{}")); err == nil {
				t.Errorf("%s can be said by a user", KindOf(b))
			}
			continue
		}
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := BodyFromJSON(KindOf(b), j); err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%s: %v\n%+v\n%+v", j, err, got, b)
		}
		if _, err := BodyFromJSON(KindOf(b), append(j[:len(j)-1:len(j)-1], `,"more":1}`...)); err == nil {
			t.Errorf("%s: an unknown member was taken", KindOf(b))
		}
		// Any other encoding of the same is refused.
		if _, err := ParseBody(KindOf(b), append(bytes.Clone(raw), 0)); !errors.Is(err, ErrRefused) {
			t.Errorf("%T with a byte more: %v", b, err)
		}
		if long := append([]byte{0xb8, raw[0] & 0x1f}, raw[1:]...); raw[0]>>5 == 5 {
			if _, err := ParseBody(KindOf(b), long); !errors.Is(err, ErrRefused) {
				t.Errorf("%T with a long length: %v", b, err)
			}
		}
	}
	for k := range bodies {
		if !seen[k] {
			t.Errorf("no sample of %s", k)
		}
	}
}

func TestRefusedBodies(t *testing.T) {
	a, b := MemberID{1}, MemberID{2}
	issue := Issue{ID: 1, Title: "T", Type: Text}
	round := func(f func(*Round)) *Round {
		r := &Round{Mode: Single, Packages: []ID{{1}}, Parties: []MemberID{a, b}, Opener: a, InputsAt: 1, Deadline: 2}
		f(r)
		return r
	}
	many := make([]ID, 8)
	for i := range many {
		many[i][0] = byte(i)
	}
	for name, body := range map[string]Body{
		"empty signal":                &Signal{},
		"long signal":                 &Signal{Text: strings.Repeat("a", MaxSignal+1)},
		"bidirectional text":          &Signal{Text: "a\u202eb"},
		"zero width":                  &Letter{Text: "a\u200bb"},
		"line break in a subject":     &Letter{Subject: "a\nb"},
		"not UTF-8":                   &Comment{Text: "\xff"},
		"attachment without name":     &Letter{Attachments: []Attachment{{}}},
		"agenda without issues":       &Agenda{Rev: 1},
		"revision 0":                  &Agenda{Issues: []Issue{issue}},
		"issue 0":                     &Agenda{Rev: 1, Issues: []Issue{{Title: "T", Type: Text}}},
		"issue twice":                 &Agenda{Rev: 1, Issues: []Issue{issue, issue}},
		"choice without options":      &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Choice}}},
		"option twice":                &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Choice, Options: []string{"a", "a"}}}},
		"range without bounds":        &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Range}}},
		"range downwards":             &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Range, Range: &Bounds{Min: dec10(2, 0), Max: dec10(1, 0), Step: dec10(1, 0)}}}},
		"range without steps":         &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Range, Range: &Bounds{Min: dec10(1, 0), Max: dec10(2, 0)}}}},
		"number with zeros":           &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Range, Range: &Bounds{Max: Decimal{Mantissa: 10}, Step: dec10(1, 0)}}}},
		"affected out of order":       &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Text, Affects: []MemberID{b, a}}}},
		"outsider twice":              &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Text, Outsiders: []string{"C", "C"}}}},
		"empty package":               &Package{},
		"empty offer":                 &Offer{},
		"offer to one twice":          &Offer{To: []MemberID{a, a}, Gives: []Term{{Value: OptionValue(0)}}},
		"first draft with base":       &Draft{Rev: 1, Base: &ID{1}, Title: "T"},
		"second draft without base":   &Draft{Rev: 2},
		"second draft with title":     &Draft{Rev: 2, Base: &ID{1}, Title: "T"},
		"round of one":                round(func(r *Round) { r.Parties = r.Parties[:1] }),
		"round opened by nobody":      round(func(r *Round) { r.Opener = MemberID{9} }),
		"round ended before it began": round(func(r *Round) { r.InputsAt = 2 }),
		"round of no mode":            round(func(r *Round) { r.Mode = 0 }),
		"single with two packages":    round(func(r *Round) { r.Packages = many[:2] }),
		"single with a cap":           round(func(r *Round) { r.Cap = 1 }),
		"list without cap":            round(func(r *Round) { r.Mode, r.Packages = List, many }),
		"list with a high cap":        round(func(r *Round) { r.Mode, r.Packages, r.Cap = List, many, 3 }),
		"list with a package twice":   round(func(r *Round) { r.Mode, r.Packages, r.Cap = List, []ID{{1}, {2}, {3}, {1}}, 1 }),
		"list of three parties":       round(func(r *Round) { r.Mode, r.Packages, r.Cap, r.Parties = List, many, 2, append(r.Parties, MemberID{3}) }),
		"ladder with packages": round(func(r *Round) {
			r.Mode, r.Issue, r.Figures, r.Directions = Ladder, 1, []Decimal{dec10(1, 0), dec10(2, 0)}, []Direction{1, 2}
		}),
		"ladder of two sellers": round(func(r *Round) {
			r.Mode, r.Packages, r.Issue, r.Figures, r.Directions = Ladder, nil, 1, []Decimal{dec10(1, 0), dec10(2, 0)}, []Direction{1, 1}
		}),
		"ladder downwards": round(func(r *Round) {
			r.Mode, r.Packages, r.Issue, r.Figures, r.Directions = Ladder, nil, 1, []Decimal{dec10(2, 0), dec10(1, 0)}, []Direction{1, 2}
		}),
		"agreement without content":         &Agreement{Parties: []MemberID{a, b}, Level: Handshake, Lapses: 1},
		"agreement of one":                  &Agreement{Text: "T", Parties: []MemberID{a}, Level: Handshake, Lapses: 1},
		"agreement of no level":             &Agreement{Text: "T", Parties: []MemberID{a, b}, Lapses: 1},
		"agreement for ever":                &Agreement{Text: "T", Parties: []MemberID{a, b}, Level: Handshake},
		"packages without agenda":           &Agreement{Packages: many[:1], Parties: []MemberID{a, b}, Level: Handshake, Lapses: 1},
		"agreement with a package twice":    &Agreement{Packages: []ID{{1}, {1}}, Agenda: &ID{1}, Parties: []MemberID{a, b}, Level: Handshake, Lapses: 1},
		"communiqué of nothing":             &Communique{},
		"communiqué with a short key":       &Communique{Text: "T", Keys: [][]byte{{1}}},
		"communiqué with a signature alone": &Communique{Text: "T", Signature: make([]byte, 64)},
		"nothing shown":                     &showing{},
		"shown with a short tag":            &showing{Statement: told(nil), Tag: []byte{1}},
		"shown with its vouch tags":         &showing{Statement: told(func(e *Envelope) { e.Vouch = make([]byte, TagSize) })},
		"shown private statement":           &showing{Statement: told(func(e *Envelope) { e.Class, e.Vector, e.Heads = ClassPrivate, nil, nil })},
		"shown vouch key":                   &showing{Statement: told(func(e *Envelope) { e.Kind = kindKeys })},
	} {
		if _, err := EncodeBody(body); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParseBody(KindOf(body), must(enc.Marshal(body))); !errors.Is(err, ErrRefused) && !strings.Contains(name, "UTF-8") {
			t.Errorf("%s was read: %v", name, err)
		}
	}
	if _, err := enc.Marshal(Value{}); err == nil {
		t.Error("a value of no type was encoded")
	}
}

func TestText(t *testing.T) {
	for _, r := range "\u0000\u001b\u007f\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u202a\u202e\u2060\u2066\u2069\ufe0f\ufeff\U000e0041\U000f0000" {
		if CheckText("it", "a"+string(r)+"b", 100) == nil {
			t.Errorf("U+%04X may stand in a text", r)
		}
		if got := CleanText("a" + string(r) + "b\r\n"); got != "ab\n" {
			t.Errorf("cleaned: %q", got)
		}
	}
	for _, s := range []string{"", "Größe\n\tпрайс — “€”", "北京 ١٢٣ שלום", "e\u0301"} {
		if err := CheckText("it", s, 100); err != nil {
			t.Error(err)
		}
	}
	if CheckLine("it", "a\nb", 100) == nil || CheckText("it", "abc", 2) == nil || need("it", "  ") == nil {
		t.Error("a line of two lines, a long text or an empty one was taken")
	}
}

func TestDecimals(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "1": "1", "12.50": "12.5", "-0.001": "-0.001", "1000": "1000", "0.10": "0.1", "007": "7",
		"1000000000000000000": "1000000000000000000", "-9.99": "-9.99",
	} {
		d, err := ParseDecimal(in)
		if err != nil || d.String() != want {
			t.Errorf("%s is %v, %v", in, d, err)
		}
		if d.check() != nil {
			t.Errorf("%s is not in its shortest form", in)
		}
	}
	for _, in := range []string{"", "-", ".", "1.", "+1", "1e3", "0x1", " 1", "1.-2", "1 000", "99999999999999999999999", "1.2.3", "--1"} {
		if d, err := ParseDecimal(in); err == nil {
			t.Errorf("%q is %v", in, d)
		}
	}
	if dec10(1, 18).Cmp(dec10(1, -18)) != 1 || dec10(-1, 0).Cmp(dec10(1, -18)) != -1 || dec10(10, 0).Cmp(dec10(1, 1)) != 0 {
		t.Error("numbers compare wrongly")
	}
	if _, err := NewDecimal(1, 19); err == nil {
		t.Error("a number has an exponent of 19")
	}
}

// A statement costs what the documentation says, so that nobody finds out on a line
// of 1 KB/s.
func TestSizes(t *testing.T) {
	for n, envelope := range map[int]int{2: 148, 3: 167, 5: 202} {
		m := newMesh(t, n, 20)
		agenda := m.agenda()
		for _, b := range []Body{&Signal{Text: "x"}, &Take{Of: ID{1}}, m.offer(agenda, 0, time.Hour, 1)} {
			var c Change
			if err := m.rooms[0].say(b.kind(), b, MemberID{}, &c, m.clock); err != nil {
				t.Fatal(err)
			}
			raw := must(EncodeBody(b))
			want := envelope + len(raw) + len(b.kind()) - len(KindSignal) // the figures are those of a signal
			if len(raw) > 23 {
				want++ // a length of two bytes
			}
			if got := len(c.Out[len(c.Out)-1].Raw); got != want {
				t.Errorf("%s of %d bytes in a room of %d: %d bytes, want %d", b.kind(), len(raw), n, got, want)
			}
		}
	}
}

// What no statement can be is refused before it is looked at any further.
func TestRefusedEnvelopes(t *testing.T) {
	if _, err := ParseEnvelope(told(func(e *Envelope) { e.Vouch = make([]byte, TagSize) })); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Envelope){
		"no version":                     func(e *Envelope) { e.Version = 0 },
		"number 0":                       func(e *Envelope) { e.Seq = 0 },
		"a first one that follows":       func(e *Envelope) { e.Prev = ID{1} },
		"a second one that follows none": func(e *Envelope) { e.Seq = 2 },
		"no time":                        func(e *Envelope) { e.Time = 0 },
		"a time after 9999":              func(e *Envelope) { e.Time = maxTime + 1 },
		"an unknown class":               func(e *Envelope) { e.Class = 2 },
		"a private one with a vector":    func(e *Envelope) { e.Class, e.Heads, e.Vouch = ClassPrivate, nil, nil },
		"a private one with heads":       func(e *Envelope) { e.Class, e.Vector, e.Vouch = ClassPrivate, nil, nil },
		"no vector":                      func(e *Envelope) { e.Vector, e.Vouch = nil, nil },
		"a vector of one":                func(e *Envelope) { e.Vector, e.Vouch = make([]uint64, 1), nil },
		"a vector of too many":           func(e *Envelope) { e.Vector, e.Vouch = make([]uint64, 17), make([]byte, 15*TagSize) },
		"short heads":                    func(e *Envelope) { e.Heads = e.Heads[1:] },
		"no kind":                        func(e *Envelope) { e.Kind = "" },
		"a strange kind":                 func(e *Envelope) { e.Kind = "Signal" },
		"a long kind":                    func(e *Envelope) { e.Kind = Kind(strings.Repeat("x", MaxKind+1)) },
		"a tag too few":                  func(e *Envelope) { e.Vouch = nil },
		"half a tag":                     func(e *Envelope) { e.Vouch = e.Vouch[8:] },
		"a tag too many":                 func(e *Envelope) { e.Vouch = make([]byte, 2*TagSize) },
		"too long":                       func(e *Envelope) { e.Body = make([]byte, MaxStatement) },
	} {
		if _, err := ParseEnvelope(told(func(e *Envelope) { e.Vouch = make([]byte, TagSize); change(e) })); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	m := newMesh(f, 3, 21)
	m.say(0, &Signal{Text: "x"})
	m.say(0, &Signal{Text: "y"}, 1)
	for _, raw := range m.lines[0][1] {
		f.Add(raw)
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(e.Encode(), b) {
			t.Fatal("it encodes to other bytes")
		}
		for k := range bodies {
			if body, err := ParseBody(k, e.Body); err == nil && !bytes.Equal(must(EncodeBody(body)), e.Body) {
				t.Fatal("its body encodes to other bytes")
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, b := range samples() {
		f.Add(string(KindOf(b)), must(EncodeBody(b)))
	}
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		body, err := ParseBody(Kind(kind), b)
		if err != nil {
			return
		}
		if again, err := EncodeBody(body); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("it encodes to other bytes: %v", err)
		}
		if KindOf(body).secret() {
			return
		}
		j, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		from, err := BodyFromJSON(Kind(kind), j)
		if err != nil {
			t.Fatalf("its JSON does not read: %v\n%s", err, j)
		}
		if again := must(EncodeBody(from)); !bytes.Equal(again, b) {
			t.Fatalf("its JSON means something else: %s", j)
		}
	})
}

// Whatever arrives from a member, the room stays whole: nothing panics, what
// was kept makes the same room again.
func FuzzApply(f *testing.F) {
	base := newMesh(f, 3, 22)
	base.agenda()
	for _, b := range samples() {
		if where := bodies[KindOf(b)]; where.room || where.private {
			var to MemberID
			if !where.room {
				to = base.id(1)
			}
			var c Change
			base.rooms[0].put(KindOf(b), must(EncodeBody(b)), to, &c, base.clock)
			f.Add(c.Out[0].Raw)
		}
	}
	fresh := newMesh(f, 3, 22)
	fresh.say(0, fresh.offer(fresh.agenda(), 0, 0))
	f.Add(fresh.lines[0][1][0])
	ground := newMesh(f, 3, 22)
	ground.agenda()
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ground.fork(t)
		m.strict = true
		c, err := m.rooms[1].Apply(contactIn(1, 0), b, m.clock)
		if err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		m.keep(1, c)
	})
}

func FuzzFormation(f *testing.F) {
	first, out, err := NewFormation("T", []Contact{{1}, {2}}, []string{"A", "B", "C"}, nil, 4, start, seeded(1))
	if err != nil {
		f.Fatal(err)
	}
	for _, o := range out {
		f.Add(o.Raw)
	}
	id := first.Room()
	f.Add(first.toAll([]Contact{{1}}, stepConfirm, id[:])[0].Raw)
	f.Add(first.toAll([]Contact{{1}}, stepDecline, nil)[0].Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := AddressOf(b); err != nil && !errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		g, err := Invited(Contact{1}, b, start)
		if err != nil {
			return
		}
		again, err := ParseFormation(g.Encode())
		if err != nil || !bytes.Equal(again.Encode(), g.Encode()) {
			t.Fatalf("%v\n%+v\n%+v", err, again, g)
		}
	})
}
