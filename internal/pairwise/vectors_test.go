package pairwise_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"backchannel/internal/pairwise"
)

// vectorsPath is what vectors/gen made with this package; here the second
// implementation has to come to the same results.
const vectorsPath = "../../vectors/pairwise.json"

// octets are bytes in hexadecimal text.
type octets []byte

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

type pairwiseVector struct {
	Op, Name, Error string
	In              struct {
		Sigma, RV, Root, AID, R, Heal, Seed, Enc, Frame, Cell, Restore octets

		SeedI       octets `json:"seed_i"`
		SeedR       octets `json:"seed_r"`
		EncI        octets `json:"enc_i"`
		EncR        octets `json:"enc_r"`
		EpochKey    octets `json:"epoch_key"`
		From, Epoch uint64
		Twin, Role  byte
		First       uint64
		Round       uint64
		Version     uint32
		Activation  uint64
	}
	Out struct {
		RV, Root, Heal, Restore, Key, Cell, Commitment, Sigma octets

		Preimages, Tags, Twins, Messages []octets

		EpochKey octets `json:"epoch_key"`
		ConfirmI octets `json:"confirm_i"`
		ConfirmR octets `json:"confirm_r"`
		Words    [4]uint16
	}
}

func TestVectorsBySecondImplementation(t *testing.T) {
	b, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []pairwiseVector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i, v := range file.Vectors {
		seen[v.Op]++
		same := func(what string, got, want []byte) {
			t.Helper()
			if len(want) == 0 || !bytes.Equal(got, want) {
				t.Errorf("vector %d, %s %s: %s differs", i, v.Op, v.Name, what)
			}
		}
		in, out := v.In, v.Out
		switch v.Op {
		case "invitation":
			s := secondInvitation(in.Sigma, 0)
			same("rv", s.rv, out.RV)
			same("root", s.root, out.Root)
		case "meeting":
			s := secondVersion{rv: in.RV, root: in.Root, epoch: in.From}.meet(in.Epoch, in.AID)
			same("first preimage", s.sI, out.Preimages[0])
			same("second preimage", s.sR, out.Preimages[1])
			same("first tag", s.tagI, out.Tags[0])
			same("second tag", s.tagR, out.Tags[1])
			same("first twin", s.id1, out.Twins[0])
			same("second twin", s.id2, out.Twins[1])
			same("epoch key", s.epochKey, out.EpochKey)
		case "restore-meeting":
			s, sigma := secondRestore(in.Restore, in.AID)
			same("σ", sigma, out.Sigma)
			same("first preimage", s.sI, out.Preimages[0])
			same("second preimage", s.sR, out.Preimages[1])
			same("first tag", s.tagI, out.Tags[0])
			same("second tag", s.tagR, out.Tags[1])
			same("first twin", s.id1, out.Twins[0])
			same("second twin", s.id2, out.Twins[1])
			same("epoch key", s.epochKey, out.EpochKey)
		case "cell":
			key := secondMeeting{epochKey: in.EpochKey}.cellKey(in.Twin, in.Role, in.First, in.Round)
			same("key", key, out.Key)
			plain, err := secondOpen(key, out.Cell)
			if err != nil {
				t.Errorf("vector %d: the cell does not open", i)
			}
			same("frame", plain, in.Frame)
		case "cell-open":
			key := secondMeeting{epochKey: in.EpochKey}.cellKey(in.Twin, in.Role, in.First, in.Round)
			if _, err := secondOpen(key, in.Cell); err == nil || v.Error != "open" {
				t.Errorf("vector %d, %s: opens", i, v.Name)
			}
		case "introduction":
			s := secondIntroduction{in.Sigma, in.SeedI, in.SeedR, in.R, in.EncR, in.EncI, in.Activation}.derive()
			same("commitment", s.commitment, out.Commitment)
			same("rv", s.rv, out.RV)
			same("root", s.root, out.Root)
			same("heal", s.heal, out.Heal)
			same("K_re", s.restore, out.Restore)
			same("confirmation of I", s.confirmI, out.ConfirmI)
			same("confirmation of R", s.confirmR, out.ConfirmR)
			if s.words != out.Words {
				t.Errorf("vector %d: words %v", i, s.words)
			}
		case "healing":
			s := secondVersion{heal: in.Heal}.next(in.Version, in.Activation, in.Seed, in.Enc)
			same("rv", s.rv, out.RV)
			same("root", s.root, out.Root)
			same("heal", s.heal, out.Heal)
		default:
			t.Errorf("vector %d: %s is unknown", i, v.Op)
		}
		for j, m := range out.Messages {
			if again, ok := pairwise.Reencode(m); !ok || !bytes.Equal(again, m) {
				t.Errorf("vector %d: message %d is not one", i, j)
			}
		}
	}
	for op, n := range map[string]int{"invitation": 1, "meeting": 3, "cell": 5, "cell-open": 4, "introduction": 1, "healing": 2, "restore-meeting": 2} {
		if seen[op] != n {
			t.Errorf("%d vectors of %s, not %d", seen[op], op, n)
		}
	}
}
