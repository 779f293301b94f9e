package pagetest_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"backchannel/internal/vault"
)

// axe is Deque's axe-core (MPL 2.0, beside it), which finds accessibility problems.
//
//go:embed testdata/axe.min.js
var axe string

// browser is one Chromium for most tests. The cookies of stations do not meet in
// it, for they carry their port.
var browser struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

// TestMain makes passphrases cheap, so that pages are waited for and not Argon2id,
// and lets a test wait while two others do.
func TestMain(m *testing.M) {
	vault.DefaultKDF = vault.KDF{Time: 1, Memory: 8, Threads: 1}
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil && n < 3 {
		if err := flag.Set("test.parallel", "3"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if browser.end != nil {
		browser.end()
	}
	os.Exit(code)
}

func startBrowser() (context.Context, func(), error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, func() {}, errors.New("no Chromium on this machine: these tests need one")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, end := chromedp.NewContext(alloc)
	return ctx, func() { end(); endAlloc() }, chromedp.Run(ctx)
}

// tab is a window at one station.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string
	foreign  []string
	expected []string
}

// open opens a window at a station. Whatever the console reports and whatever
// asks for another host than loopback fails the test at its end.
func open(t *testing.T, base string) *tab {
	t.Helper()
	browser.once.Do(func() { browser.ctx, browser.end, browser.err = startBrowser() })
	needBrowser(t, browser.err)
	return newTab(t, browser.ctx, base)
}

// openElsewhere opens a window of another browser, which has no cookies.
func openElsewhere(t *testing.T, base string) *tab {
	t.Helper()
	ctx, end, err := startBrowser()
	t.Cleanup(end)
	needBrowser(t, err)
	return newTab(t, ctx, base)
}

func needBrowser(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("BACKCHANNEL_REQUIRE_BROWSER") == "1":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

func newTab(t *testing.T, parent context.Context, base string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(parent)
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 12*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base}
	chromedp.ListenTarget(ctx, b.observe)
	b.run(network.Enable(), log.Enable(), runtime.Enable(), chromedp.EmulateViewport(1280, 860))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			if slices.ContainsFunc(b.expected, func(e string) bool { return strings.Contains(p, e) }) {
				continue
			}
			t.Errorf("the console of %s: %s", base, p)
		}
		for _, f := range b.foreign {
			t.Errorf("a request left this machine: %s", f)
		}
	})
	return b
}

