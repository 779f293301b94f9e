package station

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"backchannel/internal/suite"
	"backchannel/internal/vault"
)

// Scope is what a token allows. Only what gates an operation is a scope: one that
// does nothing would be a promise that nobody keeps.
type Scope string

// The scopes. What no scope allows (unlocking, meeting, lanes, burning, tokens)
// only the principal may do.
const (
	ScopeRead Scope = "read" // contacts, signals, letters, status, events; marking as read, here only
	ScopeSend Scope = "send" // signals and letters to contacts that are there

	// ScopeNegotiate is for statements in rooms that exist, short of those that bind.
	ScopeNegotiate Scope = "negotiate"
)

// Scopes lists all scopes, each with what it allows.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeSend, ScopeNegotiate} }

const (
	tokenPrefix = "bct_" // so that a token that lies about is recognised
	maxTokens   = 64
)

// Token describes a token without its secret.
type Token struct {
	ID      string    `json:"id" doc:"16 hexadecimal digits"`
	Name    string    `json:"name" doc:"unique among tokens"`
	Scopes  []Scope   `json:"scopes" doc:"what it allows"`
	Created time.Time `json:"created" doc:"when it was made"`
}

// NewToken is a token with its secret, which is shown once and kept nowhere.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"for the header Authorization: Bearer; shown once"`
}

func tokenOf(t vault.Token) Token {
	out := Token{ID: hex.EncodeToString(t.ID[:]), Name: t.Name, Scopes: []Scope{}, Created: t.Created}
	for s := range strings.FieldsSeq(t.Scopes) {
		out.Scopes = append(out.Scopes, Scope(s))
	}
	return out
}

// NewToken makes a token for a program.
func (s *Station) NewToken(_ context.Context, name string, scopes []Scope) (NewToken, error) {
	const doing = "making a token"
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, unicode.IsControl) {
		return NewToken{}, fault(CodeInvalid, "making a token: its name must be 1 to 100 bytes on one line")
	}
	if len(scopes) == 0 {
		return NewToken{}, fault(CodeInvalid, "making a token: without a scope it allows nothing: name read, send, negotiate or several")
	}
	var kept []string
	for _, want := range Scopes() {
		if slices.Contains(scopes, want) {
			kept = append(kept, string(want))
		}
	}
	for _, sc := range scopes {
		if !slices.Contains(kept, string(sc)) {
			return NewToken{}, fault(CodeInvalid, "making a token: there is no scope %q: there are read, send and negotiate", sc)
		}
	}
	v, err := s.open()
	if err != nil {
		return NewToken{}, err
	}
	raw := suite.RandomKey()
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	t := vault.Token{Name: name, Hash: suite.Digest([]byte(secret)), Scopes: strings.Join(kept, " "), Created: time.Now()}
	suite.Random(t.ID[:])
	err = v.Update(func(tx *vault.Tx) error {
		all, err := tx.Tokens()
		if err != nil {
			return err
		}
		if len(all) >= maxTokens {
			return fault(CodeConflict, "making a token: there are %d already: revoke one first", maxTokens)
		}
		return tx.PutToken(t)
	})
	if errors.Is(err, vault.ErrNameTaken) {
		return NewToken{}, fault(CodeConflict, "making a token: there is one of that name already: choose another, or revoke it first")
	}
	if err != nil {
		return NewToken{}, s.trouble(doing, err)
	}
	return NewToken{tokenOf(t), secret}, nil
}

// Tokens lists all tokens, oldest first.
func (s *Station) Tokens(context.Context) ([]Token, error) {
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	out := []Token{}
	if err := v.View(func(tx *vault.Tx) error {
		all, err := tx.Tokens()
		for _, t := range all {
			out = append(out, tokenOf(t))
		}
		return err
	}); err != nil {
		return nil, s.trouble("listing tokens", err)
	}
	return out, nil
}

// RevokeToken ends a token, given its identifier or name, at once.
func (s *Station) RevokeToken(ctx context.Context, ref string) error {
	all, err := s.Tokens(ctx)
	if err != nil {
		return err
	}
	v, err := s.open()
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.ID != ref && t.Name != ref {
			continue
		}
		raw, err := hex.DecodeString(t.ID)
		if err != nil {
			return s.trouble("revoking the token", err)
		}
		return s.trouble("revoking the token", v.Update(func(tx *vault.Tx) error { return tx.DeleteToken([8]byte(raw)) }))
	}
	return fault(CodeNotFound, "revoking the token: there is none of that name: \"backchannel token list\" lists them")
}

// CheckToken returns what a token allows. Tokens are in the vault: a locked
// station knows none and says CodeLocked; CodeDenied is a token that there is not.
// The secret has 256 random bits, so a look-up by its hash tells nothing.
func (s *Station) CheckToken(_ context.Context, secret string) ([]Scope, error) {
	v, err := s.open()
	if err != nil {
		return nil, err
	}
	var t vault.Token
	err = v.View(func(tx *vault.Tx) (err error) {
		t, err = tx.TokenByHash(suite.Digest([]byte(secret)))
		return err
	})
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return nil, fault(CodeDenied, "the token is not valid: it was revoked or never made")
	case err != nil:
		return nil, s.trouble("checking the token", err)
	}
	return tokenOf(t).Scopes, nil
}

// ParseScopes reads scopes separated by commas.
func ParseScopes(list string) (out []Scope, err error) {
	for w := range strings.SplitSeq(list, ",") {
		sc := Scope(strings.TrimSpace(w))
		if !slices.Contains(Scopes(), sc) {
			return nil, fmt.Errorf("there is no scope %q: there are read, send and negotiate", sc)
		}
		out = append(out, sc)
	}
	return out, nil
}
