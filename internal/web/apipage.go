package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The API browser renders the document that the station serves of itself, on the
// server: no foreign script, nothing to load.

// apiDocument is OpenAPI 3.1 as far as the browser shows it.
type apiDocument struct {
	raw []byte

	Info struct {
		Title, Version, Description string
	} `json:"info"`
	Tags []struct {
		Name, Description string
	} `json:"tags"`
	Paths      map[string]map[string]*apiOperation `json:"paths"`
	Components struct {
		Schemas         map[string]*apiSchema `json:"schemas"`
		SecuritySchemes map[string]struct {
			Description string
		} `json:"securitySchemes"`
	} `json:"components"`
}

type apiOperation struct {
	Method      string         `json:"-"`
	Path        string         `json:"-"`
	ID          string         `json:"operationId"`
	Summary     string         `json:"summary"`
	Description string         `json:"description"`
	Tags        []string       `json:"tags"`
	Parameters  []apiParameter `json:"parameters"`
	RequestBody *struct {
		Description string              `json:"description"`
		Content     map[string]apiMedia `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string              `json:"description"`
		Content     map[string]apiMedia `json:"content"`
	} `json:"responses"`
	About   string      `json:"-"` // the description
	Scope   string      `json:"-"` // its last paragraph: who may use it
	Body    []apiField  `json:"-"`
	Answers []apiAnswer `json:"-"` // that are no errors
	Errors  []string    `json:"-"` // their codes
}

// apiAnswer is what an operation answers: a shape, or the media types of a file.
type apiAnswer struct{ Code, Type, Shape, About string }

type apiParameter struct {
	Name, In, Description string
	Required              bool
	Schema                *apiSchema
}

type apiMedia struct{ Schema *apiSchema }

type apiSchema struct {
	Ref         string                `json:"$ref"`
	Type        any                   `json:"type"`
	Description string                `json:"description"`
	Enum        []any                 `json:"enum"`
	Properties  map[string]*apiSchema `json:"properties"`
	Required    []string              `json:"required"`
	Items       *apiSchema            `json:"items"`
}

type apiField struct {
	Name, Type, Description string
	Required                bool
}

type apiPage struct {
	Version string
	About   []string // what holds for all operations
	Token   string   // about tokens and scopes
	Groups  []apiGroup
	Errors  []apiAnswer
	Schemas []apiShape
}

// apiGroup are operations that belong together.
type apiGroup struct {
	Name, About string
	Operations  []*apiOperation
}

type apiShape struct {
	Name   string
	Fields []apiField
}

// answerBuffer collects what the API answers to the pages themselves.
type answerBuffer struct {
	header http.Header
	bytes.Buffer
}

func (a *answerBuffer) Header() http.Header { return a.header }
func (a *answerBuffer) WriteHeader(int)     {}

// document reads the API's own description, once.
func (p *Pages) document() *apiDocument {
	p.openOnce.Do(func() {
		p.doc = &apiDocument{}
		r, err := http.NewRequest(http.MethodGet, "/openapi.json", nil)
		if err != nil {
			return
		}
		a := &answerBuffer{header: http.Header{}}
		p.cfg.API.ServeHTTP(a, r)
		p.doc.raw = a.Bytes()
		if err := json.Unmarshal(p.doc.raw, p.doc); err != nil {
			p.cfg.Log.Error("pages: reading the API's description failed", "error", err)
		}
	})
	return p.doc
}

func (p *Pages) serveOpenAPI(v *visit) {
	v.w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
	_, _ = v.w.Write(p.document().raw)
}

func (p *Pages) showAPI(v *visit) {
	doc := p.document()
	page := apiPage{Version: doc.Info.Version, About: paragraphs(doc.Info.Description), Token: doc.Components.SecuritySchemes[tokenScheme].Description}
	groups := map[string][]*apiOperation{}
	errors := map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			o := doc.shown(strings.ToUpper(method), path, op)
			for _, t := range o.Tags {
				groups[t] = append(groups[t], o)
			}
			for _, code := range o.Errors {
				errors[code] = o.Responses[code].Description
			}
		}
	}
	for _, t := range doc.Tags {
		all := groups[t.Name]
		slices.SortFunc(all, func(a, b *apiOperation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
		})
		page.Groups = append(page.Groups, apiGroup{t.Name, t.Description, all})
	}
	for _, code := range slices.Sorted(maps.Keys(errors)) {
		page.Errors = append(page.Errors, apiAnswer{Code: code, About: errors[code]})
	}
	for name, s := range doc.Components.Schemas {
		page.Schemas = append(page.Schemas, apiShape{name, doc.fields(s)})
	}
	slices.SortFunc(page.Schemas, func(a, b apiShape) int { return cmp.Compare(a.Name, b.Name) })
	p.show(v, http.StatusOK, "api", page)
}

// shown is an operation as the page has it.
func (d *apiDocument) shown(method, path string, op *apiOperation) *apiOperation {
	o := *op
	o.Method, o.Path = method, path
	o.About, o.Scope, _ = strings.Cut(op.Description, "\n\n")
	if o.RequestBody != nil {
		for kind, m := range o.RequestBody.Content {
			if fields := d.fields(m.Schema); fields != nil {
				o.Body = fields
			} else {
				o.Body = []apiField{{Name: kind, Type: typeName(m.Schema), Description: cmp.Or(o.RequestBody.Description, m.Schema.Description)}}
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[code]
		if !strings.HasPrefix(code, "2") {
			o.Errors = append(o.Errors, code)
			continue
		}
		a := apiAnswer{Code: code, About: r.Description}
		for _, kind := range slices.Sorted(maps.Keys(r.Content)) {
			switch s := r.Content[kind].Schema; {
			case len(r.Content) == 1 && kind == "application/json":
				a.Type, a.Shape = typeName(s), strings.TrimSuffix(typeName(s), "[]")
				if d.Components.Schemas[a.Shape] == nil {
					a.Shape, a.About = "", s.Description
				}
			default:
				a.Type = strings.TrimPrefix(a.Type+", "+kind, ", ")
			}
		}
		o.Answers = append(o.Answers, a)
	}
	return &o
}

// paragraphs cuts a longer text.
func paragraphs(text string) []string {
	return strings.Split(strings.TrimSpace(text), "\n\n")
}

// fields lists a schema's properties.
func (d *apiDocument) fields(s *apiSchema) (out []apiField) {
	if s == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	if s == nil {
		return nil
	}
	for name, f := range s.Properties {
		about := f.Description
		if len(f.Enum) > 0 {
			var all []string
			for _, e := range f.Enum {
				if text, ok := e.(string); ok {
					all = append(all, text)
				}
			}
			about = strings.TrimSpace(about + " " + strings.Join(all, ", "))
		}
		out = append(out, apiField{name, typeName(f), about, slices.Contains(s.Required, name)})
	}
	slices.SortFunc(out, func(a, b apiField) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// typeName names a schema's type in a word.
func typeName(s *apiSchema) string {
	if s == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return name
	}
	if s.Items != nil {
		return typeName(s.Items) + "[]"
	}
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		for _, x := range t {
			if text, ok := x.(string); ok && text != "null" {
				if text == "array" && s.Items != nil {
					return typeName(s.Items) + "[]"
				}
				return text
			}
		}
	}
	return ""
}
