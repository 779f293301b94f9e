package blind

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/zk/dleq"
	"github.com/gtank/ristretto255"
)

// hexed is bytes that a vector writes as hexadecimal text.
type hexed []byte

func (h *hexed) UnmarshalText(b []byte) error {
	*h = make([]byte, hex.DecodedLen(len(b)))
	_, err := hex.Decode(*h, b)
	return err
}

func vectors(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// RFC 9496, appendix A: multiples of the generator, encodings that must be
// refused, and elements from uniform bytes (which only the second library makes;
// here they must decode and encode alike).
func TestRFC9496(t *testing.T) {
	var v struct {
		Multiples, Invalid []hexed
		Uniform            []struct{ In, Out hexed }
	}
	vectors(t, "rfc9496.json", &v)
	if len(v.Multiples) != 16 || len(v.Invalid) != 29 || len(v.Uniform) != 6 {
		t.Fatalf("%d multiples, %d invalid encodings, %d from uniform bytes", len(v.Multiples), len(v.Invalid), len(v.Uniform))
	}
	sum := ristretto.Identity()
	for i, want := range v.Multiples {
		if !bytes.Equal(encode(sum), want) || !bytes.Equal(encode(mulGen(scalar(uint64(i)))), want) {
			t.Errorf("%d times the generator", i)
		}
		p, err := ParsePoint(want)
		if (err != nil) != (i == 0) {
			t.Errorf("decoding %d times the generator: %v", i, err)
		}
		if err == nil && !bytes.Equal(p.Bytes(), want) {
			t.Errorf("%d times the generator encodes to something else", i)
		}
		sum = add(sum, ristretto.Generator())
	}
	accepted := 0
	for i, b := range v.Invalid {
		if _, err := ParsePoint(b); err == nil {
			t.Errorf("invalid encoding %d is accepted", i)
		}
		if ristretto.NewElement().UnmarshalBinary(b) == nil {
			accepted++ // by the library below
		}
	}
	t.Logf("of the invalid encodings the library accepts %d, ParsePoint none", accepted)
	for i, u := range v.Uniform {
		p, err := ParsePoint(u.Out)
		if err != nil || !bytes.Equal(p.Bytes(), u.Out) {
			t.Errorf("element %d from uniform bytes: %v", i, err)
		}
		if !bytes.Equal(ristretto255.NewElement().FromUniformBytes(u.In).Encode(nil), u.Out) {
			t.Errorf("element %d from uniform bytes: the second library differs", i)
		}
	}
}

// RFC 9497, appendix A.1.2: circl makes and checks exactly the proofs of the
// standard. They are of the variant that does not bind the base; the variant that
// does, which rounds use, refuses them.
func TestRFC9497(t *testing.T) {
	var v struct {
		Domain      string
		Secret, Key hexed
		Proofs      []struct {
			Points, Multiples []hexed
			R, Proof          hexed
		}
	}
	vectors(t, "rfc9497.json", &v)
	if len(v.Proofs) != 3 {
		t.Fatalf("%d proofs", len(v.Proofs))
	}
	secret := mustScalar(t, v.Secret)
	if !bytes.Equal(encode(mulGen(secret)), v.Key) {
		t.Fatal("the key is not the secret's")
	}
	params := dleq.Params{G: ristretto, H: crypto.SHA512, DST: []byte(v.Domain)}
	for i, c := range v.Proofs {
		var us, ds []group.Element
		for j := range c.Points {
			u, d := mustPoint(t, c.Points[j]), mustPoint(t, c.Multiples[j])
			if !mul(secret, u).IsEqual(d) {
				t.Errorf("proof %d: element %d is not the multiple", i, j)
			}
			us, ds = append(us, u), append(ds, d)
		}
		key := mulGen(secret)
		p, err := dleq.Prover{Params: params}.ProveBatchWithRandomnessRFC9497(secret, key, us, ds, mustScalar(t, c.R))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := p.MarshalBinary(); err != nil || !bytes.Equal(b, c.Proof) {
			t.Errorf("proof %d differs: %v", i, err)
		}
		var given dleq.Proof
		if err := given.UnmarshalBinary(ristretto, c.Proof); err != nil {
			t.Fatal(err)
		}
		verifier := dleq.Verifier{Params: params}
		if !verifier.VerifyBatchRFC9497(key, us, ds, &given) {
			t.Errorf("proof %d is refused", i)
		}
		if verifier.VerifyBatch(ristretto.Generator(), key, us, ds, &given) {
			t.Errorf("proof %d passes where the base is bound", i)
		}
	}
}

func mustScalar(t *testing.T, b []byte) group.Scalar {
	t.Helper()
	s, err := ParseScalar(b)
	if err != nil {
		t.Fatal(err)
	}
	return s.s
}

func mustPoint(t *testing.T, b []byte) group.Element {
	t.Helper()
	p, err := ParsePoint(b)
	if err != nil {
		t.Fatal(err)
	}
	return p.e
}
