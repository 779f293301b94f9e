package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"backchannel/internal/station"
)

func roomPath(ref string, more ...string) string {
	return strings.Join(append([]string{"/v1/rooms", url.PathEscape(ref)}, more...), "/")
}

// Rooms lists all rooms, also those that are being made, oldest first.
func (c *Client) Rooms(ctx context.Context) ([]station.RoomInfo, error) {
	return call[[]station.RoomInfo](ctx, c, http.MethodGet, "/v1/rooms", nil, nil)
}

// Room returns a room with what is on its table.
func (c *Client) Room(ctx context.Context, ref string) (station.Room, error) {
	return call[station.Room](ctx, c, http.MethodGet, roomPath(ref), nil, nil)
}

// NewRoom proposes a room to contacts.
func (c *Client) NewRoom(ctx context.Context, p station.Proposal) (station.RoomInfo, error) {
	return call[station.RoomInfo](ctx, c, http.MethodPost, "/v1/rooms", nil, p)
}

// JoinRoom joins a room; contacts are the other members.
func (c *Client) JoinRoom(ctx context.Context, ref string, contacts []string) (station.RoomInfo, error) {
	return call[station.RoomInfo](ctx, c, http.MethodPost, roomPath(ref, "join"), nil, map[string][]string{"contacts": contacts})
}

// DeclineRoom declines a room or calls one off.
func (c *Client) DeclineRoom(ctx context.Context, ref string) (station.RoomInfo, error) {
	return call[station.RoomInfo](ctx, c, http.MethodPost, roomPath(ref, "decline"), nil, nil)
}

// EraseRoom erases the own copy of a room.
func (c *Client) EraseRoom(ctx context.Context, ref string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, roomPath(ref), nil, nil)
	return err
}

// Say says something in a room. body is of the kind's structure, or JSON of it.
func (c *Client) Say(ctx context.Context, ref, kind, to string, body any) (station.Said, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return station.Said{}, err
	}
	return call[station.Said](ctx, c, http.MethodPost, roomPath(ref, "statements"), nil, station.Saying{Kind: kind, To: to, Body: b})
}

// KeepOffer keeps an offer that is not sent yet, under number or, for 0, a new one.
func (c *Client) KeepOffer(ctx context.Context, ref string, number uint64, offer any) (uint64, error) {
	kept, err := call[struct {
		Number uint64 `json:"number"`
	}](ctx, c, http.MethodPost, roomPath(ref, "unsent"), url.Values{"number": {strconv.FormatUint(number, 10)}}, offer)
	return kept.Number, err
}

// DropOffer forgets a kept offer.
func (c *Client) DropOffer(ctx context.Context, ref string, number uint64) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, roomPath(ref, "unsent", strconv.FormatUint(number, 10)), nil, nil)
	return err
}

// SendOffer sends a kept offer to the room, or to one member.
func (c *Client) SendOffer(ctx context.Context, ref string, number uint64, to string) (station.Said, error) {
	return call[station.Said](ctx, c, http.MethodPost, roomPath(ref, "unsent", strconv.FormatUint(number, 10), "send"), nil, map[string]string{"to": to})
}

// OwnSide returns what the user noted for itself about a room.
func (c *Client) OwnSide(ctx context.Context, ref string) (station.OwnSide, error) {
	return call[station.OwnSide](ctx, c, http.MethodGet, roomPath(ref, "own"), nil, nil)
}

// KeepOwnSide replaces it as a whole.
func (c *Client) KeepOwnSide(ctx context.Context, ref string, p station.OwnSide) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, roomPath(ref, "own"), nil, p)
	return err
}

// Suggestions are packages that may suit all, or, with a deal, be better than it.
func (c *Client) Suggestions(ctx context.Context, ref, deal string, count int) ([]station.Suggestion, error) {
	return call[[]station.Suggestion](ctx, c, http.MethodGet, roomPath(ref, "suggestions"), url.Values{"deal": {deal}, "count": {strconv.Itoa(count)}}, nil)
}

// KeepOwnSideJSON is KeepOwnSide with JSON as a person wrote it.
func (c *Client) KeepOwnSideJSON(ctx context.Context, ref string, p []byte) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, roomPath(ref, "own"), nil, json.RawMessage(p))
	return err
}
