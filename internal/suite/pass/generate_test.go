package pass

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAssemblyIsGenerated runs the generator and compares. The generator is a
// module of its own; where its dependencies cannot be had the test says so and
// is skipped, unless CI is set.
func TestAssemblyIsGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the generator")
	}
	dir := t.TempDir()
	asm, stubs := filepath.Join(dir, "pass_amd64.s"), filepath.Join(dir, "stubs_amd64.go")
	cmd := exec.Command("go", "run", ".", "-out", asm, "-stubs", stubs, "-pkg", "pass")
	cmd.Dir = "asm"
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("running the generator: %v\n%s", err, out)
		}
		t.Skipf("the generator does not run here: %v\n%s", err, out)
	}
	for _, made := range []string{asm, stubs} {
		got, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Base(made))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(afterFirstLine(got), afterFirstLine(want)) {
			t.Errorf("%s is not what asm generates; run go generate", filepath.Base(made))
		}
	}
}

// afterFirstLine leaves out the line that names the command, with its paths.
func afterFirstLine(b []byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return rest
}
