package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// What asks for the passphrase again, though whoever asks is let in already.
const (
	connectionPath = "/v1/settings/connection"
	passphrasePath = "/v1/settings/passphrase"
)

// registerSettings serves what the forms of the settings page do with the
// passphrase.
func registerSettings(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, connectionPath, "connection", "Proxy, addresses of the pages and the command on arrival: what holds, and what will", 200),
		func(ctx context.Context, _ *struct{}) (*reply[station.ConnectionState], error) {
			return answer(s.ConnectionState(ctx))
		})

	type changeConnection struct {
		Body struct {
			Passphrase string `json:"passphrase" minLength:"1" maxLength:"4096" doc:"the vault's, once more"`
			station.ConnectionChange
		}
	}
	op := operation(http.MethodPatch, connectionPath, "change-connection", "Write some of it into the configuration, with the passphrase; it takes effect when the station starts again", 200)
	op.Errors = append(op.Errors, http.StatusForbidden)
	huma.Register(api, op, func(ctx context.Context, in *changeConnection) (*reply[station.ConnectionState], error) {
		return answer(s.ChangeConnection(ctx, []byte(in.Body.Passphrase), in.Body.ConnectionChange))
	})

	type changePassphrase struct {
		Body struct {
			Old   string `json:"old" minLength:"1" maxLength:"4096" doc:"the vault's until now"`
			Fresh string `json:"new" minLength:"1" maxLength:"4096" doc:"the vault's from now on; refused if it would be guessed"`
		}
	}
	op = operation(http.MethodPut, passphrasePath, "change-passphrase", "Seal the vault's key under another passphrase", 204)
	op.Errors = append(op.Errors, http.StatusForbidden)
	huma.Register(api, op, func(ctx context.Context, in *changePassphrase) (*struct{}, error) {
		if Guessable(in.Body.Fresh) {
			return nil, problem(&station.Error{Code: station.CodeInvalid, Text: "changing the passphrase: the new one would be guessed: take a longer one"})
		}
		return nil, problem(s.ChangePassphrase(ctx, []byte(in.Body.Old), []byte(in.Body.Fresh)))
	})
}

// Connection returns proxy, addresses and command on arrival: what the station runs
// with and what it will be started with.
func (c *Client) Connection(ctx context.Context) (station.ConnectionState, error) {
	return call[station.ConnectionState](ctx, c, http.MethodGet, connectionPath, nil, nil)
}

// ChangeConnection changes some of it from the next start on.
func (c *Client) ChangeConnection(ctx context.Context, passphrase string, change station.ConnectionChange) (station.ConnectionState, error) {
	in := struct {
		Passphrase string `json:"passphrase"`
		station.ConnectionChange
	}{passphrase, change}
	return call[station.ConnectionState](ctx, c, http.MethodPatch, connectionPath, nil, in)
}

// ChangePassphrase seals the vault's key under another passphrase.
func (c *Client) ChangePassphrase(ctx context.Context, old, fresh string) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, passphrasePath, nil, map[string]string{"old": old, "new": fresh})
	return err
}
