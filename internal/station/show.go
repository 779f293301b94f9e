package station

import (
	"context"
	"strings"

	"backchannel/internal/negotiation"
)

// ShowTo shows a member what another member said to the room, with the vouch tag that
// its author made for that case: who is shown it knows who wrote it, and could have
// made all of it. ref is the statement's identifier or the first digits of it, four
// at least. The tags of a statement are erased once everybody is known to hold the
// same, and after seven days (docs/negotiation.md).
func (s *Station) ShowTo(ctx context.Context, room, ref, to string) (out Said, err error) {
	const doing = "showing what was said"
	if to == "" {
		return out, fault(CodeInvalid, "%s: it is shown to one member: name it", doing)
	}
	err = s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) error {
		id, err := saidAs(r, doing, ref)
		if err != nil {
			return err
		}
		m, err := b.member(r, to)
		if err != nil {
			return err
		}
		c, err := r.room.Show(id, m, b.now)
		if err != nil {
			return err
		}
		for _, row := range c.Rows {
			if row.To == m {
				out.ID = row.ID.String()
			}
		}
		return b.apply(r, c, false)
	})
	return out, err
}

// saidAs finds a statement of any kind, those that this version does not understand
// included.
func saidAs(r *openRoom, doing, ref string) (id negotiation.ID, err error) {
	found := 0
	for _, st := range r.room.Statements() {
		if st.ID.String() == ref || len(ref) >= 4 && strings.HasPrefix(st.ID.String(), strings.ToLower(ref)) {
			id = st.ID
			found++
		}
	}
	switch found {
	case 0:
		return id, fault(CodeNotFound, "%s: there is nothing with these digits in the room: \"backchannel room timeline\" lists what was said", doing)
	case 1:
		return id, nil
	}
	return id, fault(CodeInvalid, "%s: more than one has these digits: give more of the identifier", doing)
}
