package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"backchannel/internal/station"
)

// MarkRoom marks a room as looked at, as far as the room of that mark went; 0 is all
// that is here.
func (c *Client) MarkRoom(ctx context.Context, ref string, mark int64) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, roomPath(ref, "read"), url.Values{"mark": {strconv.FormatInt(mark, 10)}}, nil)
	return err
}

// RefusedIn lists what a room refused.
func (c *Client) RefusedIn(ctx context.Context, ref string) ([]station.Stray, error) {
	return call[[]station.Stray](ctx, c, http.MethodGet, roomPath(ref, "refused"), nil, nil)
}

// Strays lists messages of negotiations that belong to no room here.
func (c *Client) Strays(ctx context.Context) ([]station.Stray, error) {
	return call[[]station.Stray](ctx, c, http.MethodGet, "/v1/strays", nil, nil)
}

// EraseStrays erases them.
func (c *Client) EraseStrays(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/strays", nil, nil)
	return err
}
