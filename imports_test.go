// Package backchannel_test holds the rules of the tree as tests: who may import
// whom, who may name an algorithm, who may see a clock, a socket or a disk, and
// what every package and every fuzz target must bring along.
//
// It reads the source and runs nothing, every file of every platform and build
// tag alike, so an arrow cannot hide behind a constraint. Each rule is a function
// that returns what it finds, and TestRulesBite shows every one of them a tree
// that breaks it: a rule that has stopped looking fails there.
//
// imports_test.go has the rules about imports, house_test.go the others.
//
// Specification: the map of the tree in README.md and CONTRIBUTING.md.
package backchannel_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "backchannel"

// arrows lists what each package may import of the project: its own line and
// whatever those may import in turn. A folder below a listed one belongs to it
// (internal/suite/pass is suite) unless it has a line of its own. A package
// without a line may not exist: give it one here, with thought.
//
// A file of package p_test may import any package except cmd and lab, because a
// test from outside may well set up a whole network; a test inside the package
// compiles into it and has the package's own arrows, and link/linktest.
var arrows = map[string][]string{
	".":                      {},
	"internal/weakened":      {}, // one switch per rule; everything may import it
	"internal/suite":         {},
	"internal/wire":          {"internal/suite"},
	"internal/mark":          {"internal/wire"},
	"internal/roster":        {"internal/wire", "internal/suite"},
	"internal/mix":           {"internal/wire", "internal/suite"},
	"internal/pairwise":      {"internal/wire", "internal/suite"},
	"internal/contact":       {"internal/pairwise", "internal/wire", "internal/suite"},
	"internal/negotiation":   {"internal/pairwise", "internal/wire", "internal/suite"},
	"internal/transcript":    {},
	"internal/book":          {"internal/transcript", "internal/negotiation"},
	"internal/link":          {"internal/wire", "internal/suite"},
	"internal/link/linktest": {"internal/link"},
	"internal/relay":         {"internal/link", "internal/roster", "internal/mix", "internal/mark"},
	"internal/entry":         {"internal/link", "internal/roster", "internal/mix"},
	"internal/vault":         {"internal/contact", "internal/pairwise", "internal/negotiation"},
	"internal/station": {"internal/book", "internal/transcript", "internal/vault", "internal/contact", "internal/pairwise", "internal/negotiation",
		"internal/link", "internal/roster", "internal/mix", "internal/mark"},
	"internal/web":        {"internal/station", "internal/transcript"},
	"internal/bench":      {"internal/mix", "internal/roster", "internal/pairwise", "internal/contact"},
	"internal/sim":        {"internal/relay", "internal/entry", "internal/station", "internal/link/linktest"},
	"lab":                 {"internal/sim"},
	"vectors":             {"internal/mix", "internal/roster", "internal/pairwise", "internal/contact", "internal/negotiation"},
	"deploy":              {"internal/relay", "internal/entry", "internal/station"},
	"cmd/backchannel":     {"internal/relay", "internal/entry", "internal/station", "internal/web", "internal/bench"},
	"examples":            {"internal/web"},
	"cmd/backchannel-lab": {"lab"},
}

// directOnly packages do not inherit: a page may ask the station, and never
// anything that the station is made of.
var directOnly = []string{"internal/web"}

// notReleased must not be part of cmd/backchannel: the means of breaking the
// network stay out of the program that runs it.
var notReleased = []string{"internal/sim", "internal/link/linktest", "lab"}

// pure packages take bytes, time and randomness as arguments, so that the same
// code serves vectors, fuzzing, the simulation and the attacks.
var pure = []string{"internal/suite", "internal/wire", "internal/roster", "internal/mix", "internal/pairwise",
	"internal/contact", "internal/negotiation", "internal/transcript", "internal/book"}

// world are the packages (and those below them) that a pure package does without.
var world = []string{"net", "os", "log", "syscall", "database/sql", "flag", "math/rand", "golang.org/x/sys"}

