package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// reporter tells what happens in a demo as it happens: lines for people, or one
// event per line as JSON.
type reporter struct {
	mu       sync.Mutex
	out      io.Writer
	json     bool
	terminal bool
	start    time.Time
	line     bool // a progress line is open
}

func newReporter(cmd *cobra.Command) *reporter {
	f, ok := cmd.OutOrStdout().(*os.File)
	return &reporter{out: cmd.OutOrStdout(), json: wantsJSON(cmd), terminal: ok && term.IsTerminal(int(f.Fd())), start: time.Now()}
}

// step reports an event: its name and fields for programs, a sentence for people.
func (r *reporter) step(event string, fields map[string]any, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		r.event(event, fields)
		return
	}
	r.endLine()
	fmt.Fprintf(r.out, "%6.1fs  %s\n", time.Since(r.start).Seconds(), fmt.Sprintf(format, args...))
}

// progress reports how far something is: one line that is redrawn on a terminal,
// a line at every tenth elsewhere.
func (r *reporter) progress(what string, done, total int64, note string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		r.event("progress", map[string]any{"what": what, "done": done, "total": total})
		return
	}
	percent := int64(100)
	if total > 0 {
		percent = done * 100 / total
	}
	if !r.terminal {
		fmt.Fprintf(r.out, "%6.1fs  %s: %d%% %s\n", time.Since(r.start).Seconds(), what, percent, note)
		return
	}
	const width = 30
	bar := make([]byte, width)
	for i := range bar {
		bar[i] = ' '
		if int64(i)*100 < percent*width {
			bar[i] = '='
		}
	}
	fmt.Fprintf(r.out, "\r\x1b[K%6.1fs  %s [%s] %d%% %s", time.Since(r.start).Seconds(), what, bar, percent, note)
	r.line = true
}

// text prints a line for people only.
func (r *reporter) text(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		return
	}
	r.endLine()
	fmt.Fprintf(r.out, format+"\n", args...)
}

// fields reports an event for programs only.
func (r *reporter) fields(event string, fields map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		r.event(event, fields)
	}
}

func (r *reporter) endLine() {
	if r.line {
		fmt.Fprintln(r.out)
		r.line = false
	}
}

func (r *reporter) event(name string, fields map[string]any) {
	e := map[string]any{"event": name, "seconds": float64(time.Since(r.start).Milliseconds()) / 1000}
	for k, v := range fields {
		e[k] = v
	}
	_ = writeLine(r.out, e) // a reader that left is noticed at the next write of the process
}
