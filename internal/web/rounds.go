package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// OnTableRef is a path that names something on the table of a room.
type OnTableRef struct {
	RoomRef
	ID string `path:"id" doc:"its identifier, or the first digits of it (four at least)" example:"9c1d40"`
}

// A choice comes in the body of a request and is in no answer: what a client or a
// proxy keeps of answers has none.
func registerRounds(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/rounds", "blind-rounds", "Blind rounds of a room, oldest first", 200),
		func(ctx context.Context, in *RoomRef) (*reply[[]station.RoundInfo], error) {
			return answer(s.BlindRounds(ctx, in.Room))
		})
	type propose struct {
		RoomRef
		Body station.RoundProposal
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/rounds", "propose-round", "Propose a blind round and take part in it", 201),
		func(ctx context.Context, in *propose) (*reply[station.RoundInfo], error) {
			return answer(s.ProposeRound(ctx, in.Room, in.Body))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/rounds/{id}", "blind-round", "A blind round: where it stands, what it opened, what must be read before choosing", 200),
		func(ctx context.Context, in *OnTableRef) (*reply[station.RoundInfo], error) {
			return answer(s.BlindRound(ctx, in.Room, in.ID))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/rounds/{id}/join", "join-round", "Take part in a blind round; no answer is chosen by it", 200),
		func(ctx context.Context, in *OnTableRef) (*reply[station.RoundInfo], error) {
			return answer(s.JoinRound(ctx, in.Room, in.ID))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/rounds/{id}/decline", "decline-round", "End a blind round here; to the others it looks like one that lapses", 200),
		func(ctx context.Context, in *OnTableRef) (*reply[station.RoundInfo], error) {
			return answer(s.DeclineRound(ctx, in.Room, in.ID))
		})
	type choose struct {
		OnTableRef
		Body station.RoundChoice
	}
	huma.Register(api, operation(http.MethodPut, "/v1/rooms/{room}/rounds/{id}/choice", "choose-round", "Choose the own answer, or another, until answers leave", 200),
		func(ctx context.Context, in *choose) (*reply[station.RoundInfo], error) {
			return answer(s.ChooseRound(ctx, in.Room, in.ID, in.Body))
		})
}
