package negotiation_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

type secondVector struct {
	Op, Name string
	In       struct {
		Plan     string
		Members  []string
		Without  string `json:"without_vouch"`
		Body     string
		Key      string
		Seq      uint64
		ID       string
		IDs      []string
		Envelope string
		Kind     string
		Step     byte
		Form     string
	}
	Out struct {
		Room, ID, Kind, Core, Tag, Heads, Message string
		Body                                      any
	}
	Error string
}

// TestSecondVectors computes every value of vectors/negotiation.json a second time, and
// refuses what must be refused.
func TestSecondVectors(t *testing.T) {
	b, err := os.ReadFile("../../vectors/negotiation.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []secondVector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		t.Helper()
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(v secondVector, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %q: %v, the vector has %v", v.Op, v.Name, got, want)
		}
	}
	count := map[string]int{}
	chains := secondChains{told: map[string][]string{}, alone: map[string][]string{}}
	for _, v := range file.Vectors {
		count[v.Op]++
		if v.Op != "statement" || v.Out.Body == nil {
			count[v.Op+" "+v.In.Kind]++
		} else {
			count[v.Op+" "+v.Out.Kind]++
		}
		switch v.Op {
		case "room":
			list := []byte{4<<5 | byte(len(v.In.Members))}
			for _, m := range v.In.Members {
				list = append(append(list, 2<<5|16), raw(m)...)
			}
			chains.members = v.In.Members
			same(v, secondHash("room", []byte{4<<5 | 2}, raw(v.In.Plan), list), v.Out.Room)
		case "formation":
			body := raw(v.In.Body)
			message := append([]byte{4<<5 | 3, v.In.Step, 2<<5 | 16}, raw(v.In.Form)...)
			switch n := len(body); {
			case n < 24:
				message = append(message, 2<<5|byte(n))
			case n < 256:
				message = append(message, 2<<5|24, byte(n))
			default:
				t.Fatal("a body is longer than the vectors have")
			}
			same(v, hex.EncodeToString(append(message, body...)), v.Out.Message)
		case "statement":
			e, body, ok := secondStatement(raw(v.In.Without), false)
			if !ok {
				t.Fatalf("%s %q: refused", v.Op, v.Name)
			}
			same(v, secondHash("statement", raw(v.In.Without)), v.Out.ID)
			same(v, e["kind"], v.Out.Kind)
			if v.Out.Body != nil {
				got, ok := secondBody(v.Out.Kind, body)
				if !ok {
					t.Errorf("%s %q: its body is refused", v.Op, v.Name)
				}
				same(v, got, v.Out.Body)
			}
			chains.add(t, v, e)
		case "core":
			same(v, secondCore(raw(v.In.Body)), v.Out.Core)
		case "vouch":
			same(v, secondTag(raw(v.In.Key), v.In.Seq, raw(v.In.ID)), v.Out.Tag)
		case "heads":
			var all []byte
			for _, id := range v.In.IDs {
				all = append(all, raw(id)...)
			}
			same(v, secondHash("heads", all), v.Out.Heads)
		case "read_statement":
			if _, _, ok := secondStatement(raw(v.In.Envelope), true); ok != (v.Error == "") {
				t.Errorf("%s %q: taken %v, the vector has %q", v.Op, v.Name, ok, v.Error)
			}
		case "read_body":
			if _, ok := secondBody(v.In.Kind, raw(v.In.Body)); ok != (v.Error == "") {
				t.Errorf("%s %q: taken %v, the vector has %q", v.Op, v.Name, ok, v.Error)
			}
		default:
			t.Errorf("the operation %q is not known here", v.Op)
		}
	}
	for kind := range secondKinds {
		if count["statement "+kind] == 0 {
			t.Errorf("no vector has a statement of the kind %s", kind)
		}
	}
	for _, op := range []string{"room", "formation", "core", "vouch", "heads", "read_statement", "read_body"} {
		if count[op] == 0 {
			t.Errorf("there is no vector of %s", op)
		}
	}
}

// secondChains follows the chains of the statements in the vectors.
type secondChains struct {
	members     []string
	told, alone map[string][]string // ids by sender: to the room, to one member
}

// add checks that a statement follows the one before it, and that its heads are those
// of the statements at its vector.
func (c *secondChains) add(t *testing.T, v secondVector, e map[string]any) {
	t.Helper()
	chain := c.told
	if _, private := e["class"]; private {
		chain = c.alone
	}
	from := text(e["from"])
	if n := len(chain[from]); n > 0 && chain[from][n-1] != e["prev"] && e["class"] == nil {
		t.Errorf("%q does not follow the statement before it", v.Name)
	}
	if vector, ok := e["vector"].([]any); ok {
		var all []byte
		for i, m := range c.members {
			id := make([]byte, 32)
			if n := int(vector[i].(float64)); n > len(c.told[m]) {
				t.Fatalf("%q has heard of statements that the vectors have not", v.Name)
			} else if n > 0 {
				var err error
				if id, err = hex.DecodeString(c.told[m][n-1]); err != nil {
					t.Fatal(err)
				}
			}
			all = append(all, id...)
		}
		if got := secondHash("heads", all); got != e["heads"] {
			t.Errorf("%q: heads %s, it has %v", v.Name, got, e["heads"])
		}
	}
	chain[from] = append(chain[from], v.Out.ID)
}
