package web

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// described is what a program's author is told of an operation beside its summary.
type described struct{ tag, text string }

// The groups of operations. Generators of clients make names of them.
const (
	tagStation     = "station"
	tagContacts    = "contacts"
	tagItems       = "items"
	tagCopies      = "copies"
	tagTranscripts = "transcripts"
	tagRooms       = "rooms"
	tagRounds      = "rounds"
	tagAgreements  = "agreements"
	tagCommuniques = "communiques"
	tagVault       = "vault"
	tagPages       = "pages"
	tagSettings    = "settings"
	tagTokens      = "tokens"
)

// tags are the groups in the order in which they are shown.
var tags = []*huma.Tag{
	{Name: tagStation, Description: "The station itself, its vault's lock, its traffic and what happens."},
	{Name: tagContacts, Description: "Whom the station meets: invitations, words to compare, lanes."},
	{Name: tagItems, Description: "Signals and letters: sending, delivery, reading."},
	{Name: tagCopies, Description: "One's own copies of what was said. Copies prove nothing."},
	{Name: tagTranscripts, Description: "Conversations and rooms as files, real ones and made-up ones."},
	{Name: tagRooms, Description: "Negotiations among several: rooms, what is said in them, and one's own side."},
	{Name: tagRounds, Description: "Questions whose answers open only where they match."},
	{Name: tagAgreements, Description: "Agreements, consents and signatures."},
	{Name: tagCommuniques, Description: "What of an agreement goes to the public."},
	{Name: tagVault, Description: "Backup, passphrase, and erasing everything."},
	{Name: tagPages, Description: "The pages for browsers, and paired devices."},
	{Name: tagSettings, Description: "What holds from the next start of the station."},
	{Name: tagTokens, Description: "What lets programs use the station."},
}

// tokenScheme is the name of the one security scheme.
const tokenScheme = "token"

const aboutAPI = `The station of one principal. It is served on a unix socket that only its owner may open, and, if configured, on an address where every request shows a token.

Without a token a request on the socket is the owner's. A token is a program's: it limits the request to its scopes. No token is valid while the vault is locked.

Nothing that is asked for here changes when or how much the station sends: what is to go out waits in the vault and leaves in the cells that go out every round anyway.

Every error is application/problem+json (RFC 9457) whose type is "backchannel:" and a code: invalid, not-found, conflict, locked, too-large, denied, disk-full or internal. It never repeats what was sent.`

const aboutToken = `Authorization: Bearer and the secret of a token (new-token, or "backchannel token new"). The scopes are read (contacts without open invitations, signals, letters, rooms, status, events, transcripts, marking as read), send (signals and letters), and negotiate (statements in rooms, short of what binds). An operation that names no scope is the owner's alone. In 3.1 the list beside this scheme in an operation is the scope that it needs.`

// refusals say what an error is about, by its status.
var refusals = map[int]string{
	http.StatusBadRequest:            "backchannel:invalid: the request's body cannot be read",
	http.StatusUnauthorized:          "backchannel:denied: this address wants a token or a session, and none was shown",
	http.StatusForbidden:             "backchannel:denied: the token lacks the scope or was revoked, the passphrase is another, or only a person may do this",
	http.StatusNotFound:              "backchannel:not-found: what the request names is not here",
	http.StatusConflict:              "backchannel:conflict: it does not fit how things stand now; the detail says why",
	http.StatusRequestEntityTooLarge: "backchannel:too-large or backchannel:invalid: more bytes than the operation takes",
	http.StatusRequestTimeout:        "backchannel:invalid: the request's body did not come in time",
	http.StatusUnsupportedMediaType:  "backchannel:invalid: the request's body is not application/json",
	http.StatusUnprocessableEntity:   "backchannel:invalid: a parameter or the body is not what the operation takes",
	http.StatusLocked:                "backchannel:locked: the vault is locked; while it is, no token is valid either",
	http.StatusInternalServerError:   "backchannel:internal: anything else; nothing was changed unless the detail says so",
	http.StatusInsufficientStorage:   "backchannel:disk-full: the disk is full; nothing was changed unless the description says so",
}

// answers are what success is called, by its status.
var answers = map[string]string{"200": "done; here is what was asked for", "201": "made, or accepted", "204": "done; there is nothing to say"}

// files are the operations that answer with a file, and the media types it can have.
var files = map[string][]string{
	"content": {backupType}, "attachment": {backupType}, "backup": {backupType},
	"export": transcriptTypes, "forge": transcriptTypes,
	"export-room": roomTypes, "forge-room": roomTypes,
}

var (
	transcriptTypes = []string{"application/json", "text/markdown", "text/html", "text/plain"}
	roomTypes       = []string{"application/json", "text/markdown", "text/html"}
)

func describedAs(id string) (described, bool) {
	if d, ok := describedTalk[id]; ok {
		return d, true
	}
	d, ok := describedRooms[id]
	return d, ok
}

// describe completes the description of the interface: what belongs to every
// operation alike is said here once.
func describe(api huma.API) {
	doc := api.OpenAPI()
	doc.Info.Description = aboutAPI
	doc.Tags = tags
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		tokenScheme: {Type: "http", Scheme: "bearer", BearerFormat: "bct_…", Description: aboutToken},
	}
	for _, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			describeOperation(api, op)
		}
	}
	if p := doc.Components.Schemas.Map()["ErrorModel"]; p != nil {
		p.Properties["type"].Description = "backchannel: and the code of the error"
		p.Properties["type"].Examples = []any{"backchannel:conflict"}
		p.Properties["type"].Default = nil
		p.Properties["detail"].Description = "what was being done, what was wrong and what to do, in one line"
		p.Properties["detail"].Examples = []any{"withdrawing the letter: it was delivered: it can no longer be withdrawn"}
		p.Properties["errors"].Description = "where the request does not fit its description; without the values"
		p.Properties["instance"].Description = "not used"
	}
	if d := doc.Components.Schemas.Map()["ErrorDetail"]; d != nil {
		d.Properties["value"].Description = "not used: it may be a secret"
	}
}

