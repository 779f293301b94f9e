package pairwise

import (
	"testing"

	"backchannel/internal/wire"
)

// Steps that are computed aside give what Join would have stepped to, erase what
// was before, and change nothing that the session did meanwhile.
func TestStepsAside(t *testing.T) {
	for name, meanwhile := range map[string]uint64{"nothing meanwhile": 0, "joined meanwhile": 5000} {
		t.Run(name, func(t *testing.T) {
			sigma := Key{1}
			aside, direct := NewSession(Inviter, sigma, 10), NewSession(Inviter, sigma, 10)
			for _, s := range []*Session{aside, direct} {
				_, token := s.Take()
				s.Saved(token)
			}
			st := aside.Behind(4000)
			if st == nil || st.Epochs() != 3990 {
				t.Fatalf("behind: %+v", st)
			}
			st.Run()
			if aside.newest().epoch != 10 {
				t.Error("Run changed the session")
			}
			if meanwhile > 0 {
				if _, err := aside.Join(meanwhile, wire.Hash{1}); err != nil {
					t.Fatal(err)
				}
			}
			st.Adopt()
			at := max(meanwhile, 4000)
			if v := aside.newest(); v.epoch != at {
				t.Errorf("the chains stand at %d, want %d", v.epoch, at)
			}
			a, err := aside.Join(6000, wire.Hash{2})
			if err != nil {
				t.Fatal(err)
			}
			b, err := direct.Join(6000, wire.Hash{2})
			if err != nil {
				t.Fatal(err)
			}
			if a.Tag != b.Tag || a.PeerTag != b.PeerTag {
				t.Error("the tags differ from those of a session that stepped in Join")
			}
			if aside.Behind(6000) != nil {
				t.Error("nothing is missing, yet something is to be stepped")
			}
		})
	}
}
