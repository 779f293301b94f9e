package web

import (
	"net/http"
	"slices"
	"strings"

	"backchannel/internal/station"
)

type tokensPage struct {
	Tokens  []tokenView
	Made    *station.NewToken // shown this once
	At      string            // where the program finds the interface
	Name    string
	Read    bool
	Send    bool
	Problem string
	Token   string
}

type tokenView struct {
	station.Token
	May string // its scopes in words
}

func (p *Pages) showTokens(v *visit) { p.tokensPage(v, http.StatusOK, tokensPage{Read: true}) }

func (p *Pages) tokensPage(v *visit, code int, page tokensPage) {
	all, err := p.s.Tokens(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	words := map[station.Scope]string{station.ScopeRead: p.text.say("tokens.scope.read"), station.ScopeSend: p.text.say("tokens.scope.send")}
	for _, t := range all {
		var may []string
		for _, sc := range t.Scopes {
			may = append(may, words[sc])
		}
		page.Tokens = append(page.Tokens, tokenView{t, strings.Join(may, ", ")})
	}
	page.Token, page.At = v.session.form, p.s.Endpoint().Local
	p.show(v, code, "tokens", page)
}

func (p *Pages) newToken(v *visit) {
	name := v.field("name")
	var scopes []station.Scope
	for _, s := range v.r.PostForm["scope"] {
		scopes = append(scopes, station.Scope(s))
	}
	made, err := p.s.NewToken(v.r.Context(), name, scopes)
	if err != nil {
		page := tokensPage{Problem: p.text.sentence(err), Name: name, Read: slices.Contains(scopes, station.ScopeRead), Send: slices.Contains(scopes, station.ScopeSend)}
		p.tokensPage(v, statusOf(err), page)
		return
	}
	p.tokensPage(v, http.StatusOK, tokensPage{Made: &made, Read: true})
}

func (p *Pages) revokeToken(v *visit) {
	if err := p.s.RevokeToken(v.r.Context(), v.r.PathValue("token")); err != nil {
		p.fail(v, err)
		return
	}
	p.done(v, "/settings/tokens", "tokens.revoked")
}
