package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// registerPages serves what commands need of the pages.
func registerPages(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/pages", "pages", "Where browsers find the pages", 200),
		func(context.Context, *struct{}) (*reply[station.Endpoint], error) { return answer(s.Endpoint(), nil) })
	huma.Register(api, operation(http.MethodPost, "/v1/pairings", "pair", "Make a link that pairs one device, once, within ten minutes", 201),
		func(ctx context.Context, _ *struct{}) (*reply[station.Pairing], error) {
			return answer(s.NewPairing(ctx))
		})
	huma.Register(api, operation(http.MethodGet, "/v1/devices", "devices", "The paired devices", 200),
		func(ctx context.Context, _ *struct{}) (*reply[[]station.Device], error) {
			return answer(s.Devices(ctx))
		})

	type device struct {
		Device string `path:"device" doc:"the device's identifier, 16 hexadecimal digits"`
	}
	huma.Register(api, operation(http.MethodDelete, "/v1/devices/{device}", "revoke-device", "Forget a paired device", 204),
		func(ctx context.Context, in *device) (*struct{}, error) {
			return nil, problem(s.RevokeDevice(ctx, in.Device))
		})

	huma.Register(api, operation(http.MethodGet, "/v1/pages/options", "page-options", "What was chosen on the settings page", 200),
		func(context.Context, *struct{}) (*reply[station.PageOptions], error) {
			return answer(s.PageOptions(), nil)
		})
	type options struct{ Body station.PageOptions }
	huma.Register(api, operation(http.MethodPut, "/v1/pages/options", "set-page-options", "Choose time-outs, notification and the station's name", 204),
		func(ctx context.Context, in *options) (*struct{}, error) {
			return nil, problem(s.SetPageOptions(ctx, in.Body))
		})
}
