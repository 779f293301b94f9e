package station

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Station runs a Node on real sockets and the real clock and offers what the
// page, the commands and the API use. Its methods may be called from anywhere.
type Station struct {
	cfg    Config
	nw     *wire.Network
	net    wire.Hash
	log    *slog.Logger
	mark   *mark.Mark
	lock   *folderLock
	node   *Node
	driver Driver     // runs the node
	loop   *link.Loop // the driver of a station that runs by itself; else nil

	mu    sync.Mutex // serialises changes; the vault and the node follow in this order
	vault *vault.Vault
	table *table // the rooms in the vault; nil while it is locked

	nudged chan struct{} // messages of negotiations may wait to be read

	damaged int // contacts in the vault whose keys could not be read

	pages pageState // devices.go

	reconnect, asking sync.Mutex // connect.go

	clock clockWatch
}

// Open reads a station's files and makes it ready to run, locked. A folder that
// another process uses is refused: two copies of one station would show.
func Open(cfg Config, log *slog.Logger) (*Station, error) {
	nw, err := cfg.LoadNetwork()
	if err != nil {
		return nil, err
	}
	account, err := cfg.LoadAccount()
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(cfg.Account)
	if err != nil {
		return nil, err
	}
	m, err := mark.Open(cfg.Mark)
	if err != nil {
		lock.release()
		return nil, err
	}
	net := nw.Net()
	verify := make([]suite.VerifyKey, len(nw.Relays))
	for i, r := range nw.Relays {
		verify[i] = r.Verify
	}
	s := &Station{cfg: cfg, nw: nw, net: net, log: log, mark: m, lock: lock, nudged: make(chan struct{}, 1)}
	s.node = NewNode(NodeConfig{Params: nw.Params, Net: net, Verify: verify, Mark: m, Log: log, Account: account.Public(), Table: s.nudge})
	s.loop = newLoop(s, account)
	s.driver = s.loop
	return s, nil
}

// CreateVault makes the empty vault of a new station.
func CreateVault(cfg Config, passphrase []byte) error {
	v, err := vault.Create(cfg.Vault, passphrase)
	if err != nil {
		return err
	}
	return v.Close()
}

// Run drives the station until ctx ends.
func (s *Station) Run(ctx context.Context) error {
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.attend(stop)
	}()
	err := s.loop.Run(ctx)
	close(stop)
	<-stopped
	return err
}

// Close closes the vault and releases the folder. Run must have returned.
func (s *Station) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.vault != nil {
		err = s.vault.Close()
		s.vault, s.table = nil, nil
	}
	s.lock.release()
	return err
}

// OpenVault unlocks a station that does not run yet. One whose vault was erased
// (Panic) has nothing to unlock and runs as if locked: not to run would be seen.
func (s *Station) OpenVault(passphrase []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.HasVault() {
		s.log.Warn("station: there is no vault: running with idle lanes until one is made")
		return nil
	}
	v, lanes, all, err := s.load(passphrase)
	if err != nil {
		return err
	}
	s.sit(v)
	s.node.Unlock(v, lanes, all)
	return nil
}

// Unlock opens the vault of a running station. From the next set-up on its
// contacts are met again.
func (s *Station) Unlock(ctx context.Context, passphrase []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vault != nil {
		return fault(CodeConflict, "unlocking: the vault is open already")
	}
	v, lanes, all, err := s.load(passphrase)
	if err != nil {
		return err
	}
	if err := s.do(ctx, func(time.Time) { s.node.Unlock(v, lanes, all) }); err != nil {
		return errors.Join(err, v.Close())
	}
	s.sit(v)
	return nil
}

// Lock closes the vault of a running station; the traffic goes on.
func (s *Station) Lock(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vault == nil {
		return fault(CodeConflict, "locking: the vault is locked already")
	}
	done := make(chan struct{})
	if err := s.do(ctx, func(time.Time) { s.node.Lock(func() { close(done) }) }); err != nil {
		return err
	}
	select {
	case <-done:
	case <-s.driver.Stopped():
		return fault(CodeInternal, "locking: the station is stopping")
	}
	v := s.vault
	s.vault, s.table = nil, nil
	return s.trouble("locking", v.Close())
}

// load opens the vault and reads every contact.
func (s *Station) load(passphrase []byte) (*vault.Vault, contact.Lanes, []Loaded, error) {
	v, err := vault.Open(s.cfg.Vault, passphrase)
	if err != nil {
		return nil, contact.Lanes{}, nil, s.trouble("unlocking", err)
	}
	lanes, all, damaged, err := LoadVault(v, s.nw.Params.Lanes)
	if err != nil {
		return nil, contact.Lanes{}, nil, s.trouble("unlocking", errors.Join(err, v.Close()))
	}
	if err := s.pages.load(v); err != nil {
		return nil, contact.Lanes{}, nil, s.trouble("unlocking", errors.Join(err, v.Close()))
	}
	s.damaged = damaged
	return v, lanes, all, nil
}

