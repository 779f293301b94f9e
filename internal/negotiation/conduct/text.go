package conduct

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// SignedText is the text that the parties of an agreement sign: its own text, each
// package with the titles and values that its agenda gives them, and the clause by
// which it lapses. It follows from what the core covers, so that equal cores have
// equal texts.
func SignedText(room *negotiation.Room, b *negotiation.Agreement) (string, error) {
	var parts []string
	if t := strings.TrimSpace(b.Text); t != "" {
		parts = append(parts, t)
	}
	for n, id := range b.Packages {
		p, ok := body[*negotiation.Package](room, id)
		if !ok {
			return "", refused("a package of the agreement is not here")
		}
		a, ok := body[*negotiation.Agenda](room, p.Agenda)
		if !ok {
			return "", refused("the agenda of the agreement is not here")
		}
		lines := []string{fmt.Sprintf("Package %d", n+1)}
		for _, k := range slices.Sorted(maps.Keys(p.Values)) {
			i, ok := a.Issue(k)
			if !ok {
				return "", refused("a package of the agreement does not fit its agenda")
			}
			lines = append(lines, i.Title+": "+p.Values[k].Show(i))
		}
		if p.Note != "" {
			lines = append(lines, "Note: "+p.Note)
		}
		parts = append(parts, strings.Join(lines, "\n"))
	}
	parts = append(parts, seal.LapseClause(time.Unix(int64(b.Lapses), 0)))
	text := strings.Join(parts, "\n\n")
	if err := seal.CheckText(text); err != nil {
		return "", refused("the agreement cannot be signed: %v", err)
	}
	return text, nil
}

// body finds an object of one kind that the room holds.
func body[B negotiation.Body](room *negotiation.Room, id negotiation.ID) (b B, ok bool) {
	if st, here := room.Statement(id); here {
		b, ok = st.Body.(B)
	}
	return b, ok
}

// CheckAgreement says why an agreement that is to be proposed or consented to could
// not be signed later.
func (s *Seat) CheckAgreement(b *negotiation.Agreement) error {
	if b.Level == negotiation.Handshake {
		return nil
	}
	_, err := SignedText(s.Room, b)
	return err
}

// Communique is the released file of an agreement that was signed, with a name for
// each signer, which the signature does not cover.
func Communique(room *negotiation.Room, a *negotiation.AgreementView, names func(negotiation.MemberID) string) ([]byte, error) {
	if a.Seal == nil {
		return nil, refused("the agreement is not signed: at level handshake nothing is left that could be checked")
	}
	text, err := SignedText(room, a.Agreement)
	if err != nil {
		return nil, err
	}
	c := seal.Communique{Format: seal.Format, Agreement: a.Core.String(), Level: seal.Level(a.Level.String()), Text: text,
		Signature: fmt.Sprintf("%x", a.Seal.Signature)}
	for i, m := range a.Seal.Signers {
		c.Parties = append(c.Parties, seal.Party{Name: names(m), Key: fmt.Sprintf("%x", a.Seal.Keys[i])})
	}
	slices.SortFunc(c.Parties, func(x, y seal.Party) int { return strings.Compare(x.Key, y.Key) })
	file, err := c.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := seal.Verify(file); err != nil {
		return nil, refused("the signed agreement does not verify: %v", err)
	}
	return file, nil
}

// CheckCommunique says why a communiqué is not what was signed: of an agreement
// that is signed it has the signed text, all keys and the signature.
func CheckCommunique(room *negotiation.Room, a *negotiation.AgreementView, q *negotiation.Communique) error {
	want, err := DraftCommunique(room, a)
	switch {
	case err != nil:
		return err
	case a.Level != negotiation.Handshake && q.Text != want.Text:
		return refused("the communiqué of a signed agreement has the signed text, word for word")
	case !slices.EqualFunc(q.Keys, want.Keys, slices.Equal[[]byte]) || !slices.Equal(q.Signature, want.Signature):
		return refused("the communiqué has other keys, or another signature, than the parties made")
	}
	return nil
}

// DraftCommunique is the communiqué of an agreement that is confirmed or signed.
func DraftCommunique(room *negotiation.Room, a *negotiation.AgreementView) (*negotiation.Communique, error) {
	if !a.IsAgreed() {
		return nil, refused("the agreement is %s: there is nothing to publish yet", a.State)
	}
	text, err := SignedText(room, a.Agreement)
	if err != nil {
		return nil, err
	}
	q := &negotiation.Communique{Agreement: a.ID, Text: text}
	if a.Seal != nil {
		q.Signature = slices.Clone(a.Seal.Signature)
		for _, k := range a.Seal.Keys {
			q.Keys = append(q.Keys, slices.Clone(k))
		}
		slices.SortFunc(q.Keys, slices.Compare[[]byte])
	}
	return q, nil
}
