package conduct

import (
	"bytes"
	"slices"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/suite"
)

// A handshake: once an agreement of that level is ready, everybody whose consent it
// needed gives every other a key of 32 random bytes (sign/key), and confirms the core
// to each under the key that it was given (sign/confirm). Both sides of a pair have
// the key, so either could have made the MAC: who confirmed is known to the receiver
// and proved to nobody.
type handshake struct {
	_         struct{} `cbor:",toarray"`
	Keys      []given  // handed out, one for each other
	Confirmed []negotiation.MemberID
	Sent      []negotiation.MemberID // to whom this member has confirmed
}

type given struct {
	_   struct{} `cbor:",toarray"`
	To  negotiation.MemberID
	Key [suite.KeySize]byte
}

// signers are the members whose consent an agreement needs, in order. All of them
// confirm, or sign.
func signers(a *negotiation.AgreementView) (list []negotiation.MemberID) {
	for _, n := range a.Needed {
		list = append(list, n.Member)
	}
	slices.SortFunc(list, func(a, b negotiation.MemberID) int { return bytes.Compare(a[:], b[:]) })
	return list
}

// confirm takes every step of handshakes that has become possible.
func (s *Seat) confirm(all []negotiation.AgreementView) (out []Saying, err error) {
	for i := range all {
		a := &all[i]
		m, err := s.machine(KindHandshake, a.ID)
		if err != nil {
			return nil, err
		}
		ready := a.Level == negotiation.Handshake && a.State == negotiation.AgreementReady && slices.Contains(signers(a), s.Room.Self())
		switch {
		case m != nil && a.State.Final():
			if err := s.Store.Drop(KindHandshake, a.ID); err != nil {
				return nil, err
			}
		case ready && !s.Room.Frozen():
			said, err := s.shake(a, m)
			if err != nil {
				return nil, err
			}
			out = append(out, said...)
		}
	}
	return out, nil
}

func (s *Seat) shake(a *negotiation.AgreementView, m *Machine) (out []Saying, err error) {
	var h handshake
	say := func(k negotiation.Kind, to negotiation.MemberID, b []byte) {
		out = append(out, Saying{k, Message{Of: a.ID, Bytes: b}.Encode(), to})
	}
	others := slices.DeleteFunc(signers(a), func(x negotiation.MemberID) bool { return x == s.Room.Self() })
	if m == nil {
		for _, x := range others {
			key, err := s.fresh()
			if err != nil {
				return nil, err
			}
			h.Keys = append(h.Keys, given{To: x, Key: key})
			say(kindKey, x, key[:])
		}
	} else if err := dec.Unmarshal(m.State, &h); err != nil {
		// Keys that cannot be read are handed out again; the first ones count no more.
		return nil, s.Store.Drop(KindHandshake, a.ID)
	}
	core, self := seal.Core(a.Core), seal.ID(s.Room.Self())
	for _, st := range s.Room.Opaque(negotiation.PrefixSign) {
		msg, ok := about(st, a.ID)
		if !ok || !slices.Contains(others, st.From) || len(msg.Bytes) != suite.KeySize {
			continue
		}
		switch st.Kind {
		case kindKey:
			if !slices.Contains(h.Sent, st.From) {
				mac := seal.Confirmation([suite.KeySize]byte(msg.Bytes), core, self)
				h.Sent = append(h.Sent, st.From)
				say(kindConfirm, st.From, mac[:])
			}
		case kindConfirm:
			i := slices.IndexFunc(h.Keys, func(g given) bool { return g.To == st.From })
			if i >= 0 && !slices.Contains(h.Confirmed, st.From) && seal.Confirmed(h.Keys[i].Key, core, seal.ID(st.From), msg.Bytes) {
				h.Confirmed = append(h.Confirmed, st.From)
			}
		}
	}
	if len(h.Sent) > 0 {
		s.Room.Bound(a.ID)
	}
	if len(h.Confirmed) == len(others) && len(h.Sent) == len(others) {
		if err := s.Room.Progress(a.ID, string(negotiation.AgreementConfirmed), "", s.Now); err != nil {
			return nil, err
		}
		return out, s.Store.Drop(KindHandshake, a.ID)
	}
	return out, s.Store.Put(KindHandshake, Machine{a.ID, must(enc.Marshal(h))})
}

// CheckTakingBack says why a consent, or an own agreement, can no longer be taken back:
// this member has confirmed it to somebody, who may count it as confirmed by now. of
// is the statement that was taken back.
func (s *Seat) CheckTakingBack(of negotiation.ID) error {
	st, ok := s.Room.Statement(of)
	if !ok {
		return nil
	}
	for _, a := range s.Room.AgreementsAt(s.Now) {
		consent, is := st.Body.(*negotiation.Consent)
		if a.ID != of && (!is || consent.Core != a.Core) {
			continue
		}
		m, err := s.machine(KindHandshake, a.ID)
		if err != nil {
			return err
		}
		var h handshake
		if m != nil && dec.Unmarshal(m.State, &h) == nil && len(h.Sent) > 0 {
			return refused("it was confirmed to another member already, and holds if all confirm it before it lapses")
		}
	}
	return nil
}
