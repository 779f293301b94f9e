package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// registerBooks serves rooms as files, real ones and made-up ones.
func registerBooks(api huma.API, s *station.Station) {
	type export struct {
		RoomRef
		Format string `query:"format" enum:"json,markdown,html,script" default:"json" doc:"of the file; script is what forge-room reads"`
		Self   string `query:"self" maxLength:"200" doc:"what to call this station's principal; as in the room if left out"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/export", "export-room", "A room, written down: played again, as a forgery of it is", 200),
		func(ctx context.Context, in *export) (*document, error) {
			return fileOf(s.ExportRoom(ctx, in.Room, in.Self, in.Format))
		})

	type forge struct {
		Format  string `query:"format" enum:"json,markdown,html,script" default:"json" doc:"of the answer"`
		RawBody []byte
	}
	op := operation(http.MethodPost, "/v1/forge/room", "forge-room", "A room, made up from a script: nothing of it is kept", 200)
	op.MaxBodyBytes = maxScript
	op.RequestBody = &huma.RequestBody{Description: "a script (docs/negotiation.md)"}
	huma.Register(api, op, func(ctx context.Context, in *forge) (*document, error) {
		return fileOf(s.ForgeRoom(ctx, in.RawBody, in.Format))
	})
}

// ExportRoom writes a room down; see station.ExportRoom. self may be empty.
func (c *Client) ExportRoom(ctx context.Context, ref, self, format string) ([]byte, error) {
	return c.document(ctx, http.MethodGet, roomPath(ref, "export"), url.Values{"format": {format}, "self": {self}}, nil)
}

// ForgeRoom writes a made-up room down.
func (c *Client) ForgeRoom(ctx context.Context, script []byte, format string) ([]byte, error) {
	return c.document(ctx, http.MethodPost, "/v1/forge/room", url.Values{"format": {format}}, script)
}