// clock are the functions of package time that ask the machine.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

// algorithms are import paths that name a primitive. Only internal/suite and
// internal/vault may, and what named lists, each with its reason. Tests may: an
// independent second implementation must not lean on the first.
var algorithms = []string{"crypto", "github.com/cloudflare/circl", "filippo.io", "golang.org/x/crypto"}

type exception struct{ dir, imported, reason string }

var named = []exception{
	{"internal/station", "crypto/rand", "an unbiased shuffle of lanes and circuits needs uniform numbers; no algorithm is named"},
	{"internal/link", "crypto/tls", "the transport between servers and to stations is TLS 1.3"},
	{"cmd/backchannel", "crypto/sha256", "the demo measures what arrived with a hash that is not the program's"},
	{"cmd/backchannel", "crypto/tls", "the pages for paired devices are served over TLS"},
	{"cmd/backchannel", "crypto/x509", "their certificate, on which nothing else relies"},
	{"cmd/backchannel", "crypto/x509/pkix", "the same"},
	{"cmd/backchannel", "crypto/ecdsa", "the same: browsers accept no Ed25519"},
	{"cmd/backchannel", "crypto/elliptic", "the same"},
	{"cmd/backchannel", "crypto/rand", "crypto/x509 wants a source to sign with"},
	{"internal/link", "crypto/x509", "a pinned server key travels in a certificate"},
	{"internal/link", "crypto/x509/pkix", "the same; its name says nothing"},
	{"internal/sim", "crypto/ed25519", "the type of a pinned key; suite makes the key"},
	{"internal/link", "crypto/ed25519", "the type of a pinned key; suite makes the key"},
	{"internal/negotiation", "filippo.io/edwards25519", "signing together needs the group itself, which suite does not offer"},
	{"internal/negotiation", "crypto/sha512", "the challenge of RFC 8032 and coefficients uniform modulo the group order"},
	{"internal/negotiation", "crypto/ed25519", "the result must hold for an ordinary verifier, so one checks it"},
	{"vectors", "crypto/sha512", "fixed inputs of 64 bytes for the vectors"},
	{"internal/web", "crypto/rand", "names of sessions and tokens of forms are random text; no algorithm is named"},
	{"internal/web", "crypto/subtle", "the token of a form is compared in constant time"},
	{"internal/link", "crypto/rand", "crypto/x509 wants a source to sign with"},
	{"internal/negotiation", "github.com/cloudflare/circl/group", "blind rounds are arithmetic in ristretto255; every hash of our own goes through suite"},
	{"internal/negotiation", "github.com/cloudflare/circl/zk/dl", "proofs of keys are checked by circl"},
	{"internal/negotiation", "github.com/cloudflare/circl/zk/dleq", "proofs of decryption shares are made and checked by circl"},
}

// foreign lists which package may lean on which module from outside, so that a
// dependency stays behind the boundary that it was chosen for. Tests are free.
var foreign = map[string][]string{
	"github.com/cloudflare/circl":         {"internal/suite", "internal/negotiation"},
	"filippo.io/edwards25519":             {"internal/negotiation"},
	"github.com/BurntSushi/toml":          {"internal/wire", "internal/relay", "internal/entry", "internal/station", "internal/web", "cmd/backchannel"},
	"github.com/coder/websocket":          {"internal/link"},
	"github.com/danielgtaylor/huma/v2":    {"internal/web"},
	"github.com/fxamacker/cbor/v2":        {"internal/contact", "internal/negotiation", "internal/vault"},
	"github.com/ncruces/go-sqlite3":       {"internal/vault"},
	"github.com/prometheus/client_golang": {"internal/relay", "internal/entry", "internal/station"},
	"github.com/skip2/go-qrcode":          {"internal/contact", "internal/web", "cmd/backchannel"},
	"github.com/spf13/cobra":              {"cmd/backchannel", "cmd/backchannel-lab"},
	"github.com/tyler-smith/go-bip39":     {"internal/contact"},
	"github.com/vbauerster/mpb/v8":        {"cmd/backchannel", "cmd/backchannel-lab"},
	"github.com/yuin/goldmark":            {"internal/web"},
	"github.com/zalando/go-keyring":       {"cmd/backchannel"},
	"golang.org/x/crypto":                 {"internal/vault"},
	"golang.org/x/net":                    {"internal/link"},
	"golang.org/x/sys":                    {"internal/suite", "internal/link", "internal/mark", "internal/vault", "internal/station", "cmd/backchannel"},
	"golang.org/x/term":                   {"cmd/backchannel"},
	"gonum.org/v1/plot":                   {"lab", "internal/bench", "cmd/backchannel", "cmd/backchannel-lab"},
}

