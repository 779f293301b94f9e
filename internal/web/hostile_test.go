package web

import (
	"bytes"
	"image"
	"image/png"
	"mime"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A contact chooses what stands in a letter. However it is made, to show it costs
// what a letter of its size may cost.
func TestHostileLetters(t *testing.T) {
	const n = 64 << 10
	table := strings.Repeat("|a", n/8) + "\n" + strings.Repeat("|-", n/8) + "\n" + strings.Repeat("|\n", n/4)
	small := strings.Repeat("|a", 700) + "\n" + strings.Repeat("|-", 700) + "\n" + strings.Repeat("|\n", 1500)
	hostile := map[string]string{"a table": table, "a small table": small, "a table behind text": "A word.\n\n" + small}
	for name, unit := range map[string]string{
		"quotes": ">", "brackets": "[", "links": "[a](", "images": "![", "emphasis": "*a_ ", "lists": "- ", "code": "`a``b", "struck": "~~a ",
		"lists in quotes": "> - ", "quotes in lines": strings.Repeat(">", 99) + "a\n", "paragraphs": strings.Repeat("*a_ ", 900) + "\n\n",
	} {
		hostile[name] = strings.Repeat(unit, n/len(unit))
	}
	for name, text := range hostile {
		took := time.Hour
		for try := 0; try < 3 && took > 2*time.Second; try++ { // a fraction of that, but for a busy machine
			at := time.Now()
			if out := readable(text, "text/markdown"); len(out) > 40*len(text) {
				t.Errorf("%s: %d bytes become %d", name, len(text), len(out))
			}
			took = min(took, time.Since(at))
		}
		if took > 2*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
	if out := readable("|a|b|\n|-|-|\n|1|2|\n", "text/markdown"); !strings.Contains(string(out), "<table>") {
		t.Errorf("an honest table is none: %s", out)
	}
	long := "# A\n\n" + strings.Repeat("word ", maxMarkdown/5)
	if out := readable(long, "text/markdown"); !strings.HasPrefix(string(out), "<p># A") {
		t.Error("a text beyond all letters is read as Markdown")
	}
}

// A name says what the file is, on the page as in the download.
func TestHostileNames(t *testing.T) {
	for name, want := range map[string]string{
		"invoice\u202efdp.exe":          "invoicefdp.exe",
		"../../.bashrc":                 "bashrc",
		"a\"; filename=\"b.exe\r\nX: y": "",
		"\u2066CON\u2069":               "_CON",
	} {
		shown := shownName(name)
		w := httptest.NewRecorder()
		attach(w, name, "application/octet-stream")
		_, params, err := mime.ParseMediaType(w.Header().Get("Content-Disposition"))
		if err != nil || params["filename"] != shown || strings.ContainsAny(shown, "\"/\\\r\n\u202e\u2066") || want != "" && !strings.Contains(shown, want) {
			t.Errorf("%q is shown as %q and comes as %q: %v", name, shown, params["filename"], err)
		}
	}
	if shownName("") != "" {
		t.Error("no name is one")
	}
}

// A small file can be a large picture, and a page may ask for many at once.
func TestPicturesAreDrawnOneByOne(t *testing.T) {
	const side, at = 2000, 6
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA64(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range at {
		wg.Go(func() {
			if _, err := redraw(b.Bytes(), "image/png"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if grown, one := after.HeapSys-min(after.HeapSys, before.HeapSys), uint64(side*side*8); grown > (at-2)*one {
		t.Errorf("%d pictures of %d MB took %d MB at once", at, one>>20, grown>>20)
	}
}
