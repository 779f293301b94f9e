package web_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/transcript"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// TestDeny lets two stations talk over a real network. What one of them exports
// is forged from scratch to the same bytes; then it burns the other while letters
// are under way both ways, and at last erases everything. Nothing of it shows on
// its line beside that of a station that was left alone, and nothing is reported
// as a failure.
func TestDeny(t *testing.T) {
	if testing.Short() {
		t.Skip("most of a minute of real time")
	}
	t.Parallel() // it waits for a network of its own
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var stations []*station.Station
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		for i := range stations {
			if err := stations[i].Close(); err != nil {
				t.Error(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	var configs []station.Config
	for range 2 {
		s, cfg, err := n.NewStation(shortDir(t), "", []byte("open sesame"))
		if err != nil {
			t.Fatal(err)
		}
		stations, configs = append(stations, s), append(configs, cfg)
	}
	for _, s := range stations {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	a, b := stations[0], stations[1]
	ready := func(what string, yes func() bool) {
		t.Helper()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(3 * time.Minute); !yes(); <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for %s", what)
			}
		}
	}
	send := func(s *station.Station, to string, d station.Draft) station.ItemInfo {
		t.Helper()
		it, err := s.Send(ctx, to, d)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	k, err := a.Invite(ctx, "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	invitation := k.Invitation.Text
	if _, err := b.Accept(ctx, "Aldmark", invitation); err != nil {
		t.Fatal(err)
	}
	other, err := a.Invite(ctx, "Cenia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ready("the two to meet", func() bool {
		k, err := a.Contact(ctx, "Borvia")
		l, err2 := b.Contact(ctx, "Aldmark")
		return err == nil && err2 == nil && k.Ready && l.Ready && k.Together && l.Together
	})
	send(a, "Borvia", station.Draft{Kind: "signal", Content: []byte("We could talk about X.")})
	file := station.Draft{Kind: "letter", Subject: "Non-paper", FileName: "x.bin", MediaType: "application/octet-stream", Content: []byte{0, 1, 2}}
	answer := send(b, "Aldmark", station.Draft{Kind: "letter", Subject: "Re: X", MediaType: "text/markdown", Content: []byte("Dear colleague,\n\n*no*.\n")})
	sent := send(a, "Borvia", file)
	ready("everything to be delivered", func() bool {
		all, err := a.Items(ctx, station.ItemFilter{})
		done := 0
		for _, it := range all {
			if it.State == station.ItemDelivered || it.State == station.ItemArrived {
				done++
			}
		}
		return err == nil && done == 3
	})
	items, err := a.Items(ctx, station.ItemFilter{Contact: "Borvia"})
	if err != nil {
		t.Fatal(err)
	}
	// What anybody could write who never saw the station.
	forged := transcript.Transcript{Self: "Aldmark", Other: "Borvia"}
	for _, it := range items {
		e := transcript.Entry{Kind: it.Kind, Outgoing: it.Outgoing, Time: it.Created.Truncate(time.Minute)}
		switch it.ID {
		case answer.ID:
			e.Subject, e.Text = "Re: X", "Dear colleague,\n\n*no*."
		case sent.ID:
			e.Subject, e.Attachments = "Non-paper", []transcript.Attachment{{Name: "x.bin", Size: 3, SHA256: "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc"}}
		default:
			e.Text = "We could talk about X."
		}
		forged.Entries = append(forged.Entries, e)
	}
	for _, f := range transcript.Forms() {
		got, mediaType, name, err := a.ExportAs(ctx, "Borvia", "Aldmark", f.Name)
		if err != nil || mediaType != f.MediaType || name != "Borvia"+f.Extension {
			t.Fatalf("%s: %s, %s, %v", f.Name, mediaType, name, err)
		}
		want, wantType, wantName, err := b.Forge(ctx, forged, f.Name) // any station, of any contacts
		if err != nil || wantType != mediaType || wantName != name || !bytes.Equal(got, want) {
			t.Errorf("%s: exported and forged differ (%v):\n%s\n%s", f.Name, err, got, want)
		}
	}
	if all, err := b.Items(ctx, station.ItemFilter{}); err != nil || len(all) != 3 {
		t.Errorf("after forging there are %d items, %v", len(all), err)
	}

	// Both ways under way, and the vault busy with them.
	big := station.Draft{Kind: "letter", Content: make([]byte, 400_000)}
	send(a, "Borvia", big)
	mine := send(b, "Aldmark", big)
	ready("both letters to be under way", func() bool {
		it, err := b.Item(ctx, mine.ID)
		all, err2 := a.Items(ctx, station.ItemFilter{Inbox: true})
		return err == nil && err2 == nil && it.Done > 20_000 && all[len(all)-1].State == station.ItemArriving
	})
	if err := a.Burn(ctx, "Borvia"); err != nil {
		t.Fatal(err)
	}
	if err := a.Burn(ctx, "Borvia"); code(err) != station.CodeNotFound {
		t.Errorf("burning twice: %v", err)
	}
	if all, err := a.Contacts(ctx); err != nil || len(all) != 1 || all[0].ID != other.ID {
		t.Errorf("contacts after the burn: %+v, %v", all, err)
	}
	if all, err := a.Items(ctx, station.ItemFilter{}); err != nil || len(all) != 0 {
		t.Errorf("items after the burn: %+v, %v", all, err)
	}
	ready("the other side to see the lane vanish", func() bool {
		k, err := b.Contact(ctx, "Aldmark")
		return err == nil && !k.Together
	})
	if it, err := b.Item(ctx, mine.ID); err != nil || it.State == station.ItemDelivered {
		t.Errorf("a letter to somebody who burned us is %s, %v", it.State, err)
	}
	if st, err := a.Status(ctx); err != nil || !st.Usual || slices.ContainsFunc(st.Warnings, func(w string) bool { return strings.Contains(w, "vault") }) {
		t.Errorf("status after the burn: %+v, %v", st, err)
	}
	// The hash of the invitation that the two used went with the contact.
	if err := a.Cancel(ctx, "Cenia"); err != nil {
		t.Error(err)
	}
	if _, err := a.Accept(ctx, "again", invitation); err != nil {
		t.Errorf("an invitation of a burned contact is known: %v", err)
	}

	if err := a.Panic(ctx); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", ".key", "-wal", "-shm"} {
		if _, err := os.Lstat(configs[0].Vault + suffix); !os.IsNotExist(err) {
			t.Errorf("after panic there is the vault's %q (%v)", suffix, err)
		}
	}
	if _, err := a.Contacts(ctx); code(err) != station.CodeLocked {
		t.Errorf("contacts after panic: %v", err)
	}
	st, err := a.Status(ctx)
	if err != nil || !st.Usual || st.Unlocked || a.HasVault() {
		t.Errorf("status after panic: %+v, %v", st, err)
	}
	begun := st.Attempts
	ready("set-ups to go on", func() bool {
		st, err := a.Status(ctx)
		return err == nil && st.Attempts > begun+1 && st.Usual
	})
	if err := a.NewVault(ctx, []byte("another")); err != nil {
		t.Error(err)
	}
	if err := a.NewVault(ctx, []byte("another")); code(err) != station.CodeConflict {
		t.Errorf("a second vault: %v", err)
	}
}

// A token may do what its scopes say, at an address where nothing else may.
func TestTokens(t *testing.T) {
	owner, _, s := serveStation(t)
	ctx := t.Context()
	if err := owner.Unlock(ctx, "open sesame"); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Invite(ctx, "Borvia", time.Hour); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: web.RequireToken(s, web.NewHandler(s, "test")), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	defer func() { _ = srv.Close(); <-done }()
	address := "http://" + ln.Addr().String()
	client := func(scopes ...station.Scope) (*web.Client, station.NewToken) {
		t.Helper()
		tok, err := owner.NewToken(ctx, "bot"+time.Now().String(), scopes)
		if err != nil {
			t.Fatal(err)
		}
		c, err := web.NewTokenClient(address, tok.Secret)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c, tok
	}
	reader, readToken := client(station.ScopeRead)
	sender, _ := client(station.ScopeSend)
	both, _ := client(station.ScopeSend, station.ScopeRead)

	all, err := reader.Contacts(ctx)
	if err != nil || len(all) != 1 || all[0].Invitation != nil {
		t.Errorf("a reader's contacts: %+v, %v", all, err)
	}
	if k, err := reader.Contact(ctx, "Borvia"); err != nil || k.Invitation != nil {
		t.Errorf("a reader's contact: %+v, %v", k, err)
	}
	if all, err := owner.Contacts(ctx); err != nil || all[0].Invitation == nil {
		t.Errorf("the owner's contacts: %+v, %v", all, err)
	}
	signal := station.Draft{Kind: "signal", Content: []byte("x")}
	if _, err := reader.Send(ctx, "Borvia", signal); code(err) != station.CodeDenied {
		t.Errorf("a reader sends: %v", err)
	}
	if _, err := sender.Contacts(ctx); code(err) != station.CodeDenied {
		t.Errorf("a sender reads: %v", err)
	}
	for _, c := range []*web.Client{sender, both} {
		if _, err := c.Send(ctx, "Borvia", signal); err != nil {
			t.Errorf("a sender sends: %v", err)
		}
	}
	for what, err := range map[string]error{
		"burns": both.Burn(ctx, "Borvia"), "erases": both.Panic(ctx), "locks": both.Lock(ctx), "revokes": both.RevokeToken(ctx, readToken.ID),
	} {
		if code(err) != station.CodeDenied {
			t.Errorf("a program %s: %v", what, err)
		}
	}
	if _, err := both.NewToken(ctx, "more", []station.Scope{station.ScopeSend}); code(err) != station.CodeDenied {
		t.Errorf("a program makes a token: %v", err)
	}
	wrong, err := web.NewTokenClient(address, "bct_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if _, err := wrong.Status(ctx); code(err) != station.CodeDenied {
		t.Errorf("a token that never was: %v", err)
	}
	for what, header := range map[string][]string{
		"none": nil, "empty": {""}, "basic": {"Basic " + readToken.Secret}, "no token": {"Bearer"}, "two": {"Bearer " + readToken.Secret, "Bearer " + readToken.Secret},
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Authorization"] = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("authorization %s: %s", what, resp.Status)
		}
	}
	for path, want := range map[string]int{
		"/openapi.json": 200, "/v1/status": 200, "/v1/status/": 403, "/v1//status": 403, "/v1/nothing": 403, "/v1/contacts/x/../../status": 403, "/": 403, "/v1/tokens": 403,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = path
		req.Header.Set("Authorization", "bearer "+readToken.Secret)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if err := owner.RevokeToken(ctx, readToken.ID); err != nil {
		t.Error(err)
	}
	if _, err := reader.Status(ctx); code(err) != station.CodeDenied {
		t.Errorf("a revoked token: %v", err)
	}
	if err := owner.Lock(ctx); err != nil {
		t.Error(err)
	}
	if _, err := both.Status(ctx); code(err) != station.CodeLocked {
		t.Errorf("a token of a locked station: %v", err)
	}
	for _, bad := range []string{"", "station.sock", "ftp://127.0.0.1", "http://192.0.2.1", "http://user@127.0.0.1", "http://127.0.0.1/?x=1"} {
		if _, err := web.NewTokenClient(bad, "x"); err == nil {
			t.Errorf("the address %q is accepted", bad)
		}
	}
}
