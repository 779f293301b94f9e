package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// owner marks the operations that no token allows.
const owner station.Scope = ""

// scopes says for every operation of the API which scope a token must have. An
// operation without a line is refused to every token, and fails a test.
var scopes = map[string]station.Scope{
	"status": station.ScopeRead, "traffic": station.ScopeRead, "events": station.ScopeRead,
	"contacts": station.ScopeRead, "contact": station.ScopeRead,
	"items": station.ScopeRead, "item": station.ScopeRead, "content": station.ScopeRead,
	"mark-read": station.ScopeRead, "export": station.ScopeRead,

	"conversation": station.ScopeRead, "search": station.ScopeRead, "attachment": station.ScopeRead, "estimate": station.ScopeRead,

	"send-signal": station.ScopeSend, "send-letter": station.ScopeSend, "send-written": station.ScopeSend, "cancel": station.ScopeSend,

	"rooms": station.ScopeRead, "room": station.ScopeRead, "export-room": station.ScopeRead, "mark-room-read": station.ScopeRead, "strays": station.ScopeRead, "refused": station.ScopeRead,
	"say": station.ScopeNegotiate, "own-side": station.ScopeNegotiate, "keep-own-side": station.ScopeNegotiate,
	"show-to":     station.ScopeNegotiate,
	"suggestions": station.ScopeNegotiate, "keep-offer": station.ScopeNegotiate, "drop-offer": station.ScopeNegotiate,
	"send-offer": station.ScopeNegotiate,
	"new-room":   owner, "join-room": owner, "decline-room": owner, "erase-room": owner, "erase-strays": owner,

	"blind-rounds": station.ScopeRead, "blind-round": station.ScopeRead, "agreements": station.ScopeRead, "agreement": station.ScopeRead,
	"communiques": station.ScopeRead, "communique-file": station.ScopeRead,
	// What binds, and what a person would accept, is a person's to say.
	"propose-round": owner, "join-round": owner, "decline-round": owner, "choose-round": owner,
	"propose-agreement": owner, "consent": owner, "withdraw-consent": owner, "withdraw-agreement": owner, "sign": owner, "stop-signing": owner, "seal-key": owner,
	"propose-communique": owner, "approve-communique": owner, "release-communique": owner,

	// Whom one meets, and what is erased, is a person's decision. forge is the
	// person's as well: it can begin with a real conversation.
	"unlock": owner, "lock": owner, "invite": owner, "cancel-invitation": owner, "accept": owner, "rename": owner,
	"words": owner, "confirm": owner, "deliver": owner, "assign-lane": owner, "free-lane": owner,
	"forge": owner, "forge-room": owner, "burn": owner, "panic": owner, "new-vault": owner,
	"acknowledge": owner, // it says that a person has it
	"edit-item":   owner, "insert-item": owner, "erase-item": owner, "draft": owner, "keep-draft": owner, "mute": owner, "note-seal-key": owner, "set-expiry": owner,
	"backup": owner, "pages": owner, "pair": owner, "devices": owner, "revoke-device": owner, "page-options": owner, "set-page-options": owner,
	// A command that is run here, and where the traffic goes: with the passphrase only.
	"connection": owner, "change-connection": owner, "change-passphrase": owner,
	"tokens": owner, "new-token": owner, "revoke-token": owner,
}

// routes finds the operation of a request; its patterns are those of the API.
var routes = sync.OnceValue(func() *http.ServeMux {
	_, api := newAPI(nil, "")
	mux := http.NewServeMux()
	for path, item := range api.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			mux.Handle(op.Method+" "+path, route(op.OperationID))
		}
	}
	return mux
})

// route is the name of an operation; as a handler it does nothing.
type route string

func (route) ServeHTTP(http.ResponseWriter, *http.Request) {}

func operationsOf(item *huma.PathItem) (ops []*huma.Operation) {
	for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch, item.Head, item.Options, item.Trace} {
		if op != nil {
			ops = append(ops, op)
		}
	}
	return ops
}

// operationOf names the operation that a request asks for, "" if there is none.
func operationOf(r *http.Request) string {
	h, _ := routes().Handler(r)
	id, _ := h.(route)
	return string(id)
}

type limitedKey struct{}

// limited tells whether a request came with a token, so that what only the owner
// should see is left out of the answer.
func limited(ctx context.Context) bool { return ctx.Value(limitedKey{}) != nil }

