package backchannel_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"backchannel/internal/weakened"
)

// sleeps lists the test files that may call time.Sleep outside of a synctest
// bubble, each with its reason.
var sleeps = map[string]string{}

func checkComments(tr tree) (found []string) {
	documented, name := map[string]bool{}, map[string]string{}
	for _, s := range tr.sources {
		if s.outside() && s.dir() != "." {
			continue
		}
		if _, ok := name[s.dir()]; !ok || s.inProgram() {
			name[s.dir()] = s.file.Name.Name
		}
		if s.file.Doc == nil {
			continue
		}
		text := s.file.Doc.Text()
		if s.file.Name.Name == "main" || strings.HasPrefix(text, "Package "+s.file.Name.Name+" ") {
			documented[s.dir()] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(name)) {
		if !documented[dir] {
			found = append(found, fmt.Sprintf("%s: package %s has no package comment", dir, name[dir]))
		}
	}
	return found
}

// checkNames refuses the names under which unrelated things collect.
func checkNames(tr tree) (found []string) {
	vague := []string{"util", "utils", "common", "types", "manager", "helper", "helpers", "misc"}
	for _, s := range tr.sources {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
		if slices.Contains(vague, base) || slices.Contains(vague, path.Base(s.dir())) {
			found = append(found, fmt.Sprintf("%s: name it after its concept", s.path))
		}
	}
	return found
}

// checkSeeds wants a seed for every fuzz target: an Add in the target or in a
// function that it hands its *testing.F to, or a committed corpus.
func checkSeeds(tr tree) (found []string) {
	for _, s := range tr.sources {
		if !s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Fuzz") || fn.Recv != nil || fuzzer(fn) == "" {
				continue
			}
			if !tr.corpora[s.dir()+"/testdata/fuzz/"+fn.Name.Name] && !seeded(tr, s, fn, 0) {
				found = append(found, fmt.Sprintf("%s: %s has no seed", s.path, fn.Name.Name))
			}
		}
	}
	return found
}

// fuzzer returns the name of a function's *testing.F parameter, or "".
func fuzzer(fn *ast.FuncDecl) string {
	for _, p := range fn.Type.Params.List {
		if star, ok := p.Type.(*ast.StarExpr); ok && len(p.Names) == 1 {
			if sel, ok := star.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "F" {
				return p.Names[0].Name
			}
		}
	}
	return ""
}

func seeded(tr tree, s source, fn *ast.FuncDecl, depth int) (yes bool) {
	f := fuzzer(fn)
	if f == "" || fn.Body == nil || depth > 3 {
		return false
	}
	if slices.Contains(calls(fn.Body, f), "Add") {
		return true
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || yes {
			return !yes
		}
		callee, ok := call.Fun.(*ast.Ident)
		passes := slices.ContainsFunc(call.Args, func(a ast.Expr) bool {
			id, ok := a.(*ast.Ident)
			return ok && id.Name == f
		})
		if !ok || !passes {
			return true
		}
		for _, other := range tr.sources {
			for _, d := range other.file.Decls {
				if h, ok := d.(*ast.FuncDecl); ok && other.dir() == s.dir() && h.Name.Name == callee.Name && seeded(tr, other, h, depth+1) {
					yes = true
				}
			}
		}
		return true
	})
	return yes
}

// checkSleeps looks for tests that wait for the wall clock. Inside a bubble of
// testing/synctest time.Sleep costs nothing and is exact.
func checkSleeps(tr tree) (found []string) {
	for _, s := range tr.sources {
		if !s.test() || sleeps[s.path] != "" {
			continue
		}
		n := 0
		for _, name := range calls(s.file, "time") {
			if name == "Sleep" {
				n++
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || !slices.Contains(calls(call.Fun, "synctest"), "Test") {
				return true
			}
			for _, name := range calls(call, "time") {
				if name == "Sleep" {
					n--
				}
			}
			return false
		})
		if n > 0 {
			found = append(found, fmt.Sprintf("%s: time.Sleep outside of a synctest bubble; wait for what you wait for", s.path))
		}
	}
	return found
}

