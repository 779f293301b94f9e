package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// registerStrays has what of rooms is new, and what was not understood.
func registerStrays(api huma.API, s *station.Station) {
	type mark struct {
		RoomRef
		Mark int64 `query:"mark" doc:"as far as the answer with this mark goes; 0: all that is here"`
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/read", "mark-room-read", "Mark a room as looked at, here only", 204),
		func(ctx context.Context, in *mark) (*struct{}, error) {
			return nil, problem(s.MarkRoom(ctx, in.Room, in.Mark))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/refused", "refused", "Messages that a room refused, as they came", 200),
		func(ctx context.Context, in *RoomRef) (*reply[[]station.Stray], error) {
			return answer(s.RefusedIn(ctx, in.Room))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/strays", "strays", "Messages of negotiations that belong to no room here, as they came", 200),
		func(ctx context.Context, _ *struct{}) (*reply[[]station.Stray], error) {
			return answer(s.Strays(ctx))
		})
	huma.Register(api, operation(http.MethodDelete, "/v1/strays", "erase-strays", "Erase them", 204),
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			return nil, problem(s.EraseStrays(ctx))
		})
}
