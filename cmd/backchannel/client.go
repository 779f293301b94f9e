package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// stationEnv names the environment variable that says which station to use.
const stationEnv = "BACKCHANNEL_STATION"

// clientCommand makes a command that uses a running station.
func clientCommand(c *cobra.Command) *cobra.Command {
	c.Flags().String("station", "", "the station's folder or socket, or with a token its address (default: $"+stationEnv+")")
	c.Flags().String("token-file", "", "do no more than the token in this file allows")
	return c
}

// openClient returns a client of the station that the command names.
func openClient(cmd *cobra.Command) (*web.Client, error) {
	path, err := cmd.Flags().GetString("station")
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = os.Getenv(stationEnv)
	}
	if path == "" {
		return nil, usage("which station? name its folder or socket with --station or in $%s", stationEnv)
	}
	token, err := readToken(cmd)
	if err != nil {
		return nil, err
	}
	if strings.Contains(path, "://") {
		if token == "" {
			return nil, usage("the station at an address wants a token: name its file with --token-file")
		}
		return web.NewTokenClient(path, token)
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		cfg, err := station.LoadConfig(filepath.Join(path, station.ConfigName))
		if err != nil {
			return nil, err
		}
		path = cfg.Socket
	}
	return web.NewClient(path).WithToken(token), nil
}

// readToken reads the token that --token-file names, or none.
func readToken(cmd *cobra.Command) (string, error) {
	path, err := cmd.Flags().GetString("token-file")
	if err != nil || path == "" {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("reading the token: %s does not hold one: \"backchannel token new\" makes one", path)
	}
	return token, nil
}

// withClient runs f with a client.
func withClient(f func(cmd *cobra.Command, c *web.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if use := strings.Fields(cmd.Use); len(args) > 0 && len(use) > 1 && strings.TrimSpace(args[0]) == "" {
			return usage("%s is empty: write \"%s\"", strings.Trim(use[1], "[]…"), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		c, err := openClient(cmd)
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd, c, args)
	}
}

// wantsJSON tells whether --json was given.
func wantsJSON(cmd *cobra.Command) bool {
	v, err := cmd.Flags().GetBool("json")
	return err == nil && v
}

// emit prints v as JSON if asked for, else lets human print.
func emit(cmd *cobra.Command, v any, human func(w io.Writer)) error {
	w := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return emitJSON(w, v)
	}
	human(w)
	return nil
}

func emitJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// maxDays is about a hundred years, as long as copies can be kept.
const maxDays = 36500

// parseDuration reads a Go duration or a number of days such as "7d".
func parseDuration(s string) (time.Duration, error) {
	if d, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(d, 64)
		if err != nil || !(n >= 0 && n <= maxDays) { // which NaN is not either
			return 0, usage("%q is not a number of days from 0 to %d: write for instance 7d", s, maxDays)
		}
		return time.Duration(n * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, usage("%q is not a duration: write for instance 30m, 12h or 7d", s)
	}
	return d, nil
}

// inWords writes a duration as people plan.
func inWords(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < 2*time.Minute:
		return plural(int64((d+time.Second/2)/time.Second), "second")
	case d < 2*time.Hour:
		return "about " + plural(int64((d+30*time.Second)/time.Minute), "minute")
	case d < 48*time.Hour:
		return "about " + plural(int64((d+30*time.Minute)/time.Hour), "hour")
	default:
		return "about " + plural(int64((d+12*time.Hour)/(24*time.Hour)), "day")
	}
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// bytesInWords writes a size as people read it.
func bytesInWords(n int64) string {
	switch {
	case n < 1000:
		return plural(n, "byte")
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1000_000)
	}
}

// left writes an estimate in time and rounds.
func left(l *station.Left) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%s left (%s)", inWords(time.Duration(l.Seconds*float64(time.Second))), plural(l.Rounds, "round"))
}

// takes writes how long something will take that has not begun.
func takes(l *station.Left) string {
	if l == nil {
		return "no time"
	}
	return fmt.Sprintf("%s (%s)", inWords(time.Duration(l.Seconds*float64(time.Second))), plural(l.Rounds, "round"))
}

// readInput reads a letter from a file or, for "-", from standard input. It says
// which kind of mistake it was.
func readInput(cmd *cobra.Command, path string) ([]byte, string, error) {
	if path == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), station.MaxContent+1))
		if err != nil {
			return nil, "", fmt.Errorf("reading standard input: %w", err)
		}
		return b, "", tooLarge(int64(len(b)))
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, "", fmt.Errorf("reading the letter: there is no file %s: check its name", path)
	case err != nil:
		return nil, "", fmt.Errorf("reading the letter: %w", err)
	case fi.IsDir():
		return nil, "", fmt.Errorf("reading the letter: %s is a folder: pack it into one file first", path)
	case fi.Mode().IsRegular():
		if err := tooLarge(fi.Size()); err != nil {
			return nil, "", err
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("reading the letter: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, station.MaxContent+1))
	if err != nil {
		return nil, "", fmt.Errorf("reading the letter: %w", err)
	}
	return b, filepath.Base(path), tooLarge(int64(len(b)))
}

func tooLarge(n int64) error {
	if n <= station.MaxContent {
		return nil
	}
	return fmt.Errorf("the letter is too large: it may have %d bytes (10 MB): send it in parts", station.MaxContent)
}
