package web

import (
	"net/http"
	"strings"

	"backchannel/internal/station"
)

// connectionView is what the file of the configuration says, or what was just
// written into the form.
type connectionView struct {
	station.Connection
	Notify  string // one argument a line
	Pending bool   // the running station was started with something else
	Damaged bool   // the file cannot be read any more
}

// connection describes what holds from the next start.
func (p *Pages) connection() connectionView {
	running := p.s.Config()
	kept, err := running.Kept()
	if err != nil {
		kept = running
	}
	now, next := running.Connection(), kept.Connection()
	return connectionView{Connection: next, Notify: strings.Join(next.Notify, "\n"), Pending: !now.Same(next), Damaged: err != nil}
}

// saveConnection writes the configuration. A command and a proxy are more than the
// pages can do otherwise: whoever found them unlocked, or took a paired device,
// must not be able to run a program here or to lead the traffic elsewhere. So it
// asks for the passphrase again, on this machine only.
func (p *Pages) saveConnection(v *visit) {
	n := station.Connection{SOCKS5: strings.TrimSpace(v.field("socks5")), Page: strings.TrimSpace(v.field("page")), Remote: strings.TrimSpace(v.field("remote"))}
	for line := range strings.Lines(v.field("notify")) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			n.Notify = append(n.Notify, line)
		}
	}
	refuse := func(code int, problem string) {
		given := connectionView{Connection: n, Notify: strings.Join(n.Notify, "\n")}
		p.settingsPage(v, code, settingsPage{Problem: problem, About: "connection", Line: given})
	}
	switch {
	case gateOf(v.r).Remote:
		refuse(http.StatusForbidden, p.text.say("settings.elsewhere"))
		return
	case n.Page == "":
		refuse(http.StatusUnprocessableEntity, p.text.say("settings.nopage"))
		return
	}
	if code, problem := p.atDoor(v, func() error { return p.s.CheckPassphrase(v.r.Context(), []byte(v.field("passphrase"))) }); problem != "" {
		refuse(code, problem)
		return
	}
	if err := p.s.Config().SetConnection(n); err != nil {
		refuse(statusOf(err), p.text.sentence(err))
		return
	}
	p.done(v, "/settings#connection", "settings.connection.kept")
}
