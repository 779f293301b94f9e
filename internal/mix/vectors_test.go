package mix_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// vectorsPath is what vectors/gen made with this package; here the second
// implementation has to come to the same results.
const vectorsPath = "../../vectors/mix.json"

type mixVector struct {
	Op, Name, Error string
	In              struct {
		Header, Envelope, Onion, Next, Cell string
		Hop                                 int
		Round                               uint64
		Outer, Inner                        any // one seed or several
		Forward, Backward                   []string
		ReceiptMAC                          string `json:"receipt_mac"`
		ReceiptStream                       string `json:"receipt_stream"`
		Circuits                            []struct{ Onion, Cell string }
	}
	Out struct {
		Next, ID, Blob, Cell string
		Layer                fixedLayer
		Cells                []*string
	}
}

func TestVectorsBySecondImplementation(t *testing.T) {
	b, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []mixVector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	seeds := func(v any) (out [][]byte) {
		if s, ok := v.(string); ok {
			return [][]byte{raw(s)}
		}
		for _, s := range v.([]any) {
			out = append(out, raw(s.(string)))
		}
		return out
	}
	layers := func(keys []string, round uint64, cell string) string {
		b := raw(cell)
		for _, k := range keys {
			b = secondCTR(raw(k), round, b)
		}
		return hex.EncodeToString(b)
	}
	played := map[string]int{}
	for i, v := range file.Vectors {
		header := raw(v.In.Header)
		got, want, ok := "", "", true
		switch v.Op {
		case "onion-open":
			var next []byte
			var l secondLayer
			if next, l, ok = secondPeel(seeds(v.In.Outer)[0], header, v.In.Hop, raw(v.In.Onion)); ok {
				x := hex.EncodeToString
				if (fixedLayer{x(l.forward), x(l.backward), x(l.mac), x(l.stream)}) != v.Out.Layer {
					t.Errorf("vector %d, %s: other exports", i, v.Op)
				}
			}
			got, want = hex.EncodeToString(next), v.Out.Next
		case "envelope-open":
			var id []byte
			id, ok = secondID(seeds(v.In.Inner), header, raw(v.In.Envelope))
			got, want = hex.EncodeToString(id), v.Out.ID
		case "receipt":
			got = hex.EncodeToString(secondReceipt(secondLayer{mac: raw(v.In.ReceiptMAC), stream: raw(v.In.ReceiptStream)}, header, raw(v.In.Next)))
			want = v.Out.Blob
		case "cell-seal":
			got, want = layers(v.In.Forward, v.In.Round, v.In.Cell), v.Out.Cell
		case "cell-open":
			got, want = layers(v.In.Backward, v.In.Round, v.In.Cell), v.Out.Cell
		case "turn":
			r := &secondRelay{seed: seeds(v.In.Outer)[0], header: header, cell: 256}
			var batch, cells []byte
			for _, c := range v.In.Circuits {
				batch, cells = append(batch, raw(c.Onion)...), append(cells, raw(c.Cell)...)
			}
			r.open(len(v.In.Circuits), batch)
			r.pair(seeds(v.In.Inner))
			out := secondSplit(r.forward(v.In.Round, cells), len(v.In.Circuits))
			for j, want := range v.Out.Cells {
				if want != nil && !bytes.Equal(out[j], raw(*want)) {
					t.Errorf("vector %d, %s: another answer on circuit %d", i, v.Op, j)
				}
			}
		case "onion", "batch-size": // made by hand in sealed_test.go; refused by this package alone
		default:
			t.Errorf("vector %d: nobody plays %s", i, v.Op)
		}
		if v.Op != "batch-size" && ok != (v.Error == "") {
			t.Errorf("vector %d, %s (%s): opened=%v, expected failure %q", i, v.Op, v.Name, ok, v.Error)
		}
		if ok && got != want {
			t.Errorf("vector %d, %s (%s): another result", i, v.Op, v.Name)
		}
		played[v.Op]++
	}
	if len(played) < 8 {
		t.Errorf("only %v", played)
	}
}
