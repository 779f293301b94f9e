// Command gen writes the test vectors of the protocol into vectors/*.json:
//
//	go run ./vectors/gen
//
// The same source gives the same bytes. Inputs are fixed or grow from a counter;
// nothing is random and nothing is secret. A vector whose operation must fail has
// the name of the failure in place of outputs, and the generator refuses to write
// it when the operation succeeds. vectors/README.md describes the format.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// files are the vector files by name.
var files = []struct {
	name string
	make func() any
}{
	{"suite.json", suiteVectors},
	{"wire.json", wireVectors},
	{"roster.json", rosterVectors},
	{"mix.json", mixVectors},
	{"pairwise.json", pairwiseVectors},
	{"contact.json", contactVectors},
	{"seal.json", sealVectors},
	{"blind.json", blindVectors},
	{"negotiation.json", negotiationVectors},
}

func main() {
	if err := generate("vectors"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate writes every file into dir, which must exist.
func generate(dir string) error {
	for _, f := range files {
		b, err := encode(f.make())
		if err != nil {
			return fmt.Errorf("making %s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), b, 0o644); err != nil {
			return fmt.Errorf("writing %s: run this from the root of the module: %w", f.name, err)
		}
	}
	return nil
}

// encode makes readable JSON with sorted keys.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
