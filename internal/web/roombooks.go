package web

import "net/http"

// exportRoom gives the room as a file.
func (p *Pages) exportRoom(v *visit) {
	data, mediaType, name, err := p.cfg.Books.ExportRoom(v.r.Context(), v.r.PathValue("room"), p.s.PageOptions().Name, v.field("format"))
	if err != nil {
		p.fail(v, err)
		return
	}
	attach(v.w, name, mediaType)
	_, _ = v.w.Write(data) // the browser is gone, or it is not
}

// forgeRoomPage writes a negotiation that never took place.
type forgeRoomPage struct {
	Token   string
	Script  string
	Problem string
}

// showForgeRoom begins with an example, or with a real room whose copy is to be edited.
func (p *Pages) showForgeRoom(v *visit) {
	page := forgeRoomPage{Token: v.session.form, Script: p.text.say("forgeroom.example")}
	if of := v.r.URL.Query().Get("of"); of != "" {
		script, _, _, err := p.cfg.Books.ExportRoom(v.r.Context(), of, p.s.PageOptions().Name, "script")
		if err != nil {
			p.fail(v, err)
			return
		}
		page.Script = string(script)
	}
	p.show(v, http.StatusOK, "forgeroom", page)
}

func (p *Pages) forgeRoom(v *visit) {
	page := forgeRoomPage{Token: v.session.form, Script: lines(v.field("script"))}
	data, mediaType, name, err := p.cfg.Books.ForgeRoom(v.r.Context(), []byte(page.Script), v.field("format"))
	if err != nil {
		page.Problem = p.text.sentence(err)
		p.show(v, statusOf(err), "forgeroom", page)
		return
	}
	attach(v.w, name, mediaType)
	_, _ = v.w.Write(data)
}
