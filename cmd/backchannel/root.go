package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// run is the program: it executes args and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd() // it takes hold of the output, and markBegin must see it
	began := false
	markBegin(root, &began)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var u usageError
	wrong := errors.As(err, &u) || !began // what cobra finds before a command begins is about the command line
	text, hint := oneLine(err.Error()), ""
	if wrong {
		hint = fmt.Sprintf(" (see %q)", cmd.CommandPath()+" --help")
	}
	if errors.As(err, new(argsError)) {
		text = fmt.Sprintf("the arguments do not fit: write \"%s\"", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
	fmt.Fprintf(stderr, "backchannel: %s%s\n", text, hint)
	if wrong {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake in the command line that only the command itself can see.
type usageError string

func (e usageError) Error() string { return string(e) }

// usage makes an error that ends the program with the exit code for wrong usage.
func usage(format string, a ...any) error { return usageError(fmt.Sprintf(format, a...)) }

// argsError is a wrong number of arguments. What cobra says of it does not name them.
type argsError struct{ error }

// oneLine keeps an error on one line, whatever it quotes.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// markBegin notes when a command's own code is reached.
func markBegin(c *cobra.Command, began *bool) {
	if f := c.Args; f != nil && c.HasParent() {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := f(cmd, args); err != nil {
				return argsError{err}
			}
			return nil
		}
	}
	if f := c.RunE; f != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*began = true
			return f(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		markBegin(sub, began)
	}
}

// newRoot assembles the commands, one function per file.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "backchannel",
		Short: "Talk without being seen to talk",
		Long: `Backchannel hides that principals talk to each other. Stations exchange the same
cells at the same times whether anybody talks or not, through a chain of relays of
which one honest one is enough.

Exit codes: 0 done, 1 failed (one line on standard error says why and what to do),
2 wrong command line.`,
		Example: `  backchannel demo              try it on this machine
  backchannel network --help    make a network
  backchannel station --help    have a station`,
		Version:       version(),
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          unknownCommand,
	}
	root.SetVersionTemplate("backchannel {{.Version}}\n")
	root.PersistentFlags().Bool("json", false, "print JSON")
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("try", "Try it:", demoCommand(), benchCommand())
	group("talk", "Use a station:",
		openCommand(), pairCommand(),
		inviteCommand(), acceptCommand(), wordsCommand(), confirmCommand(), deliverCommand(), contactsCommand(), renameCommand(),
		laneCommand(), muteCommand(true), muteCommand(false), expireCommand(),
		sendCommand(), draftCommand(), inboxCommand(), readCommand(), ackCommand(), cancelCommand(), searchCommand(), followCommand(),
		editCommand(), insertCommand(), eraseCommand(),
		statusCommand(), unlockCommand(), lockCommand(), settingsCommand(), backupCommand())
	group("deny", "Leave no proof and no trace:", exportCommand(), forgeCommand(), burnCommand(), panicCommand())
	group("negotiate", "Negotiate:", roomCommand(), agendaCommand(), packageCommand(), offerCommand(), textCommand(), roundCommand(), agreementCommand(), communiqueCommand())
	group("check", "Check what was agreed:", verifyCommand())
	group("run", "Run a station or a network:",
		stationCommand(), restoreCommand(), networkCommand(), relayCommand(), entryCommand(), tokenCommand(), manCommand())
	return root
}

// helpCommand is cobra's, but for a command that there is not: that is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command", Long: "Show the help of a command, as its flag --help does.",
		Example: "  backchannel help send\n  backchannel help room new",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no command %q", "backchannel "+strings.Join(args, " "))
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

// unknownCommand is what a command with subcommands does by itself.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = 2
	near := ""
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		near = fmt.Sprintf("; did you mean %s?", strings.Join(s, " or "))
	}
	return usage("there is no command %q%s", cmd.CommandPath()+" "+args[0], near)
}

// version is the module version that the toolchain stamped, with the suite that
// this program speaks.
func version() string {
	v := "unstamped"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return v + " (suite 1)"
}
