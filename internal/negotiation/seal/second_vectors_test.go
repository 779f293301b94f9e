package seal_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

// TestSecondVectors computes the signatures of vectors/seal.json a second time.
func TestSecondVectors(t *testing.T) {
	b, err := os.ReadFile("../../../vectors/seal.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Op string
			In struct {
				Core, Level, Text string
				Secrets           []string
				Nonces            []string `json:"nonces_wide"`
			}
			Out struct{ Key, Message, Signature string }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range file.Vectors {
		if v.Op != "sign-together" {
			continue
		}
		n++
		raw := func(s string) []byte {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		var xs, rs []*big.Int
		for i := range v.In.Secrets {
			xs, rs = append(xs, number(raw(v.In.Secrets[i]))), append(rs, slowScalar(raw(v.In.Nonces[i])))
		}
		key, m, sig := slowSign(xs, rs, raw(v.In.Core), v.In.Level, v.In.Text)
		if hex.EncodeToString(key) != v.Out.Key || hex.EncodeToString(m) != v.Out.Message || hex.EncodeToString(sig) != v.Out.Signature {
			t.Errorf("vector %d: the second implementation differs", n)
		}
	}
	if n == 0 {
		t.Error("there are no vectors of signing together")
	}
}