// checkSecond keeps the independent second implementations independent: a file
// second*_test.go imports nothing of this module and lives outside of the package
// that it checks.
func checkSecond(tr tree) (found []string) {
	for _, s := range tr.sources {
		if !s.test() || !strings.HasPrefix(path.Base(s.path), "second") {
			continue
		}
		if !s.outside() {
			found = append(found, fmt.Sprintf("%s: must be of a package _test", s.path))
		}
		for _, p := range s.imports() {
			if ours(p) != "" {
				found = append(found, fmt.Sprintf("%s: imports %s, which it is to check", s.path, p))
			}
		}
	}
	return found
}

// TestSwitches compares the places that know the rules with a named attack: the
// switches of internal/weakened in both builds and its list of rules, the code
// that enforces each rule, the attacks of lab, and the table of
// docs/threat-model.md.
func TestSwitches(t *testing.T) {
	tr, err := load()
	if err != nil {
		t.Fatal(err)
	}
	off := declared(t, tr, "internal/weakened/off.go", token.CONST)
	same := func(where string, names []string) {
		if !slices.Equal(names, off) {
			t.Errorf("%s has %v\ninternal/weakened/off.go has %v", where, names, off)
		}
	}
	same("internal/weakened/on.go", declared(t, tr, "internal/weakened/on.go", token.VAR))
	var names []string
	for _, r := range weakened.Rules {
		names = append(names, r.Name)
	}
	same("weakened.Rules", names)

	doc, err := os.ReadFile("docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	written := map[string]string{} // attack by switch
	for _, m := range regexp.MustCompile("(?m)^\\|.*\\| `([A-Z]\\w+)` \\| `(\\w+)` \\|$").FindAllStringSubmatch(string(doc), -1) {
		names, written[m[1]] = append(names, m[1]), m[2]
	}
	same("docs/threat-model.md", names)

	enforced, played := map[string]bool{}, map[string]string{}
	for _, s := range tr.sources {
		in := owner(s.dir())
		if s.test() {
			continue
		}
		if in != "lab" {
			for _, name := range calls(s.file, "weakened") {
				enforced[name] = true
			}
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if c, ok := n.(*ast.CompositeLit); ok && len(c.Elts) == 2 {
				row, isRow := c.Elts[0].(*ast.BasicLit)
				attack, isAttack := c.Elts[1].(*ast.Ident)
				if isRow && isAttack {
					played[strings.Trim(row.Value, `"`)] = attack.Name
				}
			}
			return true
		})
	}
	for _, name := range off {
		if !enforced[name] {
			t.Errorf("weakened.%s breaks no rule: nothing asks for it", name)
		}
		if played[name] != written[name] {
			t.Errorf("lab plays %q against %s, docs/threat-model.md says %q", played[name], name, written[name])
		}
	}
}

