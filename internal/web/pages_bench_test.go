package web_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
)

// TestPagesAnswerQuickly fills a vault with 50 contacts and many messages and asks
// for every page: each answers in under 100 ms. The usual run has 10,000 messages;
// BACKCHANNEL_LARGE=1 has 100,000.
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
	if p := d.get("/c/" + ids[0] + "/part"); !strings.Contains(p.body, fmt.Sprintf("Message %d ", messages-2)) {
		t.Errorf("the newest message is not shown")
	}
	for _, path := range []string{"/", "/part/people", "/c/" + ids[0] + "/part", "/c/" + ids[0] + "/about", "/meet", "/others", "/settings", "/help", "/api"} {
		var all []time.Duration
		for range 9 {
			start := time.Now()
			if p := d.get(path); p.code != http.StatusOK {
				t.Fatalf("%s: %d", path, p.code)
			}
			all = append(all, time.Since(start))
		}
		sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
		median := all[len(all)/2]
		t.Logf("%-60s %v", path, median)
		limit := 100 * time.Millisecond
		if median > limit {
			t.Errorf("%s takes %v with %d contacts and %d messages", path, median, contacts, messages)
		}
	}
	start := time.Now()
	if p := d.get("/search?q=harbour+4711"); p.code != http.StatusOK {
		t.Errorf("search: %d", p.code)
	}
	t.Logf("search %v", time.Since(start))
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
