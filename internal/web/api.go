package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"backchannel/internal/station"
)

// errorType prefixes the type of every problem document.
const errorType = "backchannel:"

// NewHandler serves the API of s. A request that carries a token is limited to
// what the token allows; one without is taken for the owner's (RequireToken).
func NewHandler(s *station.Station, version string) http.Handler {
	mux, _ := newAPI(s, version)
	return LimitByToken(s, orProblem(mux))
}

// orProblem answers what no operation matches with a problem document too.
func orProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "" {
				allowed = append(allowed, method)
			}
		}
		code, kind, detail := http.StatusNotFound, station.CodeNotFound, "there is no operation at this address: /openapi.json lists them"
		if allowed != nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			code, kind, detail = http.StatusMethodNotAllowed, station.CodeInvalid, "this address does not take that method: /openapi.json lists what it takes"
		}
		writeProblem(w, problemOf(code, kind, detail))
	})
}

func problemOf(code int, kind station.Code, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Type: errorType + string(kind), Title: http.StatusText(code), Status: code, Detail: detail}
}

// describeMisfit words what is answered to a request that is not as the operation
// describes it, as every other error is worded. It leaves out the value, which may be
// a passphrase: programs log what they are answered.
func describeMisfit(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok || e.Type != "" {
		return v, nil
	}
	e.Type = errorType + string(station.CodeInvalid)
	what := e.Detail
	if len(e.Errors) > 0 {
		what = ""
	}
	for _, d := range e.Errors {
		d.Value = nil
		where := d.Location
		for _, place := range []string{"body.", "query.", "path.", "header."} {
			where = strings.TrimPrefix(where, place)
		}
		what += ": " + strings.TrimPrefix(where+": ", ": ") + d.Message
	}
	e.Detail = "reading the request: " + strings.TrimPrefix(what, ": ") + ": /openapi.json says what it takes"
	return e, nil
}

// newAPI registers every operation; without a station it only describes them.
func newAPI(s *station.Station, version string) (*http.ServeMux, huma.API) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Backchannel station", version)
	config.DocsPath = "" // the bundled pages load foreign scripts
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema links in answers
	config.Transformers = append(config.Transformers, describeMisfit)

	api := humago.New(mux, config)
	registerStation(api, s)
	registerContacts(api, s)
	registerItems(api, s)
	registerEvents(mux, api, s)
	registerPages(api, s)
	registerSettings(api, s)
	registerBackup(api, s)
	registerDeny(api, s)
	registerBooks(api, s)
	registerTokens(api, s)
	registerRooms(api, s)
	registerRounds(api, s)
	registerAgreements(api, s)
	registerShow(api, s)
	describe(api)
	return mux, api
}

// status maps the station's error codes to HTTP.
var status = map[station.Code]int{
	station.CodeInvalid:  http.StatusUnprocessableEntity,
	station.CodeNotFound: http.StatusNotFound,
	station.CodeConflict: http.StatusConflict,
	station.CodeLocked:   http.StatusLocked,
	station.CodeTooLarge: http.StatusRequestEntityTooLarge,
	station.CodeDenied:   http.StatusForbidden,
	station.CodeFull:     http.StatusInsufficientStorage,
	station.CodeInternal: http.StatusInternalServerError,
}

// problem turns a station's error into a problem document.
func problem(err error) error {
	if err == nil {
		return nil
	}
	e := &station.Error{Code: station.CodeInternal}
	code := http.StatusInternalServerError
	if errors.As(err, &e) {
		code = status[e.Code]
	}
	return &huma.ErrorModel{
		Type: errorType + string(e.Code), Title: http.StatusText(code), Status: code, Detail: err.Error(),
	}
}

// reply wraps a body for huma.
type reply[T any] struct{ Body T }

func answer[T any](v T, err error) (*reply[T], error) {
	if err != nil {
		return nil, problem(err)
	}
	return &reply[T]{v}, nil
}

// Ref is a path parameter that names a contact.
type Ref struct {
	Contact string `path:"contact" doc:"a contact's identifier or its exact name" example:"Borvia"`
}

func operation(method, path, id, summary string, success int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: success,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusLocked},
	}
}

