//go:build unix

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// opener puts a program in the place of the one that opens addresses.
func opener(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	name := "xdg-open"
	if runtime.GOOS == "darwin" {
		name = "open"
	}
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

const someLink = "http://127.0.0.1:7717/"

func TestOpenBrowser(t *testing.T) {
	dir := opener(t, `echo "$#:$1" > "${0%/*}/asked"`)
	if err := openBrowser(someLink, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "asked")); err != nil || string(got) != "1:"+someLink+"\n" {
		t.Errorf("it was asked for %q, %v", got, err)
	}
}

// Without a browser, a screen or the program itself, the error says what to do by hand.
func TestNoBrowser(t *testing.T) {
	for name, script := range map[string]string{"no such program": "", "no screen": "echo cannot open display >&2; exit 3"} {
		opener(t, script)
		err := openBrowser(someLink, time.Minute)
		if err == nil || !strings.Contains(err.Error(), "open "+someLink+" by hand") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that stays as long as its browser is open holds nobody up, and the browser
// outlives whoever asked for it.
func TestAnOpenerThatStays(t *testing.T) {
	dir := opener(t, `read _ < "${0%/*}/closed"; echo over > "${0%/*}/over"`)
	closed := filepath.Join(dir, "closed")
	if err := unix.Mkfifo(closed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openBrowser(someLink, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(closed, []byte("yes\n"), 0); err != nil { // the window is closed
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(dir, "over")); err == nil {
			return
		}
		<-tick.C
	}
	t.Error("the browser was ended with the command")
}
