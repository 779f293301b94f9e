package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jsonSchema is a schema as a program reads it.
type jsonSchema struct {
	Ref         string                 `json:"$ref"`
	Description string                 `json:"description"`
	Properties  map[string]*jsonSchema `json:"properties"`
	Items       *jsonSchema            `json:"items"`
}

type jsonMedia struct {
	Schema *jsonSchema `json:"schema"`
}

type jsonOperation struct {
	ID          string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Parameters  []struct {
		Name, In, Description string
		Required              bool
		Schema                *jsonSchema
	} `json:"parameters"`
	RequestBody *struct {
		Description string               `json:"description"`
		Content     map[string]jsonMedia `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string               `json:"description"`
		Content     map[string]jsonMedia `json:"content"`
		Headers     map[string]struct{ Description string }
	} `json:"responses"`
	Security []map[string][]string `json:"security"`
}

type jsonDocument struct {
	OpenAPI string `json:"openapi"`
	Info    struct{ Title, Version, Description string }
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]*jsonOperation

	Components struct {
		Schemas         map[string]*jsonSchema
		SecuritySchemes map[string]struct{ Type, Scheme, Description string }
	}
}

// misfits are what in a description of the interface a reader would miss, or a
// generator of clients would stumble over.
func misfits(doc *jsonDocument) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Info.Title == "" || doc.Info.Description == "" {
		say("the document says too little of itself")
	}
	tagged := map[string]bool{}
	for _, t := range doc.Tags {
		tagged[t.Name] = t.Description != ""
	}
	for name, s := range doc.Components.SecuritySchemes {
		if s.Type == "" || s.Description == "" {
			say("the security scheme %s has no type or description", name)
		}
	}
	var check func(where string, s *jsonSchema)
	check = func(where string, s *jsonSchema) {
		if s == nil {
			return
		}
		if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); s.Ref != "" && (!ok || doc.Components.Schemas[name] == nil) {
			say("%s: %s is nowhere", where, s.Ref)
		}
		for name, p := range s.Properties {
			if p.Description == "" {
				say("%s: the field %s has no doc", where, name)
			}
			check(where+"."+name, p)
		}
		check(where+"[]", s.Items)
	}
	for name, s := range doc.Components.Schemas {
		check(name, s)
	}
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			where := strings.ToUpper(method) + " " + path
			if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(op.ID) || ids[op.ID] {
				say("%s: the identifier %q is no name, or another's", where, op.ID)
			}
			ids[op.ID] = true
			about, scope, _ := strings.Cut(op.Description, "\n\n")
			if n := len(regexp.MustCompile(`[.!?]( |$)`).FindAllString(about, -1)); n < 1 || n > 4 || about == op.Summary || scope == "" {
				say("%s: %s has %d sentences of description; it takes one to four, and who may use it", where, op.ID, n)
			}
			if len(op.Tags) != 1 || !tagged[op.Tags[0]] {
				say("%s: it is in no group", where)
			}
			if len(op.Security) == 0 {
				say("%s: it does not say what opens it", where)
			}
			for _, need := range op.Security {
				for scheme := range need {
					if _, ok := doc.Components.SecuritySchemes[scheme]; !ok {
						say("%s: the security scheme %s is nowhere", where, scheme)
					}
				}
			}
			inPath := map[string]bool{}
			for _, p := range op.Parameters {
				if p.Description == "" {
					say("%s: the parameter %s has no doc", where, p.Name)
				}
				if p.Schema == nil || p.In == "path" && !p.Required {
					say("%s: the parameter %s has no schema, or may be left out of the path", where, p.Name)
				}
				inPath[p.Name] = p.In == "path"
			}
			for _, m := range regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(path, -1) {
				if !inPath[m[1]] {
					say("%s: %s is in its path only", where, m[1])
				}
			}
			if b := op.RequestBody; b != nil {
				for kind, m := range b.Content {
					check(where+", body", m.Schema)
					if m.Schema == nil || m.Schema.Ref == "" && m.Schema.Description+b.Description == "" {
						say("%s: its body (%s) has no doc", where, kind)
					}
				}
			}
			succeeds := false
			for code, r := range op.Responses {
				if r.Description == "" {
					say("%s: the answer %s has no doc", where, code)
				}
				for name, h := range r.Headers {
					if h.Description == "" {
						say("%s: the header %s of %s has no doc", where, name, code)
					}
				}
				succeeds = succeeds || code[0] == '2'
				if code[0] == '2' && code != "204" && len(r.Content) == 0 {
					say("%s: the answer %s has no content", where, code)
				}
				for kind, m := range r.Content {
					check(where+", answer", m.Schema)
					switch {
					case m.Schema == nil:
						say("%s: the answer %s has no schema", where, code)
					case code[0] != '2' && (kind != "application/problem+json" || m.Schema.Ref != "#/components/schemas/ErrorModel"):
						say("%s: the error %s is no problem document", where, code)
					}
				}
				if code[0] != '2' && len(r.Content) == 0 {
					say("%s: the error %s has no content", where, code)
				}
			}
			if !succeeds {
				say("%s: it never succeeds", where)
			}
			for _, code := range []string{"401", "403", "500"} {
				if _, ok := op.Responses[code]; !ok {
					say("%s: it does not say that it answers %s", where, code)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func ownDocument(t *testing.T) *jsonDocument {
	t.Helper()
	_, api := newAPI(nil, "test")
	b, err := json.Marshal(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	doc := new(jsonDocument)
	if err := json.Unmarshal(b, doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestEveryOperationIsDescribed: whoever writes a program has the document only.
func TestEveryOperationIsDescribed(t *testing.T) {
	doc := ownDocument(t)
	for _, f := range misfits(doc) {
		t.Error(f)
	}
	ops := map[string]*jsonOperation{}
	for _, methods := range doc.Paths {
		for _, op := range methods {
			ops[op.ID] = op
		}
	}
	for _, m := range []map[string]described{describedTalk, describedRooms} {
		for id := range m {
			if ops[id] == nil {
				t.Errorf("%s is described, and is no operation", id)
			}
		}
	}
	for id, op := range ops {
		need := scopes[id]
		open := slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return slices.Equal(s[tokenScheme], []string{string(need)}) })
		if named := strings.HasSuffix(op.Description, "needs the scope "+string(need)+"."); need != owner && !(open && named) || need == owner && len(op.Security[0]) > 0 {
			t.Errorf("%s does not say that %q opens it", id, need)
		}
	}
	// What is a file, or a stream, is no JSON to a generator.
	for id, kind := range map[string]string{"content": backupType, "attachment": backupType, "backup": backupType, "events": "text/event-stream", "export": "text/markdown", "forge-room": "text/html"} {
		if _, ok := ops[id].Responses["200"].Content[kind]; !ok {
			t.Errorf("%s answers with %v, not with %s", id, slices.Collect(maps.Keys(ops[id].Responses["200"].Content)), kind)
		}
	}
}

// TestWhatIsNotDescribedIsFound: the rules find what they are there for.
func TestWhatIsNotDescribedIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*jsonDocument)
		want string
	}{
		"description": {func(d *jsonDocument) { d.Paths["/v1/status"]["get"].Description = "" }, "sentences"},
		"novel":       {func(d *jsonDocument) { d.Paths["/v1/status"]["get"].Description = "A. B. C. D. E.\n\nF." }, "sentences"},
		"parameter":   {func(d *jsonDocument) { d.Paths["/v1/items"]["get"].Parameters[0].Description = "" }, "has no doc"},
		"field":       {func(d *jsonDocument) { d.Components.Schemas["ItemInfo"].Properties["id"].Description = "" }, "field id has no doc"},
		"reference":   {func(d *jsonDocument) { d.Components.Schemas["Page"].Properties["items"].Items.Ref += "x" }, "is nowhere"},
		"identifier":  {func(d *jsonDocument) { d.Paths["/v1/items"]["get"].ID = "status" }, "another's"},
		"errors":      {func(d *jsonDocument) { delete(d.Paths["/v1/items"]["get"].Responses, "403") }, "answers 403"},
		"security":    {func(d *jsonDocument) { d.Paths["/v1/items"]["get"].Security = nil }, "what opens it"},
		"scheme":      {func(d *jsonDocument) { delete(d.Components.SecuritySchemes, tokenScheme) }, "is nowhere"},
		"group":       {func(d *jsonDocument) { d.Tags = nil }, "no group"},
		"path":        {func(d *jsonDocument) { d.Paths["/v1/items/{item}"]["get"].Parameters = nil }, "in its path only"},
	} {
		doc := ownDocument(t)
		c.harm(doc)
		if found := misfits(doc); !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%s: found %q", name, found)
		}
	}
}

// TestLinkLeadsOn: the client reads where the next piece begins out of what the
// station writes, whatever was asked for.
func TestLinkLeadsOn(t *testing.T) {
	for _, asked := range []query{{}, {"contact": "Borvia", "inbox": true, "limit": 2}, {"text": `a>; rel="next" & before=x`, "contact": "", "unread": false}} {
		h := http.Header{}
		h.Set("Link", asked.after("p1f"))
		if got := nextOf(h); got != "p1f" {
			t.Errorf("%q leads to %q", h.Get("Link"), got)
		}
	}
	for _, link := range []string{"", `<?before=p1>; rel="prev"`, `<?before=%zz>; rel="next"`, `; rel="next"`} {
		h := http.Header{}
		h.Set("Link", link)
		if got := nextOf(h); got != "" {
			t.Errorf("%q leads to %q", link, got)
		}
	}
	if link := (query{"text": "x"}).after(""); link != "" {
		t.Errorf("the last piece leads to %q", link)
	}
}