func registerStation(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/status", "status", "The station, its network and what waits", 200),
		func(ctx context.Context, _ *struct{}) (*reply[station.Status], error) { return answer(s.Status(ctx)) })

	type unlock struct {
		Body struct {
			Passphrase string `json:"passphrase" doc:"the vault's"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/unlock", "unlock", "Open the vault", 204),
		func(ctx context.Context, in *unlock) (*struct{}, error) {
			return nil, problem(s.Unlock(ctx, []byte(in.Body.Passphrase)))
		})
	huma.Register(api, operation(http.MethodPost, "/v1/lock", "lock", "Close the vault; the traffic goes on with idle lanes", 204),
		func(ctx context.Context, _ *struct{}) (*struct{}, error) { return nil, problem(s.Lock(ctx)) })

	type traffic struct {
		Rounds int `query:"rounds" default:"60" minimum:"1" maximum:"600" doc:"how many of the last rounds"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/traffic", "traffic", "The station's own traffic, round by round, as an observer sees it", 200),
		func(ctx context.Context, in *traffic) (*reply[[]station.TrafficTick], error) {
			return answer(s.Traffic(ctx, in.Rounds))
		})
}

func registerContacts(api huma.API, s *station.Station) {
	huma.Register(api, operation(http.MethodGet, "/v1/contacts", "contacts", "All contacts", 200),
		func(ctx context.Context, _ *struct{}) (*reply[[]station.ContactInfo], error) {
			all, err := s.Contacts(ctx)
			return answer(withoutInvitation(ctx, all...), err)
		})
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}", "contact", "One contact", 200),
		func(ctx context.Context, in *Ref) (*reply[station.ContactInfo], error) {
			k, err := s.Contact(ctx, in.Contact)
			return answer(withoutInvitation(ctx, k)[0], err)
		})

	type invite struct {
		Body struct {
			Name    string `json:"name" doc:"how to call the invited here: 1 to 200 bytes of text on one line"`
			Expires int64  `json:"expires_seconds" minimum:"0" doc:"how long the invitation holds; 0 takes the default of a week"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/invitations", "invite", "Make an invitation", 201),
		func(ctx context.Context, in *invite) (*reply[station.ContactInfo], error) {
			return answer(s.Invite(ctx, in.Body.Name, time.Duration(in.Body.Expires)*time.Second))
		})
	huma.Register(api, operation(http.MethodDelete, "/v1/invitations/{contact}", "cancel-invitation", "Cancel an invitation that nobody has used", 204),
		func(ctx context.Context, in *Ref) (*struct{}, error) { return nil, problem(s.Cancel(ctx, in.Contact)) })

	type accept struct {
		Body struct {
			Name       string `json:"name" doc:"how to call the inviter here: 1 to 200 bytes of text on one line"`
			Invitation string `json:"invitation" doc:"its text or its 31 words"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/contacts", "accept", "Accept an invitation", 201),
		func(ctx context.Context, in *accept) (*reply[station.ContactInfo], error) {
			return answer(s.Accept(ctx, in.Body.Name, in.Body.Invitation))
		})

	type rename struct {
		Ref
		Body struct {
			Name string `json:"name" doc:"1 to 200 bytes of text on one line"`
		}
	}
	huma.Register(api, operation(http.MethodPatch, "/v1/contacts/{contact}", "rename", "Give a contact another name", 200),
		func(ctx context.Context, in *rename) (*reply[station.ContactInfo], error) {
			return answer(s.Rename(ctx, in.Contact, in.Body.Name))
		})

	type words struct {
		Words []string `json:"words" doc:"four words; both sides have the same"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}/words", "words", "The words to compare by voice", 200),
		func(ctx context.Context, in *Ref) (*reply[words], error) {
			w, err := s.Words(ctx, in.Contact)
			return answer(words{w}, err)
		})
	type confirm struct {
		Ref
		Body *compared
	}
	huma.Register(api, operation(http.MethodPost, "/v1/contacts/{contact}/confirm", "confirm", "The words were the same: mark the contact verified", 200),
		func(ctx context.Context, in *confirm) (*reply[station.ContactInfo], error) {
			if in.Body == nil {
				return answer(s.Confirm(ctx, in.Contact))
			}
			return answer(s.Confirm(ctx, in.Contact, in.Body.Words...))
		})

	huma.Register(api, operation(http.MethodPost, "/v1/contacts/{contact}/deliver", "deliver", "Send what waits for a contact that was met again from a backup, although its words were not compared again", 200),
		func(ctx context.Context, in *Ref) (*reply[station.ContactInfo], error) {
			return answer(s.Deliver(ctx, in.Contact))
		})

	huma.Register(api, operation(http.MethodPut, "/v1/contacts/{contact}/lane", "assign-lane", "Give the contact an idle lane, at once", 200),
		func(ctx context.Context, in *Ref) (*reply[station.ContactInfo], error) {
			return answer(s.AssignLane(ctx, in.Contact))
		})
	huma.Register(api, operation(http.MethodDelete, "/v1/contacts/{contact}/lane", "free-lane", "Take the contact's lane away, at a random epoch within the next hour", 200),
		func(ctx context.Context, in *Ref) (*reply[station.ContactInfo], error) {
			return answer(s.FreeLane(ctx, in.Contact))
		})
}
