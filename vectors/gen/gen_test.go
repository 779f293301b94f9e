package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed vectors are what the generator makes, and it makes the same
// twice. Making them also plays every expected failure.
func TestVectorsAreCurrent(t *testing.T) {
	for _, f := range files {
		first, err := encode(f.make())
		if err != nil {
			t.Fatal(err)
		}
		second, err := encode(f.make())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs from run to run", f.name)
		}
		have, err := os.ReadFile(filepath.Join("..", f.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, have) {
			t.Errorf("%s is not current: run go run ./vectors/gen, and if the change is meant, say so in the changelog: it is another protocol", f.name)
		}
	}
}

// Every committed vector file has a generator.
func TestNoStrayVectors(t *testing.T) {
	have, err := filepath.Glob("../*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != len(files) {
		t.Errorf("%d files, %d generators: %v", len(have), len(files), have)
	}
}
