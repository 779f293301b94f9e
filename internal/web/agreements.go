package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

func registerAgreements(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/agreements", "agreements", "Agreements of a room, oldest first", 200),
		func(ctx context.Context, in *RoomRef) (*reply[[]station.AgreementInfo], error) {
			return answer(s.Agreements(ctx, in.Room))
		})
	type propose struct {
		RoomRef
		Body station.AgreementProposal
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/agreements", "propose-agreement", "Propose an agreement; proposing is no consent", 201),
		func(ctx context.Context, in *propose) (*reply[station.AgreementInfo], error) {
			return answer(s.ProposeAgreement(ctx, in.Room, in.Body))
		})
	for _, op := range []struct {
		method, path, id, what string
		do                     func(ctx context.Context, room, ref string) (station.AgreementInfo, error)
	}{
		{http.MethodGet, "", "agreement", "An agreement with exactly the text that is confirmed or signed", s.Agreement},
		{http.MethodPost, "/consent", "consent", "Consent to the exact content of an agreement", s.ConsentAgreement},
		{http.MethodPost, "/withdraw-consent", "withdraw-consent", "Take the own consent back, before the signing begins or everybody has confirmed", s.WithdrawConsent},
		{http.MethodPost, "/withdraw", "withdraw-agreement", "Take an own proposal back", s.WithdrawAgreement},
		{http.MethodPost, "/sign", "sign", "Sign an agreement; this ends deniability, and its warning must have been read", s.SignAgreement},
		{http.MethodPost, "/stop", "stop-signing", "Take the own signature back, while the share has not left", s.StopSigning},
	} {
		huma.Register(api, operation(op.method, "/v1/rooms/{room}/agreements/{id}"+op.path, op.id, op.what, 200),
			func(ctx context.Context, in *OnTableRef) (*reply[station.AgreementInfo], error) {
				return answer(op.do(ctx, in.Room, in.ID))
			})
	}
	type ownSealKey struct {
		Key string `json:"key" doc:"64 hexadecimal digits"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/seal-key", "seal-key", "The key with which this station signs agreements of level public", 200),
		func(ctx context.Context, _ *struct{}) (*reply[ownSealKey], error) {
			k, err := s.SealKey(ctx)
			return answer(ownSealKey{k}, err)
		})
	registerCommuniques(api, s)
}

func registerCommuniques(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/communiques", "communiques", "Communiqués of a room, oldest first", 200),
		func(ctx context.Context, in *RoomRef) (*reply[[]station.CommuniqueInfo], error) {
			return answer(s.Communiques(ctx, in.Room))
		})
	type newCommunique struct {
		RoomRef
		Body struct {
			Agreement string `json:"agreement" doc:"by identifier or the first digits of it (four at least)"`
			Text      string `json:"text,omitempty" doc:"for an agreement of level handshake; what was signed is published word for word"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/communiques", "propose-communique", "Draft the communiqué of an agreement that is confirmed or signed", 201),
		func(ctx context.Context, in *newCommunique) (*reply[station.CommuniqueInfo], error) {
			return answer(s.ProposeCommunique(ctx, in.Room, in.Body.Agreement, in.Body.Text))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/communiques/{id}/approve", "approve-communique", "Agree to the release of a communiqué", 200),
		func(ctx context.Context, in *OnTableRef) (*reply[station.CommuniqueInfo], error) {
			return answer(s.ApproveCommunique(ctx, in.Room, in.ID))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/rooms/{room}/communiques/{id}/release", "release-communique", "Note that a communiqué that all approved goes to the public", 200),
		func(ctx context.Context, in *OnTableRef) (*reply[station.CommuniqueInfo], error) {
			return answer(s.ReleaseCommunique(ctx, in.Room, in.ID))
		})
	type file struct {
		OnTableRef
		Self string `query:"self" doc:"the own name in the file; as in the room if left out"`
	}
	type communiqueFile struct {
		File string `json:"file" doc:"what \"backchannel verify\" checks, to the byte"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/rooms/{room}/communiques/{id}/file", "communique-file", "A signed communiqué that all approved, as a file that anybody can check", 200),
		func(ctx context.Context, in *file) (*reply[communiqueFile], error) {
			b, err := s.CommuniqueFile(ctx, in.Room, in.ID, in.Self)
			return answer(communiqueFile{string(b)}, err)
		})
}
