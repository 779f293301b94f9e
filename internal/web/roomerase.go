package web

import (
	"encoding/base64"
	"net/http"

	"backchannel/internal/station"
)

// What was not understood has a quiet place of its own, as it came; and a room is
// erased on a page that says what that means.

// straysPage is what of a room, or of no room, was not understood.
type straysPage struct {
	Token  string
	Room   *roomView // nil: what belongs to no room
	Says   []spoken  // statements of kinds that this version does not know
	Strays []strayLine
	More   int // that were refused and not kept
}

type strayLine struct {
	station.Stray
	Bytes int64
	Code  string // in base64
}

func strayLines(all []station.Stray) (out []strayLine) {
	for _, s := range all {
		out = append(out, strayLine{s, int64(s.Size), base64.StdEncoding.EncodeToString(s.Raw)})
	}
	return out
}

func (p *Pages) showUnclear(v *visit) {
	r, ok := p.room(v)
	if !ok {
		return
	}
	refused, err := p.desk.RefusedIn(v.r.Context(), r.Info.ID)
	if err != nil {
		p.fail(v, err)
		return
	}
	page := straysPage{Token: v.session.form, Room: r, Strays: strayLines(refused), More: max(0, r.Refused-len(refused))}
	for _, s := range r.NotRead {
		page.Says = append(page.Says, r.spoken(s))
	}
	p.show(v, http.StatusOK, "strays", page)
}

// Unclear counts what of the room was not understood.
func (r *roomView) Unclear() int { return len(r.NotRead) + r.Refused }

func (p *Pages) showStrays(v *visit) {
	all, err := p.desk.Strays(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	p.show(v, http.StatusOK, "strays", straysPage{Token: v.session.form, Strays: strayLines(all)})
}

func (p *Pages) eraseStrays(v *visit) {
	if err := p.desk.EraseStrays(v.r.Context()); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/rooms", "strays.erased")
}

type eraseRoomPage struct {
	station.RoomInfo
	Token   string
	Waiting bool // others wait for an answer
	Problem string
}

// toErase finds the room, also one that never came about.
func (p *Pages) toErase(v *visit) (page eraseRoomPage, ok bool) {
	room, err := p.desk.Room(v.r.Context(), v.r.PathValue("room"))
	switch {
	case err != nil:
		p.fail(v, err)
		return page, false
	case room.ID != v.r.PathValue("room"): // a title could be another room's tomorrow
		p.notFound(v)
		return page, false
	}
	waiting := room.State == "invited" || room.State == "joined" || room.State == "confirmed"
	return eraseRoomPage{RoomInfo: room.RoomInfo, Token: v.session.form, Waiting: waiting}, true
}

func (p *Pages) showEraseRoom(v *visit) {
	if page, ok := p.toErase(v); ok {
		p.show(v, http.StatusOK, "eraseroom", page)
	}
}

func (p *Pages) eraseRoom(v *visit) {
	page, ok := p.toErase(v)
	if !ok {
		return
	}
	if v.field("title") != page.Title {
		page.Problem = p.text.say("eraseroom.other")
		p.show(v, http.StatusUnprocessableEntity, "eraseroom", page)
		return
	}
	if err := p.desk.EraseRoom(v.r.Context(), page.ID); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/rooms", "eraseroom.done")
}

// sealKeyPage shows the key with which this station signs in public.
type sealKeyPage struct {
	Key    string
	Groups []string
}

func (p *Pages) showSealKey(v *visit) {
	key, err := p.s.SealKey(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	p.show(v, http.StatusOK, "sealkey", sealKeyPage{key, groups(key)})
}
