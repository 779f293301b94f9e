package web

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/skip2/go-qrcode"

	"backchannel/internal/station"
)

// wordsSeed is this process's own.
var wordsSeed = maphash.MakeSeed()

// meetPage offers both ways to meet and lists what is under way.
type meetPage struct {
	Open    []personView
	Token   string
	Problem string // beside the form that was refused
	Form    string // which one: invite or accept
	Name    string
	Text    string
	Free    int  // idle lanes
	First   bool // the last step of a first start
}

func (p *Pages) showMeet(v *visit) { p.meetPage(v, http.StatusOK, meetPage{}) }

func (p *Pages) meetPage(v *visit, code int, m meetPage) {
	people, _, err := p.people(v.r.Context(), "")
	if err != nil {
		p.fail(v, err)
		return
	}
	for _, k := range people {
		if !k.Met || !k.Verified {
			m.Open = append(m.Open, k)
		}
	}
	st, err := p.s.Status(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	m.Free, m.Token, m.First = st.LanesFree, v.session.form, v.r.URL.Query().Get("first") == "yes"
	p.show(v, code, "meet", m)
}

// expiries are what an invitation may be given; the form offers no others.
var expiries = map[string]time.Duration{
	"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour,
}

func (p *Pages) invite(v *visit) {
	d, ok := expiries[v.field("expires")]
	if !ok {
		d = expiries["week"]
	}
	k, err := p.s.Invite(v.r.Context(), v.field("name"), d)
	if err != nil {
		p.meetPage(v, statusOf(err), meetPage{Problem: p.text.sentence(err), Form: "invite", Name: v.field("name")})
		return
	}
	v.redirect("/meet/" + k.ID)
}

func (p *Pages) accept(v *visit) {
	text := v.field("invitation")
	for _, f := range v.files("file") {
		r, err := f.Open()
		if err != nil {
			p.fail(v, err)
			return
		}
		b, err := io.ReadAll(io.LimitReader(r, 64<<10))
		r.Close()
		if err != nil {
			p.fail(v, err)
			return
		}
		text = string(b)
	}
	k, err := p.s.Accept(v.r.Context(), v.field("name"), text)
	if err != nil {
		p.meetPage(v, statusOf(err), meetPage{Problem: p.text.sentence(err), Form: "accept", Name: v.field("name"), Text: v.field("invitation")})
		return
	}
	v.redirect("/meet/" + k.ID)
}

// meetingPage is the acquaintance with one contact, step by step.
type meetingPage struct {
	Contact contactView
	Steps   []stepView
	Inviter bool
	Words   []string // to compare, once there are any
	Token   string
	Seen    string
	Problem string
}

// stepView is a step: done, now or later.
type stepView struct {
	Text  string
	State string
	Now   string
}

func (p *Pages) meeting(v *visit) (meetingPage, bool) {
	c, ok := p.contact(v)
	if !ok {
		return meetingPage{}, false
	}
	m := meetingPage{Contact: c, Token: v.session.form, Inviter: c.Invitation != nil}
	reached := map[station.ContactState]int{
		station.StateInvited: 1, station.StateAccepted: 1, station.StateExpired: 1, station.StateRefused: 2,
		station.StateIntroducing: 2, station.StateIntroduced: 3, station.StateRestoring: 1, station.StateLost: 0,
	}[c.State]
	if c.Verified {
		reached = 4
	}
	first := p.text.say("meet.step.invited")
	switch {
	case c.State == station.StateAccepted:
		first = p.text.say("meet.step.accepted")
	case c.Restored:
		first = p.text.say("meet.step.restored")
	}
	for i, text := range []string{first, p.text.say("meet.step.met"), p.text.say("meet.step.agreed"), p.text.say("meet.step.words")} {
		s := stepView{Text: text, State: "later"}
		switch {
		case i < reached:
			s.State = "done"
		case i == reached && c.State != station.StateLost:
			s.State = "now"
		}
		m.Steps = append(m.Steps, s)
	}
	if c.Met {
		words, err := p.s.Words(v.r.Context(), c.ID)
		if err != nil && !isConflict(err) {
			p.fail(v, err)
			return m, false
		}
		m.Words = words
	}
	// Other words, after a restore, are another page; the address must not hold them.
	shown := maphash.String(wordsSeed, strings.Join(m.Words, " "))
	m.Seen = fmt.Sprintf("%s-%v-%v-%d-%x", c.State, c.Verified, c.Ready, c.Lane, shown)
	return m, true
}

func (p *Pages) showMeeting(v *visit) {
	if m, ok := p.meeting(v); ok {
		p.show(v, http.StatusOK, "meeting", m)
	}
}

func (p *Pages) partMeeting(v *visit) {
	m, ok := p.meeting(v)
	switch {
	case !ok:
	case v.r.URL.Query().Get("seen") == m.Seen:
		v.w.WriteHeader(http.StatusNoContent)
	default:
		p.showPart(v, "meeting", m)
	}
}

// squarePixels is the width of a square of a code. The page shows the picture as large
// as it is: stretched, some squares would be wider than others.
const squarePixels = 5

// invitationQR draws the invitation for the camera of the other's device, in upper
// case, which makes the smallest code.
func (p *Pages) invitationQR(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if c.Invitation == nil {
		p.notFound(v)
		return
	}
	png, err := qrcode.Encode(strings.ToUpper(c.Invitation.Text), qrcode.Medium, -squarePixels)
	if err != nil {
		p.fail(v, err)
		return
	}
	v.w.Header().Set("Content-Type", "image/png")
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(png))
}

