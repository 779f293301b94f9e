package pagetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"

	"backchannel/internal/negotiation/seal"
)

// trio is three principals at their pages, in a room over a real network.
type trio struct {
	*testing.T
	n       *world
	seats   []*seat
	a, b, c *tab
	room    string // its address
}

func (p *trio) all() []*tab { return []*tab{p.a, p.b, p.c} }

// TestThreeBrowsers lets three principals negotiate by nothing but their pages: a
// room, an agenda, an offer and an agreement at the expense of the third, who
// objects; a blind round that finds a package, an agreement that all sign, and a
// communiqué that anybody can check.
func TestThreeBrowsers(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	p := &trio{T: t, n: n, seats: []*seat{n.seat(t, "Aldmark"), n.seat(t, "Borvia"), n.seat(t, "Cenia")}}
	acquaint(t, p.seats[0], p.seats[1])
	acquaint(t, p.seats[0], p.seats[2])
	acquaint(t, p.seats[1], p.seats[2])
	for i, to := range []**tab{&p.a, &p.b, &p.c} {
		o := p.seats[i].s.PageOptions()
		o.Name = p.seats[i].name
		if err := p.seats[i].s.SetPageOptions(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		*to = open(t, p.seats[i].url)
		(*to).signIn()
	}
	p.form()
	p.settleAgenda()
	p.dealOverCenia()
	round := p.findPackage()
	where := p.sign(round)
	p.publish(where)
	p.restart()
}

// form makes the room; each picks the others among its own contacts. Who is invited
// sees a number in the title until the invitation was looked at.
func (p *trio) form() {
	p.a.visit("/rooms/new")
	p.a.fill("#title", "Straits talks")
	p.a.eval("document.querySelectorAll('[name=contact]').forEach((k) => k.click())", nil)
	p.a.press("Invite them")
	p.a.sees(soon, "They are invited.")
	p.room = "/r/" + strings.SplitN(strings.TrimPrefix(p.a.path(), "/r/"), "/", 2)[0]
	for i, guest := range []*tab{p.b, p.c} {
		guest.sees(arrives, "Straits talks")
		guest.titled("(1) Backchannel")
		guest.visit(p.room)
		guest.sees(soon, "Who is who?")
		guest.titled("Backchannel")
		guest.choose([]string{"#seat-1", "#seat-2"}[i], "self")
		guest.press("Take part")
		// The page goes on to the room by itself once all have confirmed, perhaps at once.
		guest.within(soon, "to take part", func() bool {
			text := guest.text()
			return strings.Contains(text, "You take part.") || strings.Contains(text, "Write an agenda")
		})
	}
	for _, m := range p.all() { // opens by itself
		m.sees(arrives, "Write an agenda")
	}
}

// titled waits for the title, which has the number of what is new and no name.
func (b *tab) titled(want string) {
	b.t.Helper()
	b.within(soon, "the title "+want, func() bool {
		var title string
		b.eval("document.title", &title)
		return title == want
	})
}

// settleAgenda has everybody confirm what is negotiated.
func (p *trio) settleAgenda() {
	a := p.a
	a.visit(p.room + "/agenda")
	a.press("Add an issue")
	a.within(soon, "a third issue", func() bool { return a.has("#title-2") })
	a.fill("#title-0", "Toll in the straits")
	a.fill("#options-0", "none\nhalf\nfull")
	a.fill("#title-1", "Days in port")
	a.choose("#type-1", "range")
	for name, value := range map[string]string{"min": "1", "max": "30", "step": "1", "unit": "days"} {
		a.fill("[name="+name+"-1]", value)
	}
	a.fill("#title-2", "Fishing grounds")
	a.fill("#options-2", "open to all\nshared by season\nclosed to Cenia")
	a.press("Propose this agenda")
	a.sees(soon, "The agenda is proposed.")
	for _, m := range []*tab{p.b, p.c} {
		m.sees(arrives, "Confirm this agenda") // without loading it again
		m.press("Confirm this agenda")
		m.sees(soon, "You have confirmed the agenda.")
	}
	for _, m := range p.all() {
		m.sees(arrives, "Write an offer")
	}
}

// pack puts a package on the table.
func (b *tab) pack(room, toll, days, fish string) {
	b.t.Helper()
	b.visit(room + "/package")
	b.choose("[name=value-1]", b.option("[name=value-1]", toll))
	b.fill("[name=value-2]", days)
	b.choose("[name=value-3]", b.option("[name=value-3]", fish))
	b.press("Put it on the table")
	b.sees(soon, "The package is on the table.")
}

// follow opens the link with these words as soon as it is there.
func (b *tab) follow(page, words string) {
	b.t.Helper()
	b.visit(page)
	link := fmt.Sprintf(`([...document.querySelectorAll("main a")].find((k) => k.textContent.trim() === %q) || {getAttribute: () => ""}).getAttribute("href")`, words)
	href := ""
	b.within(arrives, "the link "+words, func() bool { b.eval(link, &href); return href != "" })
	b.visit(href)
}

// dealOverCenia has Aldmark and Borvia try to settle something about Cenia. Both
// consent, and yet it is not agreed; Cenia objects and counters.
func (p *trio) dealOverCenia() {
	a, b, c := p.a, p.b, p.c
	a.pack(p.room, "none", "20", "closed to Cenia")
	a.visit(p.room + "/offer") // kept first, and sent the day after
	a.choose("[name=gives-value-0]", a.option("[name=gives-value-0]", "none"))
	a.choose("[name=gets-value-2]", a.option("[name=gets-value-2]", "closed to Cenia"))
	a.choose("[name=gets-by-2]", a.option("[name=gets-by-2]", "Borvia"))
	a.choose("[name=only-if]", "")
	a.press("Keep it for later")
	a.sees(soon, "Nobody but you has it.")
	a.accessible("an offer that was kept")
	a.press("Go on writing")
	a.sees(soon, "Draft 1 of an offer")
	a.fill("#note", "Between the two of us.")
	a.press("Read it aloud first")
	a.within(soon, "the offer to be read aloud", func() bool {
		said := a.textOf("#aloud")
		return strings.Contains(said, "Borvia gives: closed to Cenia.") && strings.Contains(said, "Only if Package 1 is agreed.")
	})
	a.press("Make this offer")
	a.sees(soon, "The offer is made. It binds nobody.")
	if a.has(".kept") {
		p.Error("the draft of an offer that was sent is still there")
	}
	b.visit(p.room + "/offers")
	b.sees(arrives, "Between the two of us.")
	b.accessible("an offer on the table")

	a.follow(p.room+"/offers", "Package 1")
	a.press("Make an agreement of it")
	a.sees(soon, "An exact text, or packages from the table")
	a.eval(`[...document.querySelectorAll("[name=party]")].filter((k) => k.parentElement.innerText.includes("Cenia")).forEach((k) => k.click())`, nil)
	a.press("Propose it")
	a.sees(soon, "The agreement is proposed. Nothing is agreed.")
	deal := a.path()
	for _, m := range []*tab{a, b} {
		m.consent(p.room, deal)
		m.sees(soon, "You have consented.")
	}
	for _, m := range p.all() {
		m.within(arrives, "two consents, and one that is missing", func() bool {
			m.visit(deal)
			who := m.textOf(".needed")
			return strings.Count(who, "has consented") == 2 && strings.Count(who, "has not consented") == 1
		})
		if v := m.textOf("#verdict"); !strings.HasPrefix(v, "Not agreed") {
			p.Errorf("without Cenia it says %q", v)
		}
	}
	c.accessible("an agreement that lacks a consent")
	if why := c.textOf(".needed"); !strings.Contains(why, "“Fishing grounds” concerns") {
		p.Errorf("why Cenia is asked is not said:\n%s", why)
	}

	c.press("Remarks")
	c.sees(soon, "A remark, to everybody in the room")
	c.fill("#text", "Nothing about these grounds is settled without us.")
	c.press("Remark")
	c.sees(soon, "Said.")
	c.visit(p.room + "/offers")
	c.press("Counter")
	c.sees(soon, "Counter an offer")
	for _, name := range []string{"gives", "gets"} { // begins as the other way round
		c.choose("[name="+name+"-value-0]", "")
		c.choose("[name="+name+"-value-2]", "")
	}
	c.choose("[name=gives-value-2]", c.option("[name=gives-value-2]", "shared by season"))
	c.choose("[name=gives-by-2]", c.option("[name=gives-by-2]", "Cenia"))
	c.choose("[name=gets-value-0]", c.option("[name=gets-value-0]", "half"))
	c.choose("[name=gets-by-0]", c.option("[name=gets-by-0]", "Aldmark"))
	c.press("Make this offer")
	c.sees(soon, "The offer is made. It binds nobody.")
	a.visit(p.room + "/offers")
	a.sees(arrives, "open, and countered")
	a.sees(arrives, "Nothing about these grounds is settled without us.")
	a.accessible("offers with a counter-offer")
	a.press("Withdraw")
	a.sees(soon, "Withdrawn.")
	a.visit(deal)
	a.press("Withdraw the proposal")
	a.sees(soon, "it cannot become an agreement any more")
}

// consent consents to an agreement as soon as it is there.
func (b *tab) consent(room, where string) {
	b.t.Helper()
	// Before it has come, its own page is not found.
	b.within(arrives, "the agreement", func() bool { b.visit(room + "/agreements"); return b.has(`a[href^="` + where + `"]`) })
	b.visit(where)
	b.within(soon, "the words to consent to", func() bool { return b.has("#consent") })
	b.press("I consent to exactly this text")
}

// findPackage puts four packages on the table and has Aldmark and Borvia find the
// one that both can live with. It returns the page of the result.
func (p *trio) findPackage() string {
	a, b, c := p.a, p.b, p.c
	began := time.Now()
	for _, k := range [][3]string{{"none", "5", "open to all"}, {"half", "5", "open to all"}, {"half", "15", "shared by season"}, {"full", "15", "shared by season"}} {
		c.pack(p.room, k[0], k[1], k[2])
	}
	a.visit(p.room + "/offers")
	a.sees(arrives, "Package 5")
	a.visit(p.room + "/round?mode=list")
	a.accessible("a round to propose")
	a.eval(`[...document.querySelectorAll("[name=party]")].filter((k) => k.parentElement.innerText.includes("Cenia")).forEach((k) => k.click())`, nil)
	a.eval(`[...document.querySelectorAll("[name=package]")].slice(1).forEach((k) => k.click())`, nil)
	// Who is late is left out: a busy machine waits longer for the answers.
	window := 15*time.Second + 3*time.Since(began)
	leaves := time.Now().Add(window)
	a.choose("#leaves", leaves.Format("2006-01-02T15:04:05"))
	a.eval("document.querySelector('.roundform').noValidate = true", nil) // a hand gives whole minutes
	a.press("Propose the round")
	a.sees(soon, "The round is proposed.")
	where := a.path()

	a.within(soon, "the list", func() bool { return a.has("[name=level-2]") })
	a.choose("[name=level-1][value='1']", "")
	a.press("Keep my answer")
	a.sees(soon, "Your answer is kept")
	a.press("Choose again")
	a.sees(soon, "Nothing stops someone from saying yes without meaning it.") // the last of the fairness words
	chosen := ""
	a.eval(`[...document.querySelectorAll("input:checked")].map((k) => k.value).join("")`, &chosen)
	if chosen != "0100" {
		p.Errorf("what was chosen before is shown as %q", chosen)
	}
	a.choose("[name=level-1][value='0']", "")
	a.choose("[name=level-2][value='1']", "")
	a.press("Keep my answer")
	a.sees(soon, "Your answer is kept")

	b.visit(p.room + "/rounds")
	b.sees(arrives, "list of 4 packages")
	b.visit(where)
	b.press("Take part")
	b.within(soon, "the list", func() bool { return b.has("[name=level-2]") })
	b.accessible("choosing in a round")
	b.choose("[name=level-2][value='1']", "")
	b.press("Keep my answer")
	b.sees(soon, "Your answer is kept")
	b.accessible("waiting in a round")
	if late := time.Since(leaves); late > 0 {
		p.Fatalf("the round was over %v before both had chosen: this machine is too busy", late)
	}
	p.Logf("both had chosen %v before their answers left; they had %v", time.Until(leaves), window)
	for _, m := range []*tab{a, b} {
		if text := m.textOf(".calm"); strings.Contains(text, "Package") || strings.Contains(text, "has not answered") {
			p.Errorf("waiting shows too much:\n%s", text)
		} else if !strings.Contains(text, "Choose again") && time.Now().Before(leaves) {
			p.Errorf("an answer that has not left cannot be changed any more:\n%s", text)
		}
	}
	c.visit(where)
	c.sees(soon, "You are no party of this round.")
	c.accessible("a round of others")

	for _, m := range []*tab{a, b} { // comes by itself
		m.sees(window+arrives, "A match is not an agreement.")
		if found := m.textOf(".result"); !strings.Contains(found, "Package 4") || strings.Contains(found, "Package 3") {
			p.Errorf("the round found:\n%s", found)
		}
		m.accessible("a match")
	}
	c.visit(where)
	if text := c.textOf(".calm"); strings.Contains(text, "a match") {
		p.Errorf("who is no party sees the result:\n%s", text)
	}
	return where
}

// sign makes an agreement of what was found and has all three sign it. Borvia takes
// its consent back on the way.
func (p *trio) sign(round string) string {
	a, b := p.a, p.b
	a.visit(round)
	a.press("Propose an agreement")
	a.sees(soon, "An exact text, or packages from the table")
	a.fill("#text", "Aldmark, Borvia and Cenia settle passage, ports and fishing in the straits.")
	a.choose("[name=level][value=public]", "")
	a.press("Propose it")
	a.sees(soon, "The agreement is proposed. Nothing is agreed.")
	where := a.path()
	b.consent(p.room, where)
	b.sees(soon, "You have consented.")
	b.press("Take back my consent")
	b.sees(soon, "Your consent is taken back.")
	if v := b.textOf("#verdict"); !strings.HasPrefix(v, "Not agreed") || b.path() != where {
		p.Errorf("at %s it says %q", b.path(), v)
	}
	for _, m := range p.all() {
		m.consent(p.room, where)
		m.sees(soon, "You have consented.")
	}
	p.noteKey(where)
	for i, m := range p.all() {
		m.within(arrives, "the act of signing", func() bool { m.visit(where); return m.has("#sign") })
		if !strings.HasPrefix(m.textOf("#verdict"), "Not agreed") {
			p.Error("it is agreed before all have signed")
		}
		for _, words := range []string{"Aldmark, Borvia and Cenia settle passage", "shared by season"} {
			if !strings.Contains(m.textOf(".exact"), words) || !strings.Contains(m.textOf("#document"), words) {
				p.Errorf("%q is not in view where it is signed", words)
			}
		}
		m.sees(soon, "Sending your share ends deniability")
		if i == 0 {
			m.accessible("before signing")
		}
		m.choose("[name=understood]", "")
		m.press("Send my share of the signature")
		m.sees(soon, "Sent. It is agreed once everybody's has come.")
	}
	for _, m := range p.all() {
		m.within(arrives, "the agreement to be agreed", func() bool {
			m.visit(where)
			return strings.HasPrefix(m.textOf("#verdict"), "Agreed")
		})
		m.accessible("a signed agreement")
	}
	return where
}

// noteKey has Aldmark note the key that Borvia publishes, of which the page says that
// it is missing, and gives a wrong one first.
func (p *trio) noteKey(where string) {
	a, b := p.a, p.b
	b.visit("/settings/key")
	var key string
	b.eval("document.querySelector('#sealkey').value", &key)
	a.within(arrives, "the act of signing", func() bool { a.visit(where); return a.has("#sign") })
	a.sees(soon, "No published key of Borvia is noted here")
	var about string
	a.eval(`[...document.querySelectorAll(".needed li")].find((k) => k.innerText.includes("Borvia")).querySelector("a").getAttribute("href")`, &about)
	a.visit(about)
	a.expect(422)
	a.fill("#key", key[1:])
	a.press("Note it")
	a.sees(soon, "a key is 64 digits")
	var kept string
	a.eval("document.querySelector('#key').value", &kept)
	if kept != key[1:] {
		p.Errorf("what was typed is lost: %q", kept)
	}
	a.fill("#key", key)
	a.press("Note it")
	a.sees(soon, "The key is noted.")
	a.accessible("a noted key")
	a.visit(where)
	a.sees(soon, "The key that Borvia publishes is noted")
	a.sees(soon, "No published key of Cenia is noted here")
}

// publish releases the communiqué and looks at it as it is printed, at the file that
// anybody can check, and at the time line.
func (p *trio) publish(where string) {
	a, b, c := p.a, p.b, p.c
	b.press("Propose these words")
	b.sees(soon, "The words are proposed.")
	public := b.path()
	for _, m := range []*tab{a, c} {
		m.within(arrives, "the communiqué", func() bool { m.visit(where); return m.has(`a[href^="` + public + `"]`) })
		m.visit(public)
		m.sees(soon, "Not released")
		m.press("Approve these words")
		m.sees(soon, "You have approved the communiqué.")
	}
	b.within(arrives, "all approvals", func() bool {
		b.visit(public)
		return strings.Contains(b.text(), "approved by everybody, not released yet")
	})
	b.accessible("a communiqué before its release")
	b.press("Release it")
	b.sees(soon, "The communiqué is released.")
	b.accessible("a released communiqué")

	b.run(emulation.SetEmulatedMedia().WithMedia("print"))
	printed := b.text()
	if !strings.Contains(printed, "settle passage, ports and fishing") || !strings.Contains(printed, "Fishing grounds") ||
		strings.Contains(printed, "Straits talks") || strings.Contains(printed, "Download") || strings.Contains(printed, "Lock") {
		p.Errorf("what is printed:\n%s", printed)
	}
	b.run(emulation.SetEmulatedMedia().WithMedia(""))

	downloads := filepath.Join(p.n.dir, "downloads")
	if err := os.Mkdir(downloads, 0o700); err != nil {
		p.Fatal(err)
	}
	b.run(cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads))
	b.press("Download the file")
	report, err := seal.Verify(b.downloaded(downloads, ".json"))
	if err != nil || len(report.Parties) != 3 {
		p.Errorf("the file has %d signers: %v", len(report.Parties), err)
	}

	a.visit(p.room + "/timeline")
	a.within(arrives, "the release in the time line", func() bool { return strings.Contains(a.textOf(".timeline"), "released") })
	a.accessible("the time line")
	for _, words := range []string{"confirmed agenda 1", "made an offer: Offer 1", "withdrew Offer 1", "proposed a blind round: Round 1", "consented to Agreement 2", "proposed words for the public: Communiqué 1", "approved Communiqué 1"} {
		if !strings.Contains(a.textOf(".timeline"), words) {
			p.Errorf("the time line does not say %q:\n%s", words, a.textOf(".timeline"))
		}
	}
}

