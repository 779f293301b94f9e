package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// notDriven are operations that TestTheAPIShowsNothing leaves out, and why.
var notDriven = map[string]string{
	"events": "does not end",
	"panic":  "ends the station's contacts: TestBurnShowsNothing",
	"burn":   "likewise",
	"lock":   "needs a folder: internal/web compares at real sockets while it locks",
	"unlock": "likewise", "new-vault": "likewise", "backup": "likewise", "change-passphrase": "likewise",
	"connection": "likewise", "change-connection": "likewise", "erase-room": "ends the room", "free-lane": "ends the talks",
}

// operation is one of the API, as its own description has it.
type operation struct {
	id, method, path string
	body             map[string]any // its schema, nil if it takes none
	query            []string
}

// described reads the OpenAPI document that the API serves.
func described(t *testing.T, api http.Handler) (ops []operation, resolve func(schema map[string]any) map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	at := func(v any, keys ...string) map[string]any {
		for _, k := range keys {
			m, _ := v.(map[string]any)
			v = m[k]
		}
		m, _ := v.(map[string]any)
		return m
	}
	resolve = func(schema map[string]any) map[string]any {
		for schema["$ref"] != nil {
			name := schema["$ref"].(string)
			schema = at(doc, "components", "schemas", name[strings.LastIndex(name, "/")+1:])
		}
		return schema
	}
	for path, methods := range at(doc, "paths") {
		for method, v := range methods.(map[string]any) {
			op := operation{id: fmt.Sprint(at(v)["operationId"]), method: strings.ToUpper(method), path: path}
			op.body = at(v, "requestBody", "content", "application/json", "schema")
			params, _ := at(v)["parameters"].([]any)
			for _, q := range params {
				if m := at(q); m["in"] == "query" {
					op.query = append(op.query, m["name"].(string))
				}
			}
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return ops, resolve
}

// caller makes requests up from the API's own description.
type caller struct {
	rng     *rand.Rand
	now     func() time.Time
	resolve func(map[string]any) map[string]any
	known   map[string][]string   // values for names in paths, queries and bodies
	apt     map[string]func() any // bodies that make sense, taken half of the time
}

func (c *caller) pick(name string) (string, bool) {
	all := c.known[name]
	if len(all) == 0 {
		return "", false
	}
	return all[c.rng.IntN(len(all))], true
}

// value makes one up that fits a schema; optional members are there half of the time.
func (c *caller) value(name string, schema map[string]any, depth int) any {
	schema = c.resolve(schema)
	if enum, _ := schema["enum"].([]any); len(enum) > 0 {
		return enum[c.rng.IntN(len(enum))]
	}
	kind := schema["type"]
	if list, _ := kind.([]any); len(list) > 0 {
		kind = list[0]
	}
	switch kind {
	case "string":
		switch schema["format"] {
		case "date-time":
			return c.now().Add(time.Duration(1+c.rng.IntN(3600)) * time.Second).UTC().Format(time.RFC3339)
		}
		if s, ok := c.pick(name); ok {
			return s
		}
		return strings.Repeat("word ", c.rng.IntN(300))
	case "integer", "number":
		return c.rng.IntN(4)
	case "boolean":
		return c.rng.IntN(2) == 0
	case "array":
		items, _ := schema["items"].(map[string]any)
		out := []any{}
		for range c.rng.IntN(3) {
			out = append(out, c.value(name, items, depth+1))
		}
		return out
	}
	out := map[string]any{}
	props, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, k := range slices.Sorted(maps.Keys(props)) {
		if k == "$schema" || !slices.Contains(required, any(k)) && (c.rng.IntN(2) == 0 || depth > 3) {
			continue
		}
		out[k] = c.value(k, props[k].(map[string]any), depth+1)
	}
	return out
}

// call makes one request and returns how it was answered.
func (c *caller) call(t *testing.T, api http.Handler, op operation) int {
	t.Helper()
	path := op.path
	for {
		from, to := strings.IndexByte(path, '{'), strings.IndexByte(path, '}')
		if from < 0 {
			break
		}
		v, ok := c.pick(path[from+1 : to])
		if !ok {
			v = "1"
		}
		path = path[:from] + strings.ReplaceAll(v, " ", "%20") + path[to+1:]
	}
	var query []string
	for _, q := range op.query {
		if v, ok := c.pick(q); ok {
			query = append(query, q+"="+strings.ReplaceAll(v, " ", "%20"))
		}
	}
	var body []byte
	if op.body != nil {
		v, err := any(nil), error(nil)
		if f := c.apt[op.id]; f != nil && c.rng.IntN(2) == 0 {
			v = f()
		} else {
			v = c.value("", op.body, 0)
		}
		if body, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, op.method, path+"?"+strings.Join(query, "&"), bytes.NewReader(body))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	if w.Code >= 500 {
		t.Errorf("%s %s %s: %d %s", op.id, op.method, path, w.Code, w.Body)
	}
	return w.Code
}

// TestTheAPIShowsNothing calls every operation of two stations' APIs again and again, with
// bodies that their own description allows, at any moment between the cells. Their lines
// stay that of a station that knows nobody, size for size and tick for tick.
func TestTheAPIShowsNothing(t *testing.T) {
	const seed = 75
	s := start(t, "demo", 3, seed)
	l := watchLines(s, time.Millisecond)
	const driven, idles = 2, 2 // the first two
	p := newParley(t, s, driven, 4)
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(seed, 1))
	later := func(d time.Duration) string { return s.Net.Now().Add(d).UTC().Format(time.RFC3339) }
	any1 := func(all []string) string { return all[rng.IntN(len(all))] }
	guests := []string{"guest 1", "guest 2", "guest 3"}
	var apis []http.Handler
	for i := range driven {
		apis = append(apis, web.NewHandler(p.desk(i), "test"))
	}
	ops, resolve := described(t, apis[0])
	called := func(i int, op operation) *caller {
		c := &caller{rng: rng, now: s.Net.Now, resolve: resolve, known: map[string][]string{
			"contact": {p.name(1 - i)}, "name": {p.name(1 - i), "somebody"}, "room": {title}, "text": {"word"}, "of": {p.agenda},
			"packages": p.packages, "id": slices.Clone(p.packages), "to": {p.name(1 - i)}, "parties": {p.name(1 - i)}, "statement": p.packages, "scopes": {"read"},
		}}
		items, err := p.desk(i).Items(ctx, station.ItemFilter{})
		p.must(err)
		for _, it := range items {
			c.known["item"] = append(c.known["item"], it.ID)
		}
		v := p.view(i)
		switch {
		case strings.Contains(op.path, "/rounds/"):
			for _, r := range v.Rounds {
				if r.Mode.String() == "list" {
					c.known["id"] = []string{r.ID.String()} // the last one
				}
			}
		case strings.Contains(op.path, "/agreements/"):
			agreements, err := p.desk(i).Agreements(ctx, title)
			p.must(err)
			for _, a := range agreements {
				c.known["id"] = append(c.known["id"], a.ID)
			}
		case op.id == "rename" || op.id == "cancel-invitation":
			c.known["contact"] = guests
		}
		c.apt = map[string]func() any{
			"say": func() any {
				return map[string]any{"kind": "offer", "body": map[string]any{"agenda": p.agenda, "gives": []any{
					map[string]any{"by": v.Self, "issue": 1, "value": map[string]string{"number": fmt.Sprint(rng.IntN(100))}}}}}
			},
			"propose-round": func() any {
				return map[string]any{"mode": "list", "packages": p.packages, "inputs_at": later(3 * s.Params.Epoch), "deadline": later(time.Hour)}
			},
			"choose-round": func() any { return map[string]any{"approve": []int{1 + rng.IntN(3)}} },
			"propose-agreement": func() any {
				return map[string]any{"packages": []string{any1(p.packages)}, "level": any1([]string{"handshake", "sealed"}), "lapses": later(time.Hour)}
			},
			"set-expiry": func() any { return map[string]any{"expiry_seconds": 60} },
			"invite":     func() any { return map[string]any{"name": any1(guests), "expires_seconds": 3600} },
			"rename":     func() any { return map[string]any{"name": any1(guests)} },
		}
		return c
	}
	done, calls, again := map[string]int{}, 0, map[string]int{"propose-round": 3, "join-round": 5, "choose-round": 9, "consent": 5, "sign": 5}
	refused := func() (ids []string) { // what makes sense and was never done
		for _, id := range []string{"status", "contacts", "rename", "invite", "cancel-invitation", "send-signal", "send-letter", "cancel", "acknowledge", "erase-item", "edit-item",
			"search", "set-expiry", "mute", "keep-draft", "export", "say", "propose-round", "join-round", "choose-round", "propose-agreement", "consent", "sign", "suggestions", "export-room"} {
			if done[id] == 0 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for turn := 0; turn < 12 || turn < 100 && refused() != nil; turn++ {
		for _, n := range rng.Perm(len(ops)) {
			op := ops[n]
			if notDriven[op.id] != "" {
				continue
			}
			for range 1 + again[op.id] {
				i := rng.IntN(driven)
				if code := called(i, op).call(t, apis[i], op); code < 300 {
					done[op.id]++
				}
				calls++
				s.Run(time.Duration(rng.IntN(100)) * time.Millisecond)
			}
		}
	}
	if ids := refused(); ids != nil {
		t.Errorf("only refused: %v", ids)
	}
	t.Logf("%d calls; %d of %d operations were done, the others refused", calls, len(done), len(ops))
	s.Run(s.Epochs(2))
	for i := range driven {
		if err := l.differ(s.Stations[i].Name, s.Stations[idles].Name); err != nil {
			t.Error(err)
		}
	}
	p.must(s.Checks.Err())
}