// A source is one Go file.
type source struct {
	path string // slash-separated, from the module root
	file *ast.File
}

func (s source) dir() string     { return path.Dir(s.path) }
func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) outside() bool   { return s.test() && strings.HasSuffix(s.file.Name.Name, "_test") }
func (s source) inProgram() bool { return !s.test() }

func (s source) imports() (paths []string) {
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err) // the parser has already unquoted it once
		}
		paths = append(paths, p)
	}
	return paths
}

// A tree is all Go files of the module, and the names of the seed corpora.
type tree struct {
	sources []source
	corpora map[string]bool // "dir/testdata/fuzz/FuzzX" with at least one file
}

var load = sync.OnceValues(func() (tr tree, err error) {
	tr.corpora = map[string]bool{}
	fset := token.NewFileSet()
	err = filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		switch {
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")):
			return fs.SkipDir
		case d.IsDir() && p != ".":
			if _, err := os.Stat(p + "/go.mod"); err == nil {
				return fs.SkipDir // a module of its own
			}
		case strings.Contains(p, "testdata/fuzz/"):
			tr.corpora[path.Dir(p)] = true
		case strings.HasSuffix(p, ".go") && !strings.Contains(p, "testdata/"):
			f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			tr.sources = append(tr.sources, source{p, f})
		}
		return nil
	})
	return tr, err
})

// owner returns the line of arrows that a folder belongs to, or "".
func owner(dir string) string {
	for d := dir; ; d = path.Dir(d) {
		if _, ok := arrows[d]; ok && (d != "." || dir == ".") {
			return d
		}
		if d == "." {
			return ""
		}
	}
}

// reach is the set of lines that a line may import, itself included.
func reach(line string) map[string]bool {
	seen := map[string]bool{line: true, "internal/weakened": true}
	var visit func(string)
	visit = func(l string) {
		for _, next := range arrows[l] {
			if !seen[next] {
				seen[next] = true
				visit(next)
			}
		}
	}
	if slices.Contains(directOnly, line) {
		for _, next := range arrows[line] {
			seen[next] = true
		}
		return seen
	}
	visit(line)
	return seen
}

// ours returns the folder of an import path of this module, or "".
func ours(imported string) string {
	if imported == module {
		return "."
	}
	if rest, ok := strings.CutPrefix(imported, module+"/"); ok {
		return rest
	}
	return ""
}