// declared lists the exported names that a file declares with CONST or VAR, but
// for Enabled, in order.
func declared(t *testing.T, tr tree, file string, tok token.Token) (names []string) {
	t.Helper()
	i := slices.IndexFunc(tr.sources, func(s source) bool { return s.path == file })
	if i < 0 {
		t.Fatalf("%s is missing", file)
	}
	for _, d := range tr.sources[i].file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != tok {
			continue
		}
		for _, spec := range g.Specs {
			for _, n := range spec.(*ast.ValueSpec).Names {
				if n.Name != "Enabled" && n.IsExported() {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// TestRulesBite shows each rule a file that breaks it and one that does not.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		rule, path, src string
		want            int
	}{
		{"arrows", "internal/relay/a.go", `package relay; import _ "backchannel/internal/station"`, 1},
		{"arrows", "internal/relay/a.go", `package relay; import _ "backchannel/internal/suite/pass"`, 0},
		{"arrows", "internal/relay/a.go", `package relay; import _ "backchannel/internal/link/linktest"`, 1},
		{"arrows", "internal/relay/a_test.go", `package relay; import _ "backchannel/internal/link/linktest"`, 0},
		{"arrows", "internal/mix/a_test.go", `package mix; import _ "backchannel/internal/relay"`, 1},
		{"arrows", "internal/mix/a_test.go", `package mix_test; import _ "backchannel/internal/relay"`, 0},
		{"arrows", "internal/mix/a_test.go", `package mix_test; import _ "backchannel/lab"`, 1},
		{"arrows", "internal/web/a.go", `package web; import _ "backchannel/internal/vault"`, 1},
		{"arrows", "internal/web/a.go", `package web; import _ "backchannel/internal/weakened"`, 0},
		{"arrows", "internal/weakened/a.go", `package weakened; import _ "backchannel/internal/suite"`, 1},
		{"arrows", "internal/suite/pass/a.go", "//go:build weakened && plan9\n\npackage pass\nimport _ \"backchannel/internal/wire\"", 1},
		{"arrows", "internal/odds/a.go", `package odds`, 1},
		{"arrows", "cmd/backchannel-lab/a.go", `package main; import _ "backchannel/internal/sim"`, 0},
		{"release", "cmd/backchannel/a.go", `package main; import _ "backchannel/internal/sim/fault"`, 1},
		{"release", "cmd/backchannel/a_test.go", `package main; import _ "backchannel/internal/sim"`, 0},
		{"pure", "internal/wire/a.go", `package wire; import _ "net/http"`, 1},
		{"pure", "internal/wire/a.go", `package wire; import "time"; var _ = time.Now()`, 1},
		{"pure", "internal/wire/a.go", `package wire; import "time"; var _ = time.Second`, 0},
		{"algorithms", "internal/mix/a.go", `package mix; import _ "crypto/aes"`, 1},
		{"algorithms", "internal/mix/a_test.go", `package mix; import _ "crypto/aes"`, 0},
		{"algorithms", "internal/suite/pass/a.go", `package pass; import _ "crypto/aes"`, 0},
		{"algorithms", "internal/link/a.go", `package link; import _ "crypto/tls"`, 0},
		{"foreign", "internal/web/a.go", `package web; import _ "github.com/ncruces/go-sqlite3/driver"`, 1},
		{"foreign", "internal/vault/a.go", `package vault; import _ "github.com/ncruces/go-sqlite3/driver"`, 0},
		{"foreign", "internal/vault/a.go", `package vault; import _ "example.org/new"`, 1},
		{"program", "internal/mix/a.go", `package mix; import _ "testing"`, 1},
		{"comments", "internal/mix/a.go", `package mix`, 1},
		{"comments", "internal/mix/a.go", "// Package mix mixes.\npackage mix", 0},
		{"names", "internal/mix/utils.go", `package mix`, 1},
		{"names", "internal/mix/onion.go", `package mix`, 0},
		{"seeds", "internal/mix/a_test.go", `package mix; func FuzzA(f *testing.F) { f.Fuzz(g) }`, 1},
		{"seeds", "internal/mix/a_test.go", `package mix; func FuzzA(f *testing.F) { f.Add(1); f.Fuzz(g) }`, 0},
		{"seeds", "internal/mix/a_test.go", `package mix; func FuzzA(f *testing.F) { s(f) }; func s(x *testing.F) { x.Add(1) }`, 0},
		{"second", "internal/mix/second_test.go", `package mix_test; import _ "backchannel/internal/suite"`, 1},
		{"second", "internal/mix/second_test.go", `package mix`, 1},
		{"second", "internal/mix/second_test.go", `package mix_test; import _ "crypto/aes"`, 0},
		{"sleeps", "internal/mix/a_test.go", `package mix; func TestA() { time.Sleep(1) }`, 1},
		{"sleeps", "internal/mix/a_test.go", `package mix; func TestA() { synctest.Test(t, func() { time.Sleep(1) }) }`, 0},
	} {
		f, err := parser.ParseFile(token.NewFileSet(), c.path, c.src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found := rules[c.rule](tree{sources: []source{{c.path, f}}})
		if len(found) != c.want {
			t.Errorf("rule %s on %s\n%s\nfound %q, want %d", c.rule, c.path, c.src, found, c.want)
		}
	}
}

// TestArrows checks the lists themselves: every line that is named exists, no
// package reaches itself, and every exception has its reason.
func TestArrows(t *testing.T) {
	for line, nexts := range arrows {
		for _, next := range nexts {
			if _, ok := arrows[next]; !ok {
				t.Errorf("%s → %s, which has no line", line, next)
			}
			if reach(next)[line] {
				t.Errorf("%s and %s reach each other", line, next)
			}
		}
	}
	for _, dir := range notReleased {
		if reach("cmd/backchannel")[dir] {
			t.Errorf("the arrows let cmd/backchannel contain %s", dir)
		}
	}
	for _, e := range named {
		if e.reason == "" {
			t.Errorf("%s may import %s without a reason", e.dir, e.imported)
		}
	}
	for file := range sleeps {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("sleeps names %s: %v", file, err)
		}
	}
}
