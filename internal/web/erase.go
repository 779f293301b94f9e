package web

import (
	"io"
	"net/http"

	"backchannel/internal/station"
)

// What cannot be undone is asked for on a page of its own, and the words that name
// it are typed.

type burnPage struct {
	Contact contactView
	Token   string
	Problem string
}

func (p *Pages) showBurn(v *visit) {
	if c, ok := p.contact(v); ok {
		p.show(v, http.StatusOK, "burn", burnPage{Contact: c, Token: v.session.form})
	}
}

func (p *Pages) burn(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if v.field("name") != c.Name {
		p.show(v, http.StatusUnprocessableEntity, "burn", burnPage{c, v.session.form, p.text.say("burn.othername")})
		return
	}
	if err := p.s.Burn(v.r.Context(), c.ID); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/", "burn.done")
}

type panicPage struct {
	Token   string
	Word    string
	Problem string
}

func (p *Pages) showPanic(v *visit) {
	p.show(v, http.StatusOK, "panic", panicPage{Token: v.session.form, Word: p.text.say("panic.word")})
}

func (p *Pages) panicNow(v *visit) {
	if v.field("word") != p.text.say("panic.word") {
		p.show(v, http.StatusUnprocessableEntity, "panic", panicPage{v.session.form, p.text.say("panic.word"), p.text.say("panic.otherword")})
		return
	}
	if err := p.s.Panic(v.r.Context()); err != nil {
		p.fail(v, err)
		return
	}
	p.sessions.endAll()
	p.leave(v)
}

// newVault is the locked page of a station that has no vault, after a panic.
func (p *Pages) newVault(w http.ResponseWriter, r *http.Request) {
	g := gateOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	pass := r.PostFormValue("passphrase")
	problem := ""
	switch {
	case pass != r.PostFormValue("again"):
		problem = p.text.say("settings.passphrase.differ")
	case Guessable(pass):
		problem = p.text.say("settings.passphrase.weak")
	default:
		if err := p.s.NewVault(r.Context(), []byte(pass)); err != nil {
			problem = p.text.sentence(err)
		}
	}
	if problem != "" {
		p.renderLocked(w, http.StatusUnprocessableEntity, lockedPage{Problem: problem})
		return
	}
	g.set(w, "session", p.sessions.begin(p.device(r, g), ownerFor(r.Context()), p.s.Opening()), 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// backup gives an encrypted backup as a file, as it is made: a vault of years does
// not fit the memory of a small computer.
func (p *Pages) backup(v *visit) {
	pass := v.field("passphrase")
	refuse := func(code int, text string) { p.settingsPage(v, code, settingsPage{Problem: text, About: "backup"}) }
	switch {
	case pass != v.field("again"):
		refuse(http.StatusUnprocessableEntity, p.text.say("settings.passphrase.differ"))
		return
	case Guessable(pass):
		refuse(http.StatusUnprocessableEntity, p.text.say("settings.passphrase.weak"))
		return
	}
	out := &download{w: v.w, begin: func() {
		attach(v.w, "backchannel-"+p.cfg.Now().Format("2006-01-02")+".backup", "application/octet-stream")
	}}
	err := p.s.Backup(v.r.Context(), []byte(pass), out)
	switch {
	case err != nil && out.begun:
		panic(http.ErrAbortHandler) // the browser calls the download failed: a part must not look whole
	case err != nil:
		refuse(statusOf(err), p.text.sentence(err))
	}
}

// download is a file of which nobody knows yet whether there will be one: its
// headers go out with its first byte.
type download struct {
	w     io.Writer
	begin func()
	begun bool
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.begin()
	}
	return d.w.Write(b)
}

// restored is what the first page after a restore says.
func (s *screens) restored(r station.RestoreReport) []string {
	now := r.Backup
	out := []string{s.text.say("restore.done", s.text.count("restore.contacts", r.Contacts), s.text.day(now, now.AddDate(1, 0, 0)), now.Local().Format("15:04"))}
	if r.Lost > 0 {
		out = append(out, s.text.count("restore.lost", r.Lost))
	}
	return append(out, s.text.say("restore.words"))
}
