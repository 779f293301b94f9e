package web_test

import (
	"fmt"
	"net/http"
	"os"
	"sort"
	"testing"
	"time"

	"backchannel/internal/station"
)

// TestPagesAnswerQuickly fills a vault with 50 contacts and many messages and asks
// for every page: each answers in under 100 ms. The usual run has 5,000 messages;
// BACKCHANNEL_LARGE=1 has 100,000, which takes minutes to write.
func TestPagesAnswerQuickly(t *testing.T) {
	if testing.Short() {
		t.Skip("writes thousands of messages")
	}
	messages := 5_000
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
	// One's own copy takes any message, so that no other station is needed. Half of
	// them are one contact's.
	begin := time.Now().Add(-time.Duration(messages) * time.Minute)
	for i := range messages {
		id := ids[0]
		if i%2 == 1 {
			id = ids[i%contacts]
		}
		if _, err := d.s.InsertItem(t.Context(), id, station.Insert{
			Outgoing: i%3 == 0, Kind: "signal", Text: fmt.Sprintf("Message %d about the harbour and the season", i), Time: begin.Add(time.Duration(i) * time.Minute),
		}); err != nil {
			t.Fatal(err)
		}
	}
	d.signIn()
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