// stillAllowed tells whether the token of a request, if it has one, is valid yet: a
// stream must not outlive it.
func stillAllowed(ctx context.Context, s *station.Station) bool {
	secret, given := ctx.Value(limitedKey{}).(string)
	if !given {
		return true
	}
	_, err := s.CheckToken(ctx, secret)
	return err == nil
}

// bearer returns the token of a request. given is true if the request claims any
// authorization at all: a malformed one must not pass for none.
func bearer(r *http.Request) (secret string, given bool) {
	all := r.Header.Values("Authorization")
	if len(all) == 0 {
		return "", false
	}
	kind, secret, _ := strings.Cut(all[0], " ")
	if len(all) > 1 || !strings.EqualFold(kind, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(secret), true
}

// LimitByToken lets a request that carries a token do what the token's scopes
// allow, and passes on one that carries none: whoever could reach next without a
// token is its owner.
func LimitByToken(s *station.Station, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret, given := bearer(r)
		if !given {
			next.ServeHTTP(w, r)
			return
		}
		have, err := s.CheckToken(r.Context(), secret)
		if err != nil {
			refuse(w, err)
			return
		}
		operation := operationOf(r)
		need, known := scopes[operation]
		described := r.URL.Path == "/openapi.json" && r.Method == http.MethodGet // no secret
		if !described && (!known || need == owner || !slices.Contains(have, need)) {
			text := "this is for the principal only: no token allows it"
			if need != owner {
				text = "the token lacks the scope " + string(need) + ": make one that has it"
			}
			refuse(w, &station.Error{Code: station.CodeDenied, Text: text})
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), limitedKey{}, secret)))
	})
}

// RequireToken is LimitByToken for an address that others can reach: a request
// without a token is refused.
func RequireToken(s *station.Station, next http.Handler) http.Handler {
	limit := LimitByToken(s, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given := bearer(r); !given {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, &huma.ErrorModel{
				Type: errorType + string(station.CodeDenied), Title: http.StatusText(http.StatusUnauthorized), Status: http.StatusUnauthorized,
				Detail: "a token is needed: \"backchannel token new\" makes one",
			})
			return
		}
		limit.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, err error) {
	var p *huma.ErrorModel
	if errors.As(problem(err), &p) {
		writeProblem(w, p)
	}
}

func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // nobody reads it any more if this fails
}

// withoutInvitation hides open invitations from programs: whoever has the text
// can come in the invited's place.
func withoutInvitation(ctx context.Context, all ...station.ContactInfo) []station.ContactInfo {
	if limited(ctx) {
		for i := range all {
			all[i].Invitation = nil
		}
	}
	return all
}

// registerTokens serves the tokens themselves.
func registerTokens(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/tokens", "tokens", "The tokens of programs, without their secrets", 200),
		func(ctx context.Context, _ *struct{}) (*reply[[]station.Token], error) { return answer(s.Tokens(ctx)) })

	type newToken struct {
		Body struct {
			Name   string          `json:"name" minLength:"1" maxLength:"100" doc:"one line, unique among tokens" example:"weather-bot"`
			Scopes []station.Scope `json:"scopes" minItems:"1" maxItems:"16" enum:"read,send,negotiate" doc:"what it allows"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/tokens", "new-token", "Make a token for a program; its secret is shown once", 201),
		func(ctx context.Context, in *newToken) (*reply[station.NewToken], error) {
			return answer(s.NewToken(ctx, in.Body.Name, in.Body.Scopes))
		})

	type ref struct {
		Token string `path:"token" doc:"a token's identifier or its name"`
	}
	huma.Register(api, operation(http.MethodDelete, "/v1/tokens/{token}", "revoke-token", "End a token, at once", 204),
		func(ctx context.Context, in *ref) (*struct{}, error) {
			return nil, problem(s.RevokeToken(ctx, in.Token))
		})
}

// Tokens lists the tokens.
func (c *Client) Tokens(ctx context.Context) ([]station.Token, error) {
	return call[[]station.Token](ctx, c, http.MethodGet, "/v1/tokens", nil, nil)
}

// NewToken makes a token.
func (c *Client) NewToken(ctx context.Context, name string, scopes []station.Scope) (station.NewToken, error) {
	return call[station.NewToken](ctx, c, http.MethodPost, "/v1/tokens", nil, map[string]any{"name": name, "scopes": scopes})
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, ref string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/tokens/"+url.PathEscape(ref), nil, nil)
	return err
}
