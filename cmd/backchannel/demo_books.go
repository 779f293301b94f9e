package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"backchannel/internal/book"
	"backchannel/internal/negotiation"
)

// forgeRoom has Cenia's station make the whole negotiation up, as its own copy and as
// Aldmark's, with another end. What reads exports takes the real one and both others.
func (t *demoTable) forgeRoom(ctx context.Context) error {
	real, err := t.aldmark.api.ExportRoom(ctx, t.room, t.aldmark.name, "json")
	if err != nil {
		return err
	}
	script, err := t.aldmark.api.ExportRoom(ctx, t.room, t.aldmark.name, "script")
	if err != nil {
		return err
	}
	made, err := t.cenia.api.ForgeRoom(ctx, script, "json")
	if err != nil {
		return err
	}
	s, err := book.ParseScript(script)
	if err != nil {
		return err
	}
	const never = "We give the straits away, fish and all."
	last := s.Lines[len(s.Lines)-1].At
	s.Lines, s.Until = append(slices.Clone(s.Lines), book.Line{At: last, By: t.borvia.name, Signal: never}), nil
	if script, err = s.Encode(); err != nil {
		return err
	}
	worse, err := t.cenia.api.ForgeRoom(ctx, script, "json")
	if err != nil {
		return err
	}
	now := time.Now()
	var checked [3]string
	rooms, messages := 0, 0
	for i, b := range [][]byte{real, made, worse} {
		r, err := book.Read(b, now)
		if err != nil {
			return err
		}
		agreed := 0
		for _, a := range r.Room.AgreementsAt(now) {
			if a.IsAgreed() {
				agreed++
			}
		}
		// Which cell of a list is opened when, is drawn anew; all else is the same.
		c := r.Checked
		c.RoundMessages = 0
		checked[i] = fmt.Sprintf("%+v, %d agreed", c, agreed)
		rooms, messages = r.Checked.Rounds, r.Checked.RoundMessages+r.Checked.SignMessages
		if agreed == 0 || c.Signatures == 0 || c.Rounds < 2 {
			return fmt.Errorf("the room on paper lacks rounds or signatures: %s", checked[i])
		}
		id := r.Room.ID()
		for j, other := range [][]byte{real, made, worse} {
			if i != j && bytes.Contains(other, []byte(id.String())) {
				return errors.New("two rooms on paper have an identifier in common")
			}
		}
		says := slices.ContainsFunc(r.Room.Statements(), func(st *negotiation.Statement) bool {
			b, ok := st.Body.(*negotiation.Signal)
			return ok && strings.Contains(b.Text, never)
		})
		if says != (i == 2) {
			return errors.New("a room on paper does not say what was made up")
		}
	}
	if checked[0] != checked[1] || checked[0] != checked[2] {
		return fmt.Errorf("what was made up can be told from what was: %v", checked)
	}
	t.r.step("room-forged", map[string]any{"rounds": rooms, "messages": messages},
		"Aldmark writes the whole room down, and Cenia's station makes it up: offers, %d blind rounds, everybody's signatures, and a sentence that Borvia never said. Whoever checks the files finds every proof in order, in all of them: a room on paper proves nothing.", rooms)
	return nil
}
