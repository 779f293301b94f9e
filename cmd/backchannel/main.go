// Command backchannel is the whole program: a network's servers, a principal's
// station, and the commands that use them. One file has one role or verb, with no
// protocol logic in it; the packages under internal have that.
//
// It trusts the files that it is pointed to and what the packages verify. It
// prints no key, no passphrase and, in errors, no content.
//
// Exit codes: 0 done; 1 it failed, and the one line on standard error says why
// and what to do; 2 the command line is wrong.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