// restart looks at what of a room is new, also after the station was started again,
// and erases the room in the end.
func (p *trio) restart() {
	a, c := p.a, p.c
	news := func() (n string) {
		c.eval("document.querySelector('#rooms').dataset.unread", &n)
		return n
	}
	c.visit(p.room)
	c.within(arrives, "the release, and nothing new", func() bool { return strings.Contains(c.textOf("#log"), "released") && news() == "0" })
	c.visit("/others")
	a.visit(p.room)
	a.fill("#text", "We thank you both.")
	a.press("Send")
	a.sees(soon, "We thank you both.")
	c.within(arrives, "one new thing", func() bool { return news() == "1" })
	c.titled("(1) Backchannel")
	c.mayBreak()
	p.seats[2].halt()
	p.seats[2].start()
	c.signIn()
	if news() != "1" || !strings.HasPrefix(c.textOf("#lists .count"), "1") {
		p.Errorf("after the restart %s is new; the desk says %q", news(), c.textOf("#lists .count"))
	}
	c.accessible("a desk with a room")
	c.visit(p.room)
	c.within(soon, "nothing new", func() bool { return news() == "0" })

	c.visit(p.room + "/about")
	c.press("Erase this room")
	c.sees(soon, "The others keep their copies")
	c.accessible("erasing a room")
	c.fill("#title", "Straits talks")
	c.press("Erase the room")
	c.sees(soon, "The room is erased.")
	if c.has("#rooms li") {
		p.Error("the room that was erased is still there")
	}
}
