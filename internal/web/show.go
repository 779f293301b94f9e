package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// registerShow is the part of the API by which one member shows another what a third
// said.
func registerShow(api huma.API, s *station.Station) {
	type showTo struct {
		RoomRef
		Body struct {
			Statement string `json:"statement" doc:"what another member said to the room, by identifier or the first digits of it"`
			To        string `json:"to" doc:"the member who is shown it, by identifier or the contact's name"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/shown", "show-to", "Show a member what another member said, so that it knows who wrote it; to others it proves nothing", 201),
		func(ctx context.Context, in *showTo) (*reply[station.Said], error) {
			return answer(s.ShowTo(ctx, in.Room, in.Body.Statement, in.Body.To))
		})
}

// ShowTo shows a member what another member said to the room.
func (c *Client) ShowTo(ctx context.Context, room, statement, to string) (station.Said, error) {
	return call[station.Said](ctx, c, http.MethodPost, roomPath(room, "shown"), nil, map[string]string{"statement": statement, "to": to})
}