func (b *tab) observe(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "data" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Scheme != "about" {
			b.foreign = append(b.foreign, e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text+" "+e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.problems = append(b.problems, fmt.Sprint(e.Type, " ", string(e.Args[0].Value)))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// expect says that answers of these codes are part of the test: the console
// reports every failed load.
func (b *tab) expect(codes ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range codes {
		b.expected = append(b.expected, fmt.Sprintf("a status of %d", c))
	}
}

// mayBreak says that the station goes away for a while. A request that is under way
// then breaks off: htmx reports it as not sent, and once more as ended.
func (b *tab) mayBreak() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, "net::ERR_", "a status of 502", "Error Code 502", "failed, code 502",
		"htmx:sendError", `"htmx:afterRequest,`)
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// visit goes to a page of the station. A page that goes on to another by itself at
// that moment ends the load: then it is asked for again.
func (b *tab) visit(path string) {
	b.t.Helper()
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithTimeout(b.ctx, soon)
		err := chromedp.Run(ctx, chromedp.Navigate(b.base+path), chromedp.WaitReady("body"))
		cancel()
		if err == nil {
			return
		}
		if b.ctx.Err() != nil || tries == 4 || !leaving(err) && !strings.Contains(err.Error(), "net::ERR_ABORTED") {
			b.t.Fatalf("going to %s: %v", path, err)
		}
	}
}

func (b *tab) path() string {
	b.t.Helper()
	var at string
	b.eval("location.href", &at)
	return strings.TrimPrefix(at, b.base)
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.push("the control "+selector, fmt.Sprintf("[...document.querySelectorAll(%q)]", selector))
}

// press clicks the button or link with these words.
func (b *tab) press(words string) {
	b.t.Helper()
	b.push("the button "+words, fmt.Sprintf(`[...document.querySelectorAll("button, a, summary")].filter((n) => n.textContent.replace(/\s+/g, " ").trim() === %q)`, words))
}

// push clicks the first of the nodes that a script finds which is in view and which
// nothing covers, and waits for it to be there. A part of the page that refreshes
// itself may replace its controls at any moment, also between the two halves of a
// click: so all of it happens in one turn of the page's own.
func (b *tab) push(what, nodes string) {
	b.t.Helper()
	script := `(() => {
		if (document.readyState !== "complete") return "the page is loading";
		let why = "there is none";
		for (const n of ` + nodes + `) {
			n.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
			const r = n.getClientRects()[0];
			if (!r || getComputedStyle(n).visibility !== "visible") { why = "it is not shown"; continue; }
			const top = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
			if (!n.contains(top)) { why = "it is covered by " + (top ? top.outerHTML.slice(0, 80) : "nothing"); continue; }
			if (n.disabled) { why = "it is disabled"; continue; }
			n.focus();
			n.click();
			return "";
		}
		return why;
	})()`
	why := "the page does not answer"
	b.within(soon, what, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, soon/2)
		defer cancel()
		err := chromedp.Run(ctx, chromedp.Evaluate(script, &why, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithUserGesture(true) }))
		if err != nil && (b.ctx.Err() != nil || !leaving(err)) {
			b.t.Fatalf("pressing %s at %s: %v", what, b.path(), err)
		}
		return err == nil && why == ""
	}, &why)
}

func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.loaded(selector)   // with its scripts: nobody types that fast
	if len(text) > 500 { // typing takes its time
		b.eval(fmt.Sprintf("(() => { const f = document.querySelector(%q); f.value = %q; f.dispatchEvent(new Event('input', {bubbles: true})); return 0 })()", selector, text), nil)
		return
	}
	b.again("filling "+selector, func(ctx context.Context) error {
		b.eval(fmt.Sprintf("(() => { const f = document.querySelector(%q); if (f) f.value = ''; return 0 })()", selector), nil)
		return chromedp.Run(ctx, chromedp.SendKeys(selector, text, chromedp.ByQuery))
	})
}

// upload chooses a file.
func (b *tab) upload(selector, file string) {
	b.t.Helper()
	b.loaded(selector)
	b.again("choosing a file for "+selector, func(ctx context.Context) error {
		return chromedp.Run(ctx, chromedp.SetUploadFiles(selector, []string{file}, chromedp.ByQuery))
	})
}

// loaded waits for a field of a page that is there with all it needs.
func (b *tab) loaded(selector string) {
	b.t.Helper()
	b.within(soon, "the field "+selector, func() bool {
		var yes bool
		b.eval(fmt.Sprintf("document.readyState === 'complete' && document.querySelector(%q) !== null", selector), &yes)
		return yes
	})
}

// again does what finds a node and uses it. The driver may still know the page before,
// or the node is replaced in between: then it is looked for again.
func (b *tab) again(what string, act func(ctx context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, soon)
	defer cancel()
	for {
		err := act(ctx)
		if err == nil {
			return
		}
		if e := err.Error(); ctx.Err() != nil || !leaving(err) && !strings.Contains(e, "node with given id") && !strings.Contains(e, "Could not find node") && !strings.Contains(e, "Node is detached") {
			b.t.Fatalf("%s at %s: %v", what, b.path(), err)
		}
	}
}

// How long the machine itself may take, which may be busy, and how long the network,
// which misses an epoch when the machine is.
const (
	soon    = 45 * time.Second
	arrives = 3 * time.Minute
)

