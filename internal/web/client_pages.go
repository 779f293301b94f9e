package web

import (
	"context"
	"net/http"
	"net/url"

	"backchannel/internal/station"
)

// Pages returns where browsers find the station's pages.
func (c *Client) Pages(ctx context.Context) (station.Endpoint, error) {
	return call[station.Endpoint](ctx, c, http.MethodGet, "/v1/pages", nil, nil)
}

// Pair makes a link that pairs one device.
func (c *Client) Pair(ctx context.Context) (station.Pairing, error) {
	return call[station.Pairing](ctx, c, http.MethodPost, "/v1/pairings", nil, nil)
}

// Devices lists the paired devices.
func (c *Client) Devices(ctx context.Context) ([]station.Device, error) {
	return call[[]station.Device](ctx, c, http.MethodGet, "/v1/devices", nil, nil)
}

// RevokeDevice forgets a paired device.
func (c *Client) RevokeDevice(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/devices/"+url.PathEscape(id), nil, nil)
	return err
}

// PageOptions returns what was chosen on the settings page.
func (c *Client) PageOptions(ctx context.Context) (station.PageOptions, error) {
	return call[station.PageOptions](ctx, c, http.MethodGet, "/v1/pages/options", nil, nil)
}

// SetPageOptions chooses them.
func (c *Client) SetPageOptions(ctx context.Context, o station.PageOptions) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, "/v1/pages/options", nil, o)
	return err
}
