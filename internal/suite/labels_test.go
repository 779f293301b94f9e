package suite

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"testing"
)

// declaredLabels reads the constants of labels.go, so that a label cannot be
// used without standing in the table.
func declaredLabels(t *testing.T) map[string]Label {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "labels.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Label{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				s, err := strconv.Unquote(v.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				out[name.Name] = Label(s)
			}
		}
	}
	return out
}

func TestLabels(t *testing.T) {
	form := regexp.MustCompile(`^backchannel/v1/[a-z0-9/-]+$`)
	listed := map[Label]bool{}
	for _, l := range Labels {
		if listed[l] {
			t.Errorf("%s is listed twice", l)
		}
		listed[l] = true
		if !form.MatchString(string(l)) || len(l) > 255 {
			t.Errorf("%q is not well formed: lower case ASCII after backchannel/v1/, its length in one byte", l)
		}
	}
	seen := map[Label]string{}
	for name, l := range declaredLabels(t) {
		if other := seen[l]; other != "" {
			t.Errorf("%s and %s are one label", name, other)
		}
		seen[l] = name
		if !listed[l] {
			t.Errorf("%s is not in Labels", name)
		}
	}
	if len(seen) != len(Labels) {
		t.Errorf("%d labels are declared, %d listed", len(seen), len(Labels))
	}
	// With the length byte before it, no label is the beginning of another and
	// what follows: a hash under one can never be a hash under the other.
	for _, a := range Labels {
		for _, b := range Labels {
			if a == b {
				continue
			}
			x, y := string(info(a, nil)), string(info(b, nil))
			if len(x) <= len(y) && y[:len(x)] == x {
				t.Errorf("%s is a prefix of %s", a, b)
			}
		}
	}
}