// under reports whether import path p is root or below it.
func under(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func checkArrows(tr tree) (found []string) {
	for _, s := range tr.sources {
		from := owner(s.dir())
		if from == "" {
			found = append(found, fmt.Sprintf("%s: the folder has no line in arrows", s.path))
			continue
		}
		allowed := reach(from)
		for _, p := range s.imports() {
			dir := ours(p)
			if dir == "" {
				continue
			}
			to := owner(dir)
			switch {
			case allowed[to]:
			case s.outside() && !under(dir, "cmd") && to != "lab" && to != "":
			case s.test() && to == "internal/link/linktest" && allowed["internal/link"]:
			default:
				found = append(found, fmt.Sprintf("%s: %s may not import %s", s.path, from, dir))
			}
		}
	}
	return found
}

func checkRelease(tr tree) (found []string) {
	edges := map[string][]string{}
	for _, s := range tr.sources {
		if !s.inProgram() {
			continue
		}
		for _, p := range s.imports() {
			if dir := ours(p); dir != "" {
				edges[s.dir()] = append(edges[s.dir()], dir)
			}
		}
	}
	via := map[string]string{"cmd/backchannel": ""}
	for queue := []string{"cmd/backchannel"}; len(queue) > 0; queue = queue[1:] {
		for _, next := range edges[queue[0]] {
			if _, seen := via[next]; !seen {
				via[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(via)) {
		if slices.Contains(notReleased, owner(dir)) {
			found = append(found, fmt.Sprintf("cmd/backchannel contains %s through %s", dir, via[dir]))
		}
	}
	return found
}

func checkPure(tr tree) (found []string) {
	for _, s := range tr.sources {
		if s.test() || !slices.Contains(pure, owner(s.dir())) || s.dir() == "internal/suite/pass" {
			continue // pass asks the system for huge pages and the processor for its abilities
		}
		for _, p := range s.imports() {
			for _, w := range world {
				if under(p, w) && p != "net/url" {
					found = append(found, fmt.Sprintf("%s: a pure package imports %s", s.path, p))
				}
			}
		}
		for _, name := range calls(s.file, "time") {
			if slices.Contains(clock, name) {
				found = append(found, fmt.Sprintf("%s: a pure package calls time.%s; take the time as an argument", s.path, name))
			}
		}
	}
	return found
}

// calls lists the names that a node selects from package pkg.
func calls(n ast.Node, pkg string) (names []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
				names = append(names, sel.Sel.Name)
			}
		}
		return true
	})
	return names
}

func checkAlgorithms(tr tree) (found []string) {
	for _, s := range tr.sources {
		if from := owner(s.dir()); s.test() || from == "internal/suite" || from == "internal/vault" {
			continue
		}
		for _, p := range s.imports() {
			names := slices.ContainsFunc(algorithms, func(a string) bool { return under(p, a) })
			excused := slices.ContainsFunc(named, func(e exception) bool { return e.dir == owner(s.dir()) && e.imported == p })
			if names && !excused {
				found = append(found, fmt.Sprintf("%s: %s names an algorithm; use internal/suite", s.path, p))
			}
		}
	}
	return found
}

func checkForeign(tr tree) (found []string) {
	for _, s := range tr.sources {
		if s.test() {
			continue
		}
		for _, p := range s.imports() {
			if first, _, _ := strings.Cut(p, "/"); !strings.Contains(first, ".") {
				continue // the standard library and this module
			}
			var users []string
			for _, m := range slices.Sorted(maps.Keys(foreign)) {
				if under(p, m) {
					users = foreign[m]
				}
			}
			if !slices.Contains(users, owner(s.dir())) {
				found = append(found, fmt.Sprintf("%s: may not import %s", s.path, p))
			}
		}
	}
	return found
}

// checkProgram keeps test machinery out of programs.
func checkProgram(tr tree) (found []string) {
	free := []string{"internal/sim", "internal/link/linktest", "internal/bench", "lab", "cmd/backchannel-lab"}
	for _, s := range tr.sources {
		if s.test() || slices.Contains(free, owner(s.dir())) {
			continue
		}
		for _, p := range s.imports() {
			if under(p, "testing") {
				found = append(found, fmt.Sprintf("%s: a program imports %s", s.path, p))
			}
		}
	}
	return found
}

// rules are all of the above by the name that TestRulesBite knows them by.
var rules = map[string]func(tree) []string{
	"arrows": checkArrows, "release": checkRelease, "pure": checkPure, "algorithms": checkAlgorithms,
	"foreign": checkForeign, "program": checkProgram, "comments": checkComments, "names": checkNames,
	"seeds": checkSeeds, "sleeps": checkSleeps, "second": checkSecond,
}

func TestRules(t *testing.T) {
	tr, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			for _, f := range rules[name](tr) {
				t.Error(f)
			}
		})
	}
}
