package conduct

import (
	"bytes"
	"slices"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// keysShown are the keys with which others began to sign at level public, each in its
// latest attempt.
type keysShown struct {
	keys  map[negotiation.MemberID]seal.PublicKey
	other []negotiation.MemberID // whose key is not the one that is noted, in order
}

// keysShown compares these keys with those that are noted as published.
// A signature proves something about a principal only if the key is known to be that
// principal's; one that it can disown is worth nothing, and is found out too late
// once the own share is gone. At level sealed keys are fresh, and nothing compares.
func (s *Seat) keysShown(a *negotiation.AgreementView) (out keysShown) {
	if a.Level != negotiation.Public {
		return out
	}
	out.keys = map[negotiation.MemberID]seal.PublicKey{}
	latest := map[negotiation.MemberID]uint64{}
	for _, st := range s.Room.Opaque(string(signKinds[seal.StepHello])) {
		m, ok := about(st, a.ID)
		if !ok || m.Attempt < latest[st.From] || m.Attempt > maxAttempts || st.From == s.Room.Self() || !slices.Contains(signers(a), st.From) {
			continue
		}
		w, err := seal.ParseMessage(m.Bytes)
		if err != nil || w.Step != seal.StepHello {
			continue // ends the session that hears it
		}
		if m.Attempt > latest[st.From] {
			latest[st.From] = m.Attempt
			out.other = slices.DeleteFunc(out.other, func(x negotiation.MemberID) bool { return x == st.From })
		}
		out.keys[st.From] = w.Key
		if s.Noted == nil || slices.Contains(out.other, st.From) {
			continue
		}
		if k, ok := s.Noted(st.From); ok && k != w.Key {
			out.other = append(out.other, st.From)
		}
	}
	slices.SortFunc(out.other, func(x, y negotiation.MemberID) int { return bytes.Compare(x[:], y[:]) })
	return out
}
