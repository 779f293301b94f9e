package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"backchannel/internal/station"
)

// A hint tells an open page what to ask for again. It has no content.
type hint struct{ kind, about string }

// The kinds of hints. "arrived" alone may make a browser notify.
const (
	hintTraffic = "traffic"
	hintPeople  = "people"
	hintTalk    = "talk"
	hintArrived = "arrived"
	hintRoom    = "room"
)

// hintPace is how often a page is told the same at most.
const hintPace = 400 * time.Millisecond

// hub spreads hints to the open pages. What a page has not been told yet is a set,
// so a slow page costs nothing and misses nothing.
type hub struct {
	mu    sync.Mutex
	pages map[*listener]struct{}
	told  uint64 // how often anything was told
}

// count is how often anything was told. Something may happen after a page was made
// and before its stream begins: it compares.
func (h *hub) count() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told
}

type listener struct {
	pending map[hint]struct{}
	wake    chan struct{}
}

func (h *hub) join() *listener {
	l := &listener{pending: map[hint]struct{}{}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages == nil {
		h.pages = map[*listener]struct{}{}
	}
	h.pages[l] = struct{}{}
	return l
}

func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pages, l)
}

func (h *hub) tell(all ...hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told++
	for l := range h.pages {
		for _, x := range all {
			l.pending[x] = struct{}{}
		}
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (h *hub) take(l *listener) []hint {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]hint, 0, len(l.pending))
	for x := range l.pending {
		out = append(out, x)
	}
	clear(l.pending)
	return out
}

// follow turns the station's events into hints until ctx ends.
func (h *hub) follow(ctx context.Context, s *station.Station, log *slog.Logger) {
	notices, stop, err := s.Follow(ctx)
	if err != nil {
		if ctx.Err() == nil {
			log.Warn("pages: following the station failed; pages do not refresh themselves", "error", err)
		}
		return
	}
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case n, ok := <-notices:
			if !ok {
				return
			}
			h.tell(hintsOf(n)...)
		}
	}
}

// Arrived tells whether a notice says that a signal or letter is here whole.
func Arrived(n station.Notice) bool { return n.Kind == station.EventReceiving && n.Last }

func hintsOf(n station.Notice) []hint {
	switch n.Kind {
	case station.EventConnected, station.EventDisconnected, station.EventTrouble, station.EventEpoch:
		return []hint{{hintTraffic, ""}, {hintPeople, ""}}
	case station.EventMeetings, station.EventContact:
		return []hint{{hintTraffic, ""}, {hintPeople, ""}, {hintTalk, n.Contact}}
	case station.EventReceiving:
		if n.Last {
			return []hint{{hintPeople, ""}, {hintTalk, n.Contact}, {hintArrived, n.Contact}}
		}
		return []hint{{hintTalk, n.Contact}}
	case station.EventRoom, station.EventAlarm:
		return []hint{{hintPeople, ""}, {hintRoom, n.Room}}
	case station.EventDelivered, station.EventAcknowledged, station.EventCancelled, station.EventExpired, station.EventChanged:
		return []hint{{hintPeople, ""}, {hintTalk, n.Contact}}
	default:
		return []hint{{hintTalk, n.Contact}}
	}
}

// serveLive is the stream of hints of one open page.
func (p *Pages) serveLive(v *visit) {
	w := v.w
	l := p.live.join()
	defer p.live.leave(l)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	patience(rc)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection serves others after it
	if _, err := fmt.Fprintf(w, "retry: 2000\nevent: hello\ndata: %d\n\n", p.live.count()); err != nil {
		return
	}
	for {
		if rc.Flush() != nil {
			return
		}
		patience(rc)
		select {
		case <-v.r.Context().Done():
			return
		case <-v.session.ctx.Done():
			if p.ending.Load() {
				return // nobody would answer the page that locked itself: it waits instead
			}
			// The page locks itself at once, without waiting for the next click.
			_, _ = fmt.Fprint(w, "event: locked\ndata: \n\n")
			_ = rc.Flush()
			return
		case <-tick.C:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return
			}
		case <-l.wake:
			for _, x := range p.live.take(l) {
				if x.kind == hintArrived && p.muted(v.r.Context(), x.about) {
					continue
				}
				if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", x.kind, x.about); err != nil {
					return
				}
			}
			if rc.Flush() != nil {
				return
			}
			select {
			case <-v.r.Context().Done():
				return
			case <-time.After(hintPace):
			}
		}
	}
}

// muted tells whether arrivals of a contact are announced to nobody.
func (p *Pages) muted(ctx context.Context, id string) bool {
	k, err := p.s.Contact(ctx, id)
	return err != nil || k.Muted
}
