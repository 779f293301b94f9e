package web_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/vault"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// TestUseOfTheAPINeverShowsOnTheWire drives the API of one station as hard as it
// goes, from several callers at once, and leaves another alone. Meanwhile the driven
// one makes a room with a partner, offers, plays a blind round and signs; then it is
// locked and unlocked again and again. What passes on its line must be as on that of
// one of two stations that nobody touches, size for size and tick for tick
// (localnet.Repeated says why it may differ once).
//
// Here the clock, the disk and the sockets are real, and so is the computing that
// shares the process with them. In virtual time internal/sim compares exactly.
func TestUseOfTheAPINeverShowsOnTheWire(t *testing.T) {
	if testing.Short() {
		t.Skip("more than half a minute of real time")
	}
	cheap := vault.DefaultKDF
	vault.DefaultKDF = fullKDF // unlocking is the hardest that a caller can drive
	t.Cleanup(func() { vault.DefaultKDF = cheap })
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	// The windows of the preset are so short that what is driven here, all in one
	// process, misses some on a machine that has a core for it and no more. There is
	// room for one attempt in each epoch.
	p.Epoch *= 2
	for i := range p.Windows {
		p.Windows[i] *= 4
	}
	if err := localnet.Repeated(func() (differ error) {
		t.Run("trial", func(t *testing.T) { differ = driveAPI(t, p) })
		return differ
	}); err != nil {
		t.Error(err)
	}
}

