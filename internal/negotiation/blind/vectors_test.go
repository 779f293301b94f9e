package blind_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"backchannel/internal/negotiation/blind"
)

type vectorMessage struct {
	From  int
	Bytes string
}

type blindVector struct {
	Op, Name string
	In       struct {
		Object              string
		Parties             []string
		Opener, Mode, Items int
		Cap, Green          int
		Directions          []int
		InputsAt            int64 `json:"inputs_at"`
		Deadline            int64
		Messages            []vectorMessage
		Message             string
		From, To            int
	}
	Out struct {
		Context    string
		Opened     []int
		State      string
		Cell       int
		PartyBytes int `json:"party_bytes"`
		Input      int
		Blind      int
		Open       int
	}
	Error string
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v *blindVector) params(t *testing.T) blind.Params {
	p := blind.Params{Object: [32]byte(unhex(t, v.In.Object)), Opener: v.In.Opener, Mode: blind.Mode(v.In.Mode), Items: v.In.Items,
		Cap: v.In.Cap, Green: v.In.Green, InputsAt: time.UnixMilli(v.In.InputsAt).UTC(), Deadline: time.UnixMilli(v.In.Deadline).UTC()}
	for _, id := range v.In.Parties {
		p.Parties = append(p.Parties, blind.MemberID(unhex(t, id)))
	}
	for _, d := range v.In.Directions {
		p.Directions = append(p.Directions, blind.Direction(d))
	}
	return p
}

// replay lets the second implementation check messages from outside, in steps;
// it stops after the last complete one and returns the messages that are left.
func replay(t *testing.T, s *second, messages []vectorMessage) (rest []vectorMessage, ok bool) {
	n := len(s.ids)
	for len(messages) > 0 {
		first := unhex(t, messages[0].Bytes)
		step, cell := first[0], first[1]
		var now, later []vectorMessage
		for _, m := range messages {
			if b := unhex(t, m.Bytes); b[0] == step && b[1] == cell {
				now = append(now, m)
			} else {
				later = append(later, m)
			}
		}
		if len(now) < n {
			return messages, true
		}
		for _, m := range now {
			b := unhex(t, m.Bytes)
			if m.From == 0 {
				if !slices.Equal(s.message(step, cell, b[34:]), b) {
					return nil, false // T
				}
			} else if !s.take(m.From, step, cell, b) {
				return nil, false
			}
		}
		if !s.finish(step, cell) {
			return nil, false
		}
		messages = later
	}
	return nil, true
}

// The committed vectors, checked by both implementations; each must fail where
// they say so.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile("../../../vectors/blind.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []blindVector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	ops := map[string]int{}
	for _, v := range file.Vectors {
		ops[v.Op]++
		p := v.params(t)
		switch v.Op {
		case "round":
			s := secondOf(p, 0)
			if hex.EncodeToString(s.ctx) != v.Out.Context {
				t.Errorf("%s: another context", v.Name)
			}
			if rest, ok := replay(t, s, v.In.Messages); !ok || len(rest) > 0 {
				t.Errorf("%s: refused, or %d messages too many", v.Name, len(rest))
				continue
			}
			last := byte(v.Out.Opened[len(v.Out.Opened)-1])
			if s.hit(last) != (v.Out.State == "match") {
				t.Errorf("%s: hit is %v", v.Name, s.hit(last))
			}
			for i, c := range v.Out.Opened {
				if int(s.order[i]) != c {
					t.Errorf("%s: opened %v in the order %v", v.Name, v.Out.Opened, s.order)
				}
			}
			if p.PartyBytes() != v.Out.PartyBytes {
				t.Errorf("%s: %d bytes", v.Name, p.PartyBytes())
			}
			for _, m := range v.In.Messages {
				raw := unhex(t, m.Bytes)
				if msg, err := p.Decode(raw); err != nil || !slices.Equal(msg.Encode(), raw) {
					t.Errorf("%s: a message does not decode and encode: %v", v.Name, err)
				}
			}
		case "round-sizes":
			if p.PartyBytes() != v.Out.PartyBytes || p.BodySize(blind.StepInput) != v.Out.Input ||
				p.BodySize(blind.StepBlind) != v.Out.Blind || p.BodySize(blind.StepOpen) != v.Out.Open {
				t.Errorf("%s: other sizes", v.Name)
			}
		case "receive":
			s := secondOf(p, 0)
			if _, ok := replay(t, s, v.In.Messages); !ok {
				t.Errorf("%s: what comes before is refused", v.Name)
				continue
			}
			bad := unhex(t, v.In.Message)
			sameView := slices.Equal(bad[2:34], s.t)
			if sameView != (v.Error == "invalid") {
				t.Errorf("%s: T is equal: %v", v.Name, sameView)
			}
			if s.take(v.In.From, bad[0], bad[1], bad) {
				t.Errorf("%s: accepted", v.Name)
			}
		case "round-message":
			if _, err := p.Decode(unhex(t, v.In.Message)); err == nil {
				t.Errorf("%s: decodes", v.Name)
			}
		default:
			t.Errorf("unknown operation %s", v.Op)
		}
	}
	for _, op := range []string{"round", "round-sizes", "receive", "round-message"} {
		if ops[op] < 4 {
			t.Errorf("%d vectors of %s", ops[op], op)
		}
	}
}
