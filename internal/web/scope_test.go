package web

import (
	"slices"
	"testing"

	"backchannel/internal/station"
)

// Every operation of the API has exactly one line that says who may use it, and
// every scope opens something.
func TestEveryOperationHasAScope(t *testing.T) {
	_, api := newAPI(nil, "")
	described := map[string]bool{}
	for path, item := range api.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			if op.OperationID == "" || described[op.OperationID] {
				t.Errorf("%s %s: the identifier %q is empty or another's", op.Method, path, op.OperationID)
			}
			described[op.OperationID] = true
			if _, ok := scopes[op.OperationID]; !ok {
				t.Errorf("%s %s: %s has no line in scopes: no token may use it; say so, or name the scope", op.Method, path, op.OperationID)
			}
		}
	}
	used := map[station.Scope]bool{}
	for id, sc := range scopes {
		if !described[id] {
			t.Errorf("scopes names %s, which is no operation", id)
		}
		if sc != owner && !slices.Contains(station.Scopes(), sc) {
			t.Errorf("%s wants the scope %q, which nobody can have", id, sc)
		}
		used[sc] = true
	}
	for _, sc := range station.Scopes() {
		if !used[sc] {
			t.Errorf("the scope %q opens nothing", sc)
		}
	}
}