// invitationFile gives the invitation as a file to hand over.
func (p *Pages) invitationFile(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if c.Invitation == nil {
		p.notFound(v)
		return
	}
	attach(v.w, "invitation.txt", "text/plain; charset=utf-8")
	_, _ = io.WriteString(v.w, c.Invitation.Text+"\n")
}

// attach makes an answer a file to keep, never a page to open.
func attach(w http.ResponseWriter, name, mediaType string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": station.SafeName(name)}))
}

func (p *Pages) sameWords(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if _, err := p.s.Confirm(v.r.Context(), c.ID, v.field("words")); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/c/"+c.ID, "meet.verified", shortName(c.Name))
}

func (p *Pages) showDifferent(v *visit) {
	m, ok := p.meeting(v)
	if ok {
		p.show(v, http.StatusOK, "different", m)
	}
}

func (p *Pages) cancelInvitation(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if err := p.s.Cancel(v.r.Context(), c.ID); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/meet", "meet.cancelled", shortName(c.Name))
}

// showAbout is what can be done with one contact beside writing.
func (p *Pages) showAbout(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	p.aboutPage(v, http.StatusOK, c, aboutPage{Key: c.SealKey})
}

func (p *Pages) aboutPage(v *visit, code int, c contactView, page aboutPage) {
	st, err := p.s.Status(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	page.Contact, page.Free, page.Token = c, st.LanesFree, v.session.form
	page.Expiry, page.Now = keepName(c.Expiry), p.cfg.Now().Format(fieldTime)
	if c.SealKey != "" {
		page.Noted = groups(c.SealKey)
	}
	p.show(v, code, "about", page)
}

type aboutPage struct {
	Contact contactView
	Free    int
	Token   string
	Expiry  string // name of its self-expiry
	Now     string
	Noted   []string // the key that it publishes, in groups
	Key     string   // in the field for it
	Problem string   // of that field
}

// noteKey notes the key that a contact publishes. What was typed wrongly stays there.
func (p *Pages) noteKey(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	key := v.field("key")
	if _, err := p.s.SetSealKey(v.r.Context(), c.ID, key); err != nil {
		p.aboutPage(v, statusOf(err), c, aboutPage{Key: key, Problem: p.text.sentence(err)})
		return
	}
	if strings.TrimSpace(key) == "" {
		p.done(v, "/c/"+c.ID+"/about#published", "about.key.forgotten")
		return
	}
	p.done(v, "/c/"+c.ID+"/about#published", "about.key.noted")
}

func (p *Pages) rename(v *visit) {
	p.act(v, "about.renamed", func(c contactView) error {
		_, err := p.s.Rename(v.r.Context(), c.ID, v.field("name"))
		return err
	})
}

func (p *Pages) assignLane(v *visit) {
	p.act(v, "about.assigned", func(c contactView) error {
		_, err := p.s.AssignLane(v.r.Context(), c.ID)
		return err
	})
}

func (p *Pages) parkLane(v *visit) {
	p.act(v, "about.parking", func(c contactView) error {
		_, err := p.s.FreeLane(v.r.Context(), c.ID)
		return err
	})
}

func (p *Pages) deliver(v *visit) {
	p.act(v, "restored.delivered", func(c contactView) error {
		_, err := p.s.Deliver(v.r.Context(), c.ID)
		return err
	})
}

// act does something with a contact and returns to the page about it.
func (p *Pages) act(v *visit, said string, f func(contactView) error) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if err := f(c); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/c/"+c.ID+"/about", said)
}
