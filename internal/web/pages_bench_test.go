package web_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
)

// TestPagesAnswerQuickly fills a vault with 50 contacts and many messages and asks
// for every page and for searches: a page answers in under 100 ms, a search in under
// 200 ms. The usual run has 10,000 messages; BACKCHANNEL_LARGE=1 has 100,000.
func TestPagesAnswerQuickly(t *testing.T) {
	if testing.Short() {
		t.Skip("writes thousands of messages")
	}
	messages := 10_000
	if os.Getenv("BACKCHANNEL_LARGE") == "1" {
		messages = 100_000
	}
	d := newDesk(t)
	const contacts = 50
	var ids []string
	for i := range contacts {
		k, err := d.s.Invite(t.Context(), fmt.Sprintf("Contact %d", i), 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.ID)
	}
	fill(t, d, ids, messages)
	d.signIn()
	const page, search = 100 * time.Millisecond, 200 * time.Millisecond
	first, other := "/c/"+ids[0], "/c/"+ids[1] // half of all messages, and one in fifty
	for _, c := range []struct {
		path  string
		limit time.Duration
		holds string
	}{
		{"/", page, ""}, {"/part/people", page, "Contact 49"},
		{first, page, ""}, {first + "/part", page, fmt.Sprintf("Message %d ", messages-2)}, {first + "/about", page, ""},
		{other + "/part", page, "about the harbour"},
		{"/meet", page, ""}, {"/others", page, ""}, {"/settings", page, ""}, {"/help", page, ""}, {"/api", page, ""},
		{"/search?q=harbour", search, "harbour"}, // in every message
		{"/search?q=about+harbour+season", search, "season"},
		{"/search?q=m", search, "Message"},
		{"/search?q=harbour+4711", search, "4711"},
		{"/search?q=zebra", search, ""},
	} {
		var all []time.Duration
		for range 9 {
			start := time.Now()
			p := d.get(c.path)
			all = append(all, time.Since(start))
			if p.code != http.StatusOK || !strings.Contains(p.body, c.holds) {
				t.Fatalf("%s: %d, without %q", c.path, p.code, c.holds)
			}
		}
		slices.Sort(all)
		t.Logf("%-60s %v, at worst %v", c.path, all[len(all)/2], all[len(all)-1])
		// The quickest of nine: what the page costs, not what else the machine did.
		if all[0] > c.limit {
			t.Errorf("%s takes %v or more with %d contacts and %d messages; it may take %v", c.path, all[0], contacts, messages, c.limit)
		}
	}
}

// fill writes messages into the vault while the station is locked, many at once
// and without waiting for the disk. Half of them are the first contact's.
func fill(t *testing.T, d *desk, ids []string, messages int) {
	t.Helper()
	if err := d.s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := vault.OpenWith(d.s.Config().Vault, []byte(passphrase), vault.Options{SyncOff: true})
	if err != nil {
		t.Fatal(err)
	}
	const batch = 2_000
	begin := time.Now().Add(-time.Duration(messages) * time.Minute)
	for from := 0; from < messages; from += batch {
		if err := v.Update(func(tx *vault.Tx) error {
			for i := from; i < min(from+batch, messages); i++ {
				id := ids[0]
				if i%2 == 1 {
					id = ids[i%len(ids)]
				}
				raw, err := hex.DecodeString(id)
				if err != nil {
					return err
				}
				text := []byte(fmt.Sprintf("Message %d about the harbour and the season", i))
				at := begin.Add(time.Duration(i) * time.Minute)
				h, err := contact.NewHeader(contact.Signal, "", "", "text/plain; charset=utf-8", at, text)
				if err != nil {
					return err
				}
				n := vault.Inserted{Contact: contact.ID(raw), Outgoing: i%3 == 0, Header: h, Content: text, Created: at, Finished: at, Seen: at}
				suite.Random(n.ID[:])
				if _, err := tx.InsertItem(n); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}