func (b *tab) has(selector string) bool {
	var yes bool
	b.eval(fmt.Sprintf("document.querySelector(%q) !== null", selector), &yes)
	return yes
}

// eval runs a script. One that reads, into a variable, is run again when the page was
// just being left, so that what it reads is of a page; one that does something is run
// again only if it was not run.
func (b *tab) eval(script string, into any) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(soon); ; <-tick.C {
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		err := chromedp.Run(ctx, chromedp.Evaluate(script, into))
		cancel()
		switch {
		case err == nil || into == nil && leaving(err) && !notRun(err) && b.ctx.Err() == nil:
			return
		case b.ctx.Err() != nil || !leaving(err) || time.Now().After(end):
			b.t.Fatalf("%s: %v", script, err)
		}
	}
}

// leaving reports the errors of a page that is just being left: it has no script
// context, or never answers. Whoever waits asks again.
func leaving(err error) bool {
	return strings.Contains(err.Error(), "context") || strings.Contains(err.Error(), "navigated")
}

// notRun reports those of them after which a script certainly has not run.
func notRun(err error) bool {
	return strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "Cannot find default execution context") || strings.Contains(err.Error(), "uniqueContextId not found")
}

func (b *tab) text() string {
	b.t.Helper()
	var s string
	b.eval("document.body ? document.body.innerText : ''", &s)
	return s
}

func (b *tab) textOf(selector string) string {
	b.t.Helper()
	var s string
	b.eval(fmt.Sprintf("(document.querySelector(%q) || {}).innerText || ''", selector), &s)
	return s
}

// within waits for a condition of the page. It may say why it is not met yet.
func (b *tab) within(limit time.Duration, what string, cond func() bool, why ...*string) {
	b.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !cond(); {
		if time.Now().After(end) {
			for _, w := range why {
				what += ", but " + *w + ","
			}
			b.t.Fatalf("waited %v for %s in vain; the page at %s says:\n%s", limit, what, b.path(), b.text())
		}
		<-tick.C
	}
}

// sees waits for words on the page, without loading it again.
func (b *tab) sees(limit time.Duration, words string) {
	b.t.Helper()
	b.within(limit, fmt.Sprintf("%q", words), func() bool { return strings.Contains(b.text(), words) })
}

// signIn unlocks the pages.
func (b *tab) signIn() {
	b.t.Helper()
	b.visit("/")
	b.fill("#passphrase", passphrase)
	b.press("Unlock")
	b.within(soon, "the desk", func() bool { return b.has("#people") })
}

// accessible lets axe look at the page, in the given light. Not even minor findings pass.
func (b *tab) accessible(where string) {
	b.t.Helper()
	var found string
	script := `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations
		.map((v) => v.id + " (" + v.impact + "): " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200) + " " + (n.any[0] || {}).message).join(" | "))))`
	// A page that goes on to another by itself is looked at once it has.
	b.within(soon, "axe", func() bool {
		err := chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
			var loaded bool // once for a page: it is half a megabyte
			if err := chromedp.Evaluate("typeof axe !== 'undefined'", &loaded).Do(ctx); err != nil || loaded {
				return err
			}
			return chromedp.Evaluate(axe+";0", nil).Do(ctx)
		}), chromedp.Evaluate(script, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if err != nil && !leaving(err) && !strings.Contains(err.Error(), "axe is not defined") {
			b.t.Fatal(err)
		}
		return err == nil
	})
	var list []string
	if err := json.Unmarshal([]byte(found), &list); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range list {
		b.t.Errorf("%s: %s", where, v)
	}
}

// scheme switches between light and dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	b.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
}

// width sets the window's size; pages must not need to be scrolled sideways.
func (b *tab) width(px, height int64) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(px, height))
}

func (b *tab) fits(where string) {
	b.t.Helper()
	var over int
	b.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over)
	if over > 0 {
		b.t.Errorf("%s is %d px wider than the window", where, over)
	}
}