func describeOperation(api huma.API, op *huma.Operation) {
	d, _ := describedAs(op.OperationID)
	op.Tags, op.Description = []string{d.tag}, d.text
	switch need := scopes[op.OperationID]; need {
	case owner:
		op.Security = []map[string][]string{{}}
		op.Description += "\n\nThe owner's alone: no token allows it."
	default:
		op.Security = []map[string][]string{{}, {tokenScheme: {string(need)}}}
		op.Description += "\n\nA token needs the scope " + string(need) + "."
	}
	describeTable(op)
	for code, r := range op.Responses {
		for _, h := range r.Headers {
			if h.Schema != nil {
				h.Description = h.Schema.Description
			}
		}
		if text := answers[code]; text != "" && r.Description == http.StatusText(statusNumber(code)) {
			r.Description = text
		}
	}
	if kinds := files[op.OperationID]; kinds != nil {
		r := op.Responses["200"]
		r.Description, r.Content = "the file", map[string]*huma.MediaType{}
		for _, kind := range kinds {
			r.Content[kind] = &huma.MediaType{Schema: fileSchema(kind)}
		}
		describeHeaders(r)
	}
	refused := refusalsOf(op)
	maps.DeleteFunc(op.Responses, func(key string, _ *huma.Response) bool {
		return statusNumber(key) >= 400 && !slices.Contains(refused, statusNumber(key))
	})
	for _, code := range refused {
		key := strconv.Itoa(code)
		if op.Responses[key] == nil {
			op.Responses[key] = &huma.Response{}
		}
		op.Responses[key].Description = refusals[code]
		op.Responses[key].Content = map[string]*huma.MediaType{
			"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}},
		}
	}
}

// refusalsOf are the errors that an operation can answer with.
func refusalsOf(op *huma.Operation) []int {
	codes := map[int]bool{http.StatusUnauthorized: true, http.StatusForbidden: true, http.StatusInternalServerError: true}
	for key := range op.Responses {
		if code := statusNumber(key); code >= 400 {
			codes[code] = true
		}
	}
	if len(op.Parameters) == 0 && op.RequestBody == nil { // nothing in it can be wrong
		delete(codes, http.StatusNotFound)
		delete(codes, http.StatusUnprocessableEntity)
		if op.Method == http.MethodGet && op.OperationID != "connection" {
			delete(codes, http.StatusConflict)
		}
	}
	if scopes[op.OperationID] != owner {
		codes[http.StatusLocked] = true
	}
	if op.Method != http.MethodGet {
		codes[http.StatusInsufficientStorage] = true
	}
	if op.RequestBody != nil {
		codes[http.StatusBadRequest], codes[http.StatusRequestEntityTooLarge], codes[http.StatusRequestTimeout] = true, true, true
		if op.RequestBody.Content["application/json"] != nil {
			codes[http.StatusUnsupportedMediaType] = true
		}
	}
	if op.OperationID == "estimate" {
		codes[http.StatusRequestEntityTooLarge] = true
	}
	return slices.Sorted(maps.Keys(codes))
}

func statusNumber(key string) int {
	n, _ := strconv.Atoi(key) // "default" is none
	return n
}

// fileSchema is what a file of a media type is to a generator of clients.
func fileSchema(kind string) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Description: "the file, byte for byte"}
	switch kind {
	case backupType:
		s.Format = "binary"
	case "application/json":
		s.Type, s.AdditionalProperties = huma.TypeObject, true
		s.Description = "the file (docs/using.md has transcripts, docs/negotiation.md rooms)"
	}
	return s
}

// tableSchema stands for JSON that the negotiation defines: a schema of it here would
// be a second law.
func tableSchema(what string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: what + " (docs/negotiation.md)"}
}

// describeTable says what JSON of the negotiation an operation takes or gives.
func describeTable(op *huma.Operation) {
	const kind, own = "application/json", "limits, weights, colours and notes"
	switch op.OperationID {
	case "own-side":
		op.Responses["200"].Content[kind].Schema = tableSchema(own)
	case "keep-own-side":
		op.RequestBody.Content[kind] = &huma.MediaType{Schema: tableSchema(own)}
	case "keep-offer":
		op.RequestBody.Content[kind] = &huma.MediaType{Schema: tableSchema("the body of an offer")}
	case "suggestions":
		op.Responses["200"].Content[kind].Schema = &huma.Schema{
			Type: huma.TypeArray, Nullable: true, Items: tableSchema("a package with how well it does"), Description: "the best first",
		}
	}
}

// describeHeaders says what the headers of a file are for.
func describeHeaders(r *huma.Response) {
	for name, text := range map[string]string{
		"Content-Disposition":     "attachment, with a name for the file if it has one",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "a browser that is shown the file runs nothing of it",
	} {
		if h := r.Headers[name]; h != nil {
			h.Description = text
		}
	}
	delete(r.Headers, "Content-Type") // OpenAPI has it ignored; the media types above say it
}