// LoadVault reads the lane table and every contact with its session and queue. A
// contact whose keys cannot be read is left where it is and counted: the others
// must not be lost with it.
func LoadVault(v *vault.Vault, count int) (lanes contact.Lanes, all []Loaded, damaged int, err error) {
	err = v.View(func(tx *vault.Tx) error {
		var err error
		if lanes, err = tx.Lanes(count); err != nil {
			return err
		}
		contacts, err := tx.Contacts()
		if err != nil {
			return err
		}
		for _, c := range contacts {
			state, frames, err := tx.LoadSession(c.ID)
			if err != nil && !errors.Is(err, vault.ErrNotFound) {
				return err
			}
			session, err := pairwise.Load(state, frames)
			if err != nil {
				damaged++
				continue
			}
			l := Loaded{Contact: c, Session: session}
			items, err := tx.Outgoing(c.ID)
			if err != nil {
				return err
			}
			for _, it := range items {
				l.Queue = append(l.Queue, Outgoing{it.ID, it.Class, it.Size, it.Assigned, it.Note})
			}
			all = append(all, l)
		}
		return nil
	})
	return lanes, all, damaged, err
}

// do runs f in the node's goroutine. A caller that goes away does not interrupt
// it: vault and node would then know different things.
func (s *Station) do(ctx context.Context, f func(now time.Time)) error {
	if err := s.driver.Do(context.WithoutCancel(ctx), f); err != nil {
		return &Error{CodeInternal, "the station does not run", err}
	}
	return nil
}

// open returns the vault, or why there is none.
func (s *Station) open() (*vault.Vault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened()
}

func (s *Station) opened() (*vault.Vault, error) {
	if s.vault == nil {
		return nil, fault(CodeLocked, "the vault is locked: unlock it first (backchannel unlock)")
	}
	return s.vault, nil
}

// trouble classifies an error of the layers below.
func (s *Station) trouble(doing string, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, vault.ErrClosed): // locked while it was being used
		return &Error{CodeLocked, doing, err}
	case errors.Is(err, vault.ErrWrongPassphrase):
		return &Error{CodeDenied, doing, err}
	case errors.Is(err, vault.ErrDiskFull):
		return &Error{CodeFull, doing + ": the disk is full; nothing was changed: make room and try again", nil}
	case errors.Is(err, vault.ErrNoVault):
		return fault(CodeNotFound, "%s: there is no vault: make an empty one with \"backchannel unlock --new\", or restore database and key file together from a backup", doing)
	case errors.Is(err, vault.ErrNotFound):
		return &Error{CodeNotFound, doing, err}
	default:
		return &Error{CodeInternal, doing, err}
	}
}

// Follow returns the station's events until stop is called.
func (s *Station) Follow(ctx context.Context) (<-chan Notice, func(), error) {
	var w *Watcher
	if err := s.do(ctx, func(time.Time) { w = s.node.Watch() }); err != nil {
		return nil, nil, err
	}
	out := make(chan Notice)
	quit := make(chan struct{})
	go func() {
		defer close(out)
		for {
			var e Event
			select {
			case <-quit: // a loop that stopped never closes w.C
				return
			case next, ok := <-w.C:
				if !ok {
					return
				}
				e = next
			}
			n := Notice{
				Time: e.Time, Kind: e.Kind, Bytes: int64(e.Bytes), Last: e.Last, Epoch: e.Epoch, Stations: e.Stations, Text: e.Text,
			}
			if e.Contact != (contact.ID{}) {
				n.Contact = hex.EncodeToString(e.Contact[:])
			}
			if e.Room != (RoomID{}) {
				n.Room = hex.EncodeToString(e.Room[:])
			}
			if e.Item != (wire.ItemID{}) {
				n.Item = hex.EncodeToString(e.Item[:])
			}
			select {
			case out <- n:
			case <-quit:
				return
			}
		}
	}()
	stop := func() {
		close(quit)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.do(ctx, func(time.Time) { s.node.Unwatch(w) }) // a station that stopped has no watchers
	}
	return out, stop, nil
}

// TrafficTick is one round of traffic for JSON.
type TrafficTick struct {
	Round    uint64 `json:"round" doc:"number of the round"`
	Sent     int    `json:"sent" doc:"bytes"`
	Received int    `json:"received" doc:"bytes"`
	Own      int    `json:"own" doc:"bytes of letters and signals about that round; no observer sees them"`
}

