package web

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
	"backchannel/internal/transcript"
)

// panicWord must stand in a request that erases everything, so that no stray
// request does.
const panicWord = "erase everything"

// maxScript bounds a transcript that is to be written down.
const maxScript = 32 << 20

// document is a file to keep. A browser that is shown it runs nothing of it.
type document struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	NoSniff     string `header:"X-Content-Type-Options"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func fileOf(b []byte, mediaType, name string, err error) (*document, error) {
	if err != nil {
		return nil, problem(err)
	}
	return &document{mediaType, mime.FormatMediaType("attachment", map[string]string{"filename": name}), "nosniff", "sandbox; default-src 'none'; style-src 'unsafe-inline'", b}, nil
}

// registerDeny serves what makes a conversation deniable or gone.
func registerDeny(api huma.API, s *station.Station) {
	type export struct {
		Ref
		Format string `query:"format" enum:"json,markdown,html,script" default:"json" doc:"of the file; script is what forge reads"`
		Self   string `query:"self" maxLength:"200" doc:"what to call this station's principal"`
	}
	huma.Register(api, operation(http.MethodGet, "/v1/contacts/{contact}/transcript", "export", "A conversation, written down: the same bytes as a forgery of it", 200),
		func(ctx context.Context, in *export) (*document, error) {
			return fileOf(s.ExportAs(ctx, in.Contact, in.Self, in.Format))
		})

	type forge struct {
		Format string `query:"format" enum:"json,markdown,html,script" default:"json" doc:"of the answer"`
		Input  string `query:"input" enum:"json,script" default:"json" doc:"of the request's body"`
		From   string `query:"from" doc:"begin with the real conversation with this contact"`
		Self   string `query:"self" maxLength:"200" doc:"what to call this station's principal in it"`

		RawBody []byte
	}
	op := operation(http.MethodPost, "/v1/forge", "forge", "A conversation, made up: nothing of it is kept", 200)
	op.MaxBodyBytes = maxScript
	op.RequestBody = &huma.RequestBody{Description: "a transcript in JSON or a script; it may be empty with from"}
	huma.Register(api, op, func(ctx context.Context, in *forge) (*document, error) {
		t, err := forgery(ctx, s, in.From, in.Self, in.Input, in.RawBody)
		if err != nil {
			return nil, problem(err)
		}
		return fileOf(s.Forge(ctx, t, in.Format))
	})
	op.RequestBody.Required = false // Register takes for granted that a body has bytes

	huma.Register(api, operation(http.MethodPost, "/v1/contacts/{contact}/burn", "burn", "Erase a contact: keys, then texts; pages are written anew", 204),
		func(ctx context.Context, in *Ref) (*struct{}, error) { return nil, problem(s.Burn(ctx, in.Contact)) })

	type eraseEverything struct {
		Body struct {
			Confirm string `json:"confirm" enum:"erase everything" doc:"these words, so that no stray request erases"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/panic", "panic", "Erase everything but account and network file; the traffic goes on. Works while locked", 204),
		func(ctx context.Context, _ *eraseEverything) (*struct{}, error) { return nil, problem(s.Panic(ctx)) })

	type newVault struct {
		Body struct {
			Passphrase string `json:"passphrase" minLength:"1" doc:"of the new vault; nobody can find it again"`
		}
	}
	huma.Register(api, operation(http.MethodPost, "/v1/vault", "new-vault", "Make and open an empty vault for a station that has none", 204),
		func(ctx context.Context, in *newVault) (*struct{}, error) {
			return nil, problem(s.NewVault(ctx, []byte(in.Body.Passphrase)))
		})
}

// forgery reads what is to be written down, after the real conversation if one is
// named.
func forgery(ctx context.Context, s *station.Station, from, self, input string, body []byte) (t transcript.Transcript, err error) {
	if from != "" {
		if t, err = s.Transcript(ctx, from, self); err != nil {
			return t, err
		}
	}
	if len(body) > 0 || from == "" {
		if t, err = goOn(t, from != "", input, body); err != nil {
			return t, &station.Error{Code: station.CodeInvalid, Text: err.Error()}
		}
	}
	if self != "" {
		t.Self = self
	}
	return t, nil
}

// goOn reads a transcript or a script, and puts it after what has begun.
func goOn(t transcript.Transcript, begun bool, input string, body []byte) (transcript.Transcript, error) {
	parse := transcript.ParseJSON
	if input == "script" {
		parse = func(b []byte) (transcript.Transcript, error) { return transcript.ParseScriptOf(b, t.Self, t.Other) }
	}
	more, err := parse(body)
	if err != nil {
		return t, err
	}
	if begun && (more.Self != t.Self || more.Other != t.Other) {
		return t, fmt.Errorf("joining the transcripts: one is between %s and %s, the other between %s and %s: use the same names", t.Self, t.Other, more.Self, more.Other)
	}
	more.Entries = append(t.Entries, more.Entries...)
	if more.Title == "" {
		more.Title = t.Title
	}
	return more, nil
}

// WriteForgery writes down a conversation that begins with none of a station, without
// one: the code is what a station's Forge and Export end in.
func WriteForgery(f Forgery) ([]byte, error) {
	form, err := transcript.FormOf(f.Format)
	if err != nil {
		return nil, fmt.Errorf("writing the transcript: %w", err)
	}
	t, err := goOn(transcript.Transcript{}, false, f.Input, f.Text)
	if err != nil {
		return nil, err
	}
	if f.Self != "" {
		t.Self = f.Self
	}
	return form.Write(t)
}

// Export writes down a conversation; see station.Export. self may be empty.
func (c *Client) Export(ctx context.Context, ref, self, format string) ([]byte, error) {
	return c.document(ctx, http.MethodGet, contactPath(ref, "transcript"), url.Values{"format": {format}, "self": {self}}, nil)
}

// A Forgery is what Forge writes down.
type Forgery struct {
	From   string // begin with the conversation with this contact, if not empty
	Self   string // what to call this station's principal, if not empty
	Input  string // "json" or "script": the form of Text
	Text   []byte
	Format string // of the result
}

// Forge writes down a made-up conversation.
func (c *Client) Forge(ctx context.Context, f Forgery) ([]byte, error) {
	return c.document(ctx, http.MethodPost, "/v1/forge", url.Values{"from": {f.From}, "self": {f.Self}, "input": {f.Input}, "format": {f.Format}}, f.Text)
}

// Burn erases a contact.
func (c *Client) Burn(ctx context.Context, ref string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, contactPath(ref, "burn"), nil, nil)
	return err
}

// Panic erases everything but account and network file.
func (c *Client) Panic(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/panic", nil, json.RawMessage(`{"confirm":"`+panicWord+`"}`))
	return err
}

// NewVault makes and opens an empty vault for a station that has none.
func (c *Client) NewVault(ctx context.Context, passphrase string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/vault", nil, map[string]string{"passphrase": passphrase})
	return err
}
