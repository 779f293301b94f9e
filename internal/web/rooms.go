package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// RoomRef is a path parameter that names a room.
type RoomRef struct {
	Room string `path:"room" doc:"a room's identifier, the first digits of it (four at least), or its title" example:"Straits talks"`
}

// roomBody is station.Room: what is on the table is described in
// docs/negotiation.md, not by a schema.
type roomBody struct {
	station.RoomInfo
	View json.RawMessage `json:"view,omitempty" doc:"what is on the table, once the room exists (docs/negotiation.md)"`
}

func roomBodyOf(r station.Room, err error) (*reply[roomBody], error) {
	if err != nil {
		return nil, problem(err)
	}
	out := roomBody{RoomInfo: r.RoomInfo}
	if r.View != nil {
		if out.View, err = json.Marshal(r.View); err != nil {
			return nil, problem(err)
		}
	}
	return &reply[roomBody]{out}, nil
}

// raw answers with JSON that the negotiation defines.
func raw(v any, err error) (*reply[json.RawMessage], error) {
	if err != nil {
		return nil, problem(err)
	}
	b, err := json.Marshal(v)
	return answer(json.RawMessage(b), err)
}

// strict reads JSON that the negotiation defines; unknown members are refused.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return problem(&station.Error{Code: station.CodeInvalid, Text: "reading the request", Err: err})
	}
	return nil
}

// binding are the kinds that only a person says.
var binding = map[string]bool{"consent": true, "approve": true, "release": true, "agreement": true, "join": true, "round": true}

func registerRooms(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/rooms", "rooms", "All rooms, also those that are being made, oldest first", 200),
		func(ctx context.Context, _ *struct{}) (*reply[[]station.RoomInfo], error) {
			return answer(s.Rooms(ctx))
		})

	type propose struct {
		Body station.Proposal
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms", "new-room", "Propose a room to contacts", 201),
		func(ctx context.Context, in *propose) (*reply[station.RoomInfo], error) {
			return answer(s.NewRoom(ctx, in.Body))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}", "room", "A room with what is on its table", 200),
		func(ctx context.Context, in *RoomRef) (*reply[roomBody], error) {
			return roomBodyOf(s.Room(ctx, in.Room))
		})
	huma.Register(api, operation(http.MethodDelete, "/v1/rooms/{room}", "erase-room", "Erase the own copy of a room; the others keep theirs and are told nothing", 204),
		func(ctx context.Context, in *RoomRef) (*struct{}, error) {
			return nil, problem(s.EraseRoom(ctx, in.Room))
		})

	type joinRoom struct {
		RoomRef
		Body struct {
			Contacts []string `json:"contacts" doc:"the other members, by identifier or name, the inviter among them; each of them learns that this station takes part"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/join", "join-room", "Join a room that a contact proposed", 200),
		func(ctx context.Context, in *joinRoom) (*reply[station.RoomInfo], error) {
			return answer(s.JoinRoom(ctx, in.Room, in.Body.Contacts))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/decline", "decline-room", "Decline a room, or call off one that does not exist yet", 200),
		func(ctx context.Context, in *RoomRef) (*reply[station.RoomInfo], error) {
			return answer(s.DeclineRoom(ctx, in.Room))
		})

	type say struct {
		RoomRef
		Body station.Saying
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/statements", "say", "Say something in a room", 201),
		func(ctx context.Context, in *say) (*reply[station.Said], error) {
			if limited(ctx) && binding[in.Body.Kind] {
				return nil, problem(&station.Error{Code: station.CodeDenied, Text: "saying it: only a person says what binds: use the page or the commands"})
			}
			return answer(s.Say(ctx, in.Room, in.Body))
		})
	registerUnsent(api, s)
	registerStrays(api, s)
	registerOwnSide(api, s)
}

func registerUnsent(api huma.API, s *station.Station) {
	type keptOffer struct {
		Number uint64 `json:"number" doc:"of the kept offer, in this room and on this station only"`
	}
	type keep struct {
		RoomRef
		Number uint64 `query:"number" doc:"the kept offer that this one replaces; 0 keeps a new one"`
		Body   json.RawMessage
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/unsent", "keep-offer", "Keep an offer that is not sent yet", 201),
		func(ctx context.Context, in *keep) (*reply[keptOffer], error) {
			n, err := s.KeepOffer(ctx, in.Room, in.Number, in.Body)
			return answer(keptOffer{n}, err)
		})
	type unsent struct {
		RoomRef
		Number uint64 `path:"number" doc:"of the kept offer"`
	}
	huma.Register(api, operation(http.MethodDelete, "/v1/rooms/{room}/unsent/{number}", "drop-offer", "Forget a kept offer", 204),
		func(ctx context.Context, in *unsent) (*struct{}, error) {
			return nil, problem(s.DropOffer(ctx, in.Room, in.Number))
		})
	type sendOffer struct {
		RoomRef
		Number uint64 `path:"number" doc:"of the kept offer"`
		Body   struct {
			To string `json:"to,omitempty" doc:"a member who alone is told; empty for the room"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/unsent/{number}/send", "send-offer", "Send a kept offer", 201),
		func(ctx context.Context, in *sendOffer) (*reply[station.Said], error) {
			return answer(s.SendOffer(ctx, in.Room, in.Number, in.Body.To))
		})
}

func registerOwnSide(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/own", "own-side", "Limits, weights, colours and notes: for oneself only", 200),
		func(ctx context.Context, in *RoomRef) (*reply[json.RawMessage], error) {
			return raw(s.OwnSide(ctx, in.Room))
		})
	type keep struct {
		RoomRef
		Body json.RawMessage
	}
	huma.Register(api, operation(http.MethodPut, "/v1/rooms/{room}/own", "keep-own-side", "Keep them, as a whole", 204),
		func(ctx context.Context, in *keep) (*struct{}, error) {
			var p station.OwnSide
			if err := strict(in.Body, &p); err != nil {
				return nil, err
			}
			return nil, problem(s.KeepOwnSide(ctx, in.Room, p))
		})
	type suggest struct {
		RoomRef
		Deal  string `query:"deal" doc:"a package: only what is no worse than it for anybody, as far as the table shows"`
		Count int    `query:"count" default:"5" minimum:"1" maximum:"100" doc:"so many at most, the best first"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/suggestions", "suggestions", "Packages that may suit all, computed here and told nobody", 200),
		func(ctx context.Context, in *suggest) (*reply[json.RawMessage], error) {
			return raw(s.Suggest(ctx, in.Room, in.Deal, in.Count))
		})
}
