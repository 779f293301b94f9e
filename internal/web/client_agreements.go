package web

import (
	"context"
	"net/http"
	"net/url"

	"backchannel/internal/station"
)

// BlindRounds lists the blind rounds of a room.
func (c *Client) BlindRounds(ctx context.Context, room string) ([]station.RoundInfo, error) {
	return call[[]station.RoundInfo](ctx, c, http.MethodGet, roomPath(room, "rounds"), nil, nil)
}

// BlindRound returns one round.
func (c *Client) BlindRound(ctx context.Context, room, id string) (station.RoundInfo, error) {
	return call[station.RoundInfo](ctx, c, http.MethodGet, roomPath(room, "rounds", url.PathEscape(id)), nil, nil)
}

// ProposeRound proposes a blind round and takes part in it.
func (c *Client) ProposeRound(ctx context.Context, room string, p station.RoundProposal) (station.RoundInfo, error) {
	return call[station.RoundInfo](ctx, c, http.MethodPost, roomPath(room, "rounds"), nil, p)
}

// JoinRound takes part in a round.
func (c *Client) JoinRound(ctx context.Context, room, id string) (station.RoundInfo, error) {
	return call[station.RoundInfo](ctx, c, http.MethodPost, roomPath(room, "rounds", url.PathEscape(id), "join"), nil, nil)
}

// DeclineRound ends a round here.
func (c *Client) DeclineRound(ctx context.Context, room, id string) (station.RoundInfo, error) {
	return call[station.RoundInfo](ctx, c, http.MethodPost, roomPath(room, "rounds", url.PathEscape(id), "decline"), nil, nil)
}

// ChooseRound chooses the own answer.
func (c *Client) ChooseRound(ctx context.Context, room, id string, choice station.RoundChoice) (station.RoundInfo, error) {
	return call[station.RoundInfo](ctx, c, http.MethodPut, roomPath(room, "rounds", url.PathEscape(id), "choice"), nil, choice)
}

// Agreements lists the agreements of a room.
func (c *Client) Agreements(ctx context.Context, room string) ([]station.AgreementInfo, error) {
	return call[[]station.AgreementInfo](ctx, c, http.MethodGet, roomPath(room, "agreements"), nil, nil)
}

// Agreement returns one agreement.
func (c *Client) Agreement(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return call[station.AgreementInfo](ctx, c, http.MethodGet, roomPath(room, "agreements", url.PathEscape(id)), nil, nil)
}

// ProposeAgreement proposes an agreement.
func (c *Client) ProposeAgreement(ctx context.Context, room string, p station.AgreementProposal) (station.AgreementInfo, error) {
	return call[station.AgreementInfo](ctx, c, http.MethodPost, roomPath(room, "agreements"), nil, p)
}

// ConsentAgreement consents to an agreement.
func (c *Client) ConsentAgreement(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return c.onAgreement(ctx, room, id, "consent")
}

// WithdrawConsent takes the own consent to an agreement back.
func (c *Client) WithdrawConsent(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return c.onAgreement(ctx, room, id, "withdraw-consent")
}

// WithdrawAgreement takes an own proposal back.
func (c *Client) WithdrawAgreement(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return c.onAgreement(ctx, room, id, "withdraw")
}

// SignAgreement signs an agreement.
func (c *Client) SignAgreement(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return c.onAgreement(ctx, room, id, "sign")
}

// StopSigning takes the own signature back.
func (c *Client) StopSigning(ctx context.Context, room, id string) (station.AgreementInfo, error) {
	return c.onAgreement(ctx, room, id, "stop")
}

func (c *Client) onAgreement(ctx context.Context, room, id, what string) (station.AgreementInfo, error) {
	return call[station.AgreementInfo](ctx, c, http.MethodPost, roomPath(room, "agreements", url.PathEscape(id), what), nil, nil)
}

// SealKey is the station's published seal key.
func (c *Client) SealKey(ctx context.Context) (string, error) {
	k, err := call[struct {
		Key string `json:"key"`
	}](ctx, c, http.MethodGet, "/v1/seal-key", nil, nil)
	return k.Key, err
}

// SetSealKey notes the published key of a contact; "" forgets it.
func (c *Client) SetSealKey(ctx context.Context, ref, key string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPut, contactPath(ref, "seal-key"), nil, map[string]string{"key": key})
}

// Communiques lists the communiqués of a room.
func (c *Client) Communiques(ctx context.Context, room string) ([]station.CommuniqueInfo, error) {
	return call[[]station.CommuniqueInfo](ctx, c, http.MethodGet, roomPath(room, "communiques"), nil, nil)
}

// ProposeCommunique drafts the communiqué of an agreement.
func (c *Client) ProposeCommunique(ctx context.Context, room, agreement, text string) (station.CommuniqueInfo, error) {
	return call[station.CommuniqueInfo](ctx, c, http.MethodPost, roomPath(room, "communiques"), nil, map[string]string{"agreement": agreement, "text": text})
}

// ApproveCommunique agrees to the release of a communiqué.
func (c *Client) ApproveCommunique(ctx context.Context, room, id string) (station.CommuniqueInfo, error) {
	return call[station.CommuniqueInfo](ctx, c, http.MethodPost, roomPath(room, "communiques", url.PathEscape(id), "approve"), nil, nil)
}

// ReleaseCommunique notes that a communiqué goes to the public.
func (c *Client) ReleaseCommunique(ctx context.Context, room, id string) (station.CommuniqueInfo, error) {
	return call[station.CommuniqueInfo](ctx, c, http.MethodPost, roomPath(room, "communiques", url.PathEscape(id), "release"), nil, nil)
}

// CommuniqueFile is a communiqué that anybody can check; self is the own name in it,
// as in the room if empty.
func (c *Client) CommuniqueFile(ctx context.Context, room, id, self string) ([]byte, error) {
	f, err := call[struct {
		File string `json:"file"`
	}](ctx, c, http.MethodGet, roomPath(room, "communiques", url.PathEscape(id), "file"), url.Values{"self": {self}}, nil)
	return []byte(f.File), err
}
