package web

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCatalogue compares the texts with the templates and the code: every name
// that is used exists, every text is used, and each is given what it asks for.
func TestCatalogue(t *testing.T) {
	text, err := loadTexts("en")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	note := func(where, name string) {
		used[name] = true
		if _, ok := text[name]; !ok {
			t.Errorf("%s uses %q, which has no text", where, name)
		}
	}
	collect := func(where, source string, single, counted *regexp.Regexp) {
		for _, m := range single.FindAllStringSubmatch(source, -1) {
			note(where, m[1])
		}
		for _, m := range counted.FindAllStringSubmatch(source, -1) {
			note(where, m[1]+".one")
			note(where, m[1]+".other")
		}
	}
	err = fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := templateFiles.ReadFile(path)
		if strings.Contains(string(b), "[[") {
			t.Errorf("%s has a text of its own", path)
		}
		collect(path, string(b), regexp.MustCompile(`[({ ]t "([^"]+)"`), regexp.MustCompile(`[({ ]n "([^"]+)"`))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		collect(f, string(b), regexp.MustCompile(`(?:\.say\(|\.pick\(|p\.done\(v, [^,]+(?:\+[^,]+)*, |p\.act\(v, )"([^"]+)"`), regexp.MustCompile(`\.count\("([^"]+)"`))
	}
	for name := range text {
		if !used[name] {
			t.Errorf("nothing uses the text %q", name)
		}
		if strings.HasSuffix(name, ".one") && text[strings.TrimSuffix(name, ".one")+".other"] == "" {
			t.Errorf("%q has no other form", name)
		}
	}
	for _, n := range []int{0, 1, 2} {
		if got := text.count("facts.stations", n); strings.Contains(got, "%!") {
			t.Errorf("a count reads %q", got)
		}
	}
}

// TestNothingIsRemembered: a browser keeps what stands in a form with its history, on
// its disk as well, and puts it back there on the way back. No form allows that.
func TestNothingIsRemembered(t *testing.T) {
	forms := regexp.MustCompile(`<form\b[^>]*>`)
	found := 0
	err := fs.WalkDir(templateFiles, "templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := templateFiles.ReadFile(path)
		for _, form := range forms.FindAllString(string(b), -1) {
			found++
			if !strings.Contains(form, ` autocomplete="off"`) {
				t.Errorf("%s: the browser remembers what is typed into %s", path, form)
			}
		}
		return err
	})
	if err != nil || found < 50 {
		t.Fatalf("%d forms, %v", found, err)
	}
}
