// Command answering-bot answers every signal of verified contacts with one fixed
// text, and can hand the number of unread items to a command, for instance to one
// that shows it on a screen.
//
// It uses a station through its API with a token, as any program may:
//
//	backchannel token new answering-bot --scope read,send -o bot.token
//	answering-bot --station ~/.backchannel/station.sock --token-file bot.token \
//	    --answer "I am away until Monday." --count-command /usr/local/bin/show-count
//
// What it does not do is as much a part of the example. It acknowledges nothing:
// that is a person's act. It answers nobody whose words were not compared, each
// contact at most once a day, so that two bots do not talk for ever, and no signal
// that came before its start. The command gets a number and nothing else: neither
// names nor texts leave the station. An answer at a moment that depends on what
// arrived is seen by the contact alone; the station's traffic does not change.
//
// It trusts the station, and tells nobody else what it reads. See docs/using.md,
// "Programs".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "answering-bot:", err)
		os.Exit(1)
	}
}

// run connects and works until ctx ends or the station stops.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("answering-bot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	address := flags.String("station", "", "the station's socket, or its address such as http://127.0.0.1:8080")
	tokenFile := flags.String("token-file", "", "a file with a token of the scopes read and send")
	text := flags.String("answer", "", "the signal to answer with; none if empty")
	command := flags.String("count-command", "", "a program to run with the number of unread items as its only argument")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *address == "" || *tokenFile == "" || *text == "" && *command == "" {
		return errors.New("--station, --token-file and one of --answer and --count-command are needed")
	}
	b, err := os.ReadFile(*tokenFile)
	if err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	var c *web.Client
	if strings.Contains(*address, "://") {
		if c, err = web.NewTokenClient(*address, token); err != nil {
			return err
		}
	} else {
		c = web.NewClient(*address).WithToken(token)
	}
	defer c.Close()
	bot := &bot{client: c, text: *text, now: time.Now, answered: map[string]time.Time{}}
	if *command != "" {
		bot.count = func(ctx context.Context, n int) error {
			return exec.CommandContext(ctx, *command, strconv.Itoa(n)).Run()
		}
	}
	return bot.work(ctx)
}

// pause is how long a contact that was answered is not answered again.
const pause = 24 * time.Hour

// bot answers and counts.
type bot struct {
	client *web.Client
	text   string                                 // the answer; empty for none
	count  func(ctx context.Context, n int) error // nil for none
	now    func() time.Time

	started  time.Time
	answered map[string]time.Time // by contact
	shown    int                  // the number handed over last
	counted  bool
	ready    func() // for tests: called when nothing is missed any more
}

// work follows the station. A number or an answer that fails ends it: a
// supervisor starts it again, and nothing is sent twice within its life.
func (b *bot) work(ctx context.Context) error {
	b.started = b.now()
	if err := b.recount(ctx); err != nil {
		return err
	}
	return b.client.Follow(ctx, b.ready, func(n station.Notice) error {
		if n.Kind != station.EventReceiving || !n.Last {
			return nil
		}
		return errors.Join(b.answer(ctx, n.Item), b.recount(ctx))
	})
}

// answer sends the text to whoever sent a signal, if it is to be answered.
func (b *bot) answer(ctx context.Context, item string) error {
	if b.text == "" {
		return nil
	}
	it, err := b.client.Item(ctx, item)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !b.wants(it) {
		return nil
	}
	b.answered[it.Contact] = b.now() // before, so that a doubtful sending is not repeated
	_, err = b.client.Send(ctx, it.Contact, station.Draft{Kind: "signal", Content: []byte(b.text)})
	if gone(err) {
		return nil
	}
	return err
}

// wants tells whether an item is to be answered.
func (b *bot) wants(it station.ItemInfo) bool {
	last, before := b.answered[it.Contact]
	return it.Kind == "signal" && !it.Outgoing && it.Verified && !it.Damaged && it.State == station.ItemArrived &&
		!it.Created.Before(b.started) && (!before || b.now().Sub(last) >= pause)
}

// recount hands over the number of unread items if it has changed.
func (b *bot) recount(ctx context.Context) error {
	if b.count == nil {
		return nil
	}
	n := 0
	for _, err := range b.client.EachItem(ctx, station.ItemFilter{Unread: true}) {
		if err != nil {
			return err
		}
		n++
	}
	if !b.counted || n != b.shown {
		if err := b.count(ctx, n); err != nil {
			return fmt.Errorf("handing over the number of unread items: %w", err)
		}
		b.shown, b.counted = n, true
	}
	return nil
}

// gone tells that what an event was about was erased meanwhile.
func gone(err error) bool {
	var e *station.Error
	return errors.As(err, &e) && e.Code == station.CodeNotFound
}