// Traffic returns the last rounds as an observer sees them.
func (s *Station) Traffic(ctx context.Context, rounds int) ([]TrafficTick, error) {
	var ticks []Tick
	if err := s.do(ctx, func(now time.Time) { ticks = s.node.Traffic(now, rounds) }); err != nil {
		return nil, err
	}
	out := make([]TrafficTick, len(ticks))
	for i, t := range ticks {
		out[i] = TrafficTick(t)
	}
	return out, nil
}

// Status describes the station.
func (s *Station) Status(ctx context.Context) (Status, error) {
	p := s.nw.Params
	var h Health
	var now time.Time
	free := p.Lanes
	if err := s.do(ctx, func(t time.Time) {
		now, h = t, s.node.Health(t)
		free = s.node.freeLanes(t)
	}); err != nil {
		return Status{}, err
	}
	h.ClockOff = stillOff(h.ClockOff, h.ClockSkew, s.clock.moved(now), p.ClockTolerance)
	st := Status{
		Unlocked: h.Unlocked, Connected: h.Connected, Usual: h.Connected && h.Circuits,
		Network: s.nw.Name, Net: hex.EncodeToString(s.net[:]), Relays: []RelayInfo{},
		Stations: h.Stations, Epoch: h.Epoch, Round: h.Round, Lanes: p.Lanes, LanesFree: free,
		Attempts: h.Attempts, Aborted: h.Aborted, Reconnects: h.Reconnects,
		ClockOff: h.ClockOff, ClockSkew: h.ClockSkew.Seconds(), Proxy: s.cfg.SOCKS5 != "", Warnings: []string{},
		RoundTime: p.Round.Seconds(), EpochTime: p.Epoch.Seconds(),
		NextEpoch: p.EpochStart(h.Epoch + 1).Sub(now).Seconds(),
	}
	for _, r := range s.nw.Relays {
		st.Relays = append(st.Relays, RelayInfo{r.Name, r.Operator})
	}
	if h.Circuits {
		st.Circuits = &h.Attempt.Epoch
		st.Attempt = h.Attempt.Number
	}
	if !h.LastSetup.IsZero() {
		st.LastSetup = &h.LastSetup
	}
	if h.Unlocked {
		if err := s.restoredFrom(&st); err != nil {
			return st, err
		}
		items, err := s.Items(ctx, ItemFilter{Undelivered: true})
		if err != nil {
			return st, err
		}
		var bytes int64
		perContact := map[string]int64{}
		for _, it := range items {
			st.Waiting++
			perContact[it.Contact] += it.Total - it.Done
			bytes = max(bytes, perContact[it.Contact])
		}
		if st.Waiting > 0 {
			st.Left = s.left(bytes)
		}
	}
	warn := func(format string, args ...any) { st.Warnings = append(st.Warnings, fmt.Sprintf(format, args...)) }
	if !h.Connected {
		warn("not connected to the entry: trying again on the schedule")
	}
	if h.ClockOff {
		warn("this clock is %s %s the network's: set it, or nobody will be met", h.ClockSkew.Abs().Round(100*time.Millisecond), map[bool]string{true: "ahead of", false: "behind"}[h.ClockSkew > 0])
	}
	if h.Connected && !h.Circuits && h.Attempts > 2*p.Attempts() {
		warn("no set-up has succeeded for a while: a relay or another station may be missing")
	}
	if h.Stations > 0 && h.Stations <= 2 {
		warn("only %d of the network's stations take part: taking part says almost everything", h.Stations)
	}
	if s.cfg.SOCKS5 == "" {
		warn("the entry sees this machine's address; use Tor (socks5 in the configuration) to hide it")
	}
	s.mu.Lock()
	if s.vault != nil && s.damaged > 0 {
		warn("the keys of %d contacts in the vault cannot be read: meet them anew", s.damaged)
	}
	if s.vault != nil {
		if unswept, err := s.vault.Burning(); unswept && err == nil {
			warn("a contact was burned, and the vault lacks the room to be written anew: make room on the disk, then lock and unlock")
		}
	}
	s.mu.Unlock()
	if !s.HasVault() {
		warn("there is no vault: make an empty one, or restore one from a backup")
	}
	if h.Trouble != "" {
		warn("%s", h.Trouble)
	}
	return st, nil
}

// restoredFrom notes what a restored station lacks.
func (s *Station) restoredFrom(st *Status) error {
	v, err := s.open()
	if err != nil {
		return err
	}
	return s.trouble("describing the station", v.View(func(tx *vault.Tx) error {
		at, ok, err := tx.RestoredFrom()
		if ok {
			st.Backup = &at
		}
		return err
	}))
}

// left estimates how long n bytes of one conversation take: two cells a round.
func (s *Station) left(n int64) *Left {
	per := int64(2 * s.nw.Params.MaxPayload())
	rounds := (n + per - 1) / per
	return &Left{rounds, float64(rounds) * s.nw.Params.Round.Seconds()}
}