// driveAPI is one trial. It returns how the line of the driven station differs from
// those of the others; what else goes wrong fails the test.
func driveAPI(t *testing.T, p wire.Params) error {
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	p = n.File.Params
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var taps []*localnet.Tap
	var stations []*station.Station
	var clients []*web.Client
	var servers []*http.Server
	t.Cleanup(func() {
		cancel()
		for i := range clients {
			clients[i].Close()
			_ = servers[i].Close()
		}
		wg.Wait()
		for i := range stations {
			if err := stations[i].Close(); err != nil {
				t.Error(err)
			}
			taps[i].Close()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	passphrase := "open sesame"
	for range 4 {
		tap, err := localnet.NewTap()
		if err != nil {
			t.Fatal(err)
		}
		s, cfg, err := n.NewStation(shortDir(t), tap.Addr(), []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("unix", cfg.Socket)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: web.NewHandler(s, "test"), ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
		wg.Go(func() { _ = srv.Serve(ln) })
		taps, stations, clients, servers = append(taps, tap), append(stations, s), append(clients, web.NewClient(cfg.Socket)), append(servers, srv)
	}
	<-time.After(time.Until(n.Calm()))
	for _, s := range stations { // at once: when a station comes is visible
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	const driven, partner, quiet = 0, 1, 2 // and the one after
	c := clients[driven]
	k, err := c.Invite(ctx, "the other", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients[partner].Accept(ctx, "the other", k.Invitation.Text); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var callers sync.WaitGroup
	var negotiated, done atomic.Bool
	callers.Go(func() {
		if err := negotiate(ctx, c, clients[partner], time.Now().Add(8*time.Minute)); err != nil {
			t.Error(err)
		}
		negotiated.Store(true)
		<-time.After(p.Epoch)
		done.Store(true)
	})
	for caller := range 4 {
		callers.Go(func() {
			for i := 0; !done.Load(); i++ {
				name := fmt.Sprintf("guest %d-%d", caller, i)
				var errs []error
				note := func(err error) {
					calls.Add(1)
					var known *station.Error
					if err != nil && (!errors.As(err, &known) || known.Code == station.CodeInternal) {
						errs = append(errs, err) // refusals are part of the use
					}
				}
				if i%4 == caller { // signals go before what rooms say
					_, err := c.Send(ctx, "the other", station.Draft{Kind: "signal", Content: []byte(name)})
					note(err)
				}
				_, err := c.Send(ctx, "the other", station.Draft{Kind: "letter", Subject: name, Content: make([]byte, 20_000)})
				note(err)
				_, err = c.Invite(ctx, name, time.Hour)
				note(err)
				_, err = c.Rename(ctx, name, name+" again")
				note(err)
				note(c.Cancel(ctx, name+" again"))
				_, err = c.Status(ctx)
				note(err)
				_, err = c.Contacts(ctx)
				note(err)
				_, err = c.Items(ctx, station.ItemFilter{Limit: 100})
				note(err)
				if caller == 0 && i%5 == 4 && negotiated.Load() { // which also turns the lanes to idle ones for a while
					note(c.Lock(ctx))
					note(c.Unlock(ctx, passphrase))
				}
				if err := errors.Join(errs...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	if calls.Load() < 200 {
		t.Errorf("the API answered %d calls only", calls.Load())
	}
	t.Logf("%d calls", calls.Load())
	if err := localnet.Against(taps[driven], taps[quiet:], p, time.Now().Add(-p.Round)); err != nil {
		t.Logf("the driven line %v", err)
		return fmt.Errorf("the driven line %w", err)
	}
	return nil
}

// negotiate has two stations make a room, take an offer, find a package in a blind
// list and sign an agreement about it, as fast as their contact lets them.
func negotiate(ctx context.Context, own, other *web.Client, deadline time.Time) error {
	const room = "Straits talks"
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	until := func(what string, done func() bool) error {
		for !done() {
			if time.Now().After(deadline) {
				return fmt.Errorf("negotiating: %s", what)
			}
			<-tick.C
		}
		return nil
	}
	// tried repeats what the other side may not be ready for yet.
	tried := func(what string, f func() error) error {
		var err error
		if late := until(what, func() bool { err = f(); return err == nil }); late != nil {
			return errors.Join(late, err)
		}
		return nil
	}
	table := func(c *web.Client) *station.RoomView {
		r, err := c.Room(ctx, room)
		if err != nil || r.View == nil {
			return &station.RoomView{}
		}
		return r.View
	}
	var packages []string
	var round station.RoundInfo
	var agreed station.AgreementInfo
	both := func(f func(c *web.Client) error) error { return errors.Join(f(own), f(other)) }
	var window time.Duration
	var leaves time.Time
	var joined string
	propose := func(d time.Duration) (err error) {
		at := time.Now().Add(d)
		end := at.Add(time.Hour)
		round, err = own.ProposeRound(ctx, room, station.RoundProposal{Mode: "list", Packages: packages, InputsAt: &at, Deadline: &end})
		window, leaves = d, at
		return err
	}
	say := func(c *web.Client, kind string, body map[string]any) error {
		_, err := c.Say(ctx, room, kind, "", body)
		return err
	}
	for _, step := range []struct {
		what string
		f    func() error
	}{
		{"the contact was not met", func() error {
			_, err := own.NewRoom(ctx, station.Proposal{Title: room, Self: "Aldmark", Members: []station.Invitee{{Contact: "the other", Name: "Borvia"}}})
			return err
		}},
		{"the invitation did not come", func() error { _, err := other.JoinRoom(ctx, room, []string{"the other"}); return err }},
		{"the agenda was refused", func() error {
			return say(own, "agenda", map[string]any{"rev": 1, "issues": []map[string]any{{"id": 1, "title": "Toll", "type": "choice", "options": []string{"none", "low", "half", "full"}}}})
		}},
		{"the agenda did not come", func() error {
			if v := table(other); len(v.Proposed) > 0 {
				return say(other, "confirm", map[string]any{"of": v.Proposed[0].ID})
			}
			return errors.New("nothing is proposed")
		}},
		{"the agenda does not hold", func() error {
			v := table(own)
			if v.Agenda == nil {
				return errors.New("no agenda holds")
			}
			for n := range 4 {
				said, err := own.Say(ctx, room, "package", "", map[string]any{"agenda": v.Agenda.ID, "values": map[string]any{"1": map[string]any{"option": n}}})
				if err != nil {
					return err
				}
				packages = append(packages, said.ID)
			}
			return say(own, "offer", map[string]any{"agenda": v.Agenda.ID, "gives": []map[string]any{{"by": v.Self, "issue": 1, "value": map[string]any{"option": 1}}}})
		}},
		{"the offer did not come", func() error {
			if v := table(other); len(v.Offers) > 0 {
				return say(other, "take", map[string]any{"of": v.Offers[0].ID})
			}
			return errors.New("there is no offer")
		}},
		{"the round was refused", func() error { return propose(4 * time.Second) }},
		{"the round was not answered in time", func() error {
			var err error
			if joined != round.ID {
				if _, err = other.JoinRound(ctx, room, round.ID); err == nil {
					joined = round.ID
				}
			}
			if err == nil {
				err = both(func(c *web.Client) error {
					_, err := c.ChooseRound(ctx, room, round.ID, station.RoundChoice{Approve: &[]int{3}})
					return err
				})
			}
			if err != nil && time.Now().After(leaves) { // a busy machine gets another one, with more time
				return errors.Join(err, propose(4*window))
			}
			return err
		}},
		{"the round found no package", func() error {
			return both(func(c *web.Client) error {
				r, err := c.BlindRound(ctx, room, round.ID)
				if err == nil && (r.State != "match" || r.Result == nil || r.Result.Number != 3) {
					err = fmt.Errorf("it is %s", r.State)
				}
				return err
			})
		}},
		{"the agreement was refused", func() error {
			var err error
			agreed, err = own.ProposeAgreement(ctx, room, station.AgreementProposal{Packages: packages[2:3], Level: "sealed", Lapses: time.Now().Add(time.Hour)})
			return err
		}},
		{"the agreement did not come", func() error { _, err := other.ConsentAgreement(ctx, room, agreed.ID); return err }},
		{"the own consent was refused", func() error { _, err := own.ConsentAgreement(ctx, room, agreed.ID); return err }},
		{"signing was refused", func() error { _, err := other.SignAgreement(ctx, room, agreed.ID); return err }},
		{"the own signing was refused", func() error { _, err := own.SignAgreement(ctx, room, agreed.ID); return err }},
		{"it was not signed", func() error {
			return both(func(c *web.Client) error {
				a, err := c.Agreement(ctx, room, agreed.ID)
				if err == nil && a.State != "sealed" {
					err = fmt.Errorf("it is %s", a.State)
				}
				return err
			})
		}},
	} {
		if err := tried(step.what, step.f); err != nil {
			return err
		}
	}
	return nil
}

// shortDir is a temporary folder with a short name: a socket's path may have
// about 100 bytes.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
