package web

import (
	"bytes"
	"cmp"
	"encoding/json"
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
	Paths      map[string]map[string]*apiOperation `json:"paths"`
	Components struct {
		Schemas map[string]*apiSchema `json:"schemas"`
	} `json:"components"`
}

type apiOperation struct {
	Method      string         `json:"-"`
	Path        string         `json:"-"`
	ID          string         `json:"operationId"`
	Summary     string         `json:"summary"`
	Description string         `json:"description"`
	Parameters  []apiParameter `json:"parameters"`
	RequestBody *struct {
		Description string              `json:"description"`
		Content     map[string]apiMedia `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string              `json:"description"`
		Content     map[string]apiMedia `json:"content"`
	} `json:"responses"`
	Body   []apiField `json:"-"`
	Answer string     `json:"-"` // name of the schema
}

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
	Title, Version string
	Operations     []*apiOperation
	Schemas        []apiShape
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
	page := apiPage{Title: doc.Info.Title, Version: doc.Info.Version}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			o := *op
			o.Method, o.Path = strings.ToUpper(method), path
			if o.RequestBody != nil {
				for kind, m := range o.RequestBody.Content {
					if fields := doc.fields(m.Schema); fields != nil {
						o.Body = fields
					} else {
						o.Body = []apiField{{Name: kind, Type: typeName(m.Schema), Description: o.RequestBody.Description}}
					}
				}
			}
			for code, r := range o.Responses {
				for _, m := range r.Content {
					if strings.HasPrefix(code, "2") {
						o.Answer = typeName(m.Schema)
					}
				}
			}
			page.Operations = append(page.Operations, &o)
		}
	}
	slices.SortFunc(page.Operations, func(a, b *apiOperation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	for name, s := range doc.Components.Schemas {
		page.Schemas = append(page.Schemas, apiShape{name, doc.fields(s)})
	}
	slices.SortFunc(page.Schemas, func(a, b apiShape) int { return cmp.Compare(a.Name, b.Name) })
	p.show(v, http.StatusOK, "api", page)
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
