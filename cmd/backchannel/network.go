package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func networkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "network",
		Short: "Make, sign and check a network file",
		Long: `A network file names the relays, the entry and the parameters. One operator makes the
draft (init) from everyone's public records, every relay's operator reviews and signs
it (sign), and everyone checks it (verify). Stations pin its hash.`,
		Example: `  backchannel network init --relay a.pub.toml --relay b.pub.toml --relay c.pub.toml --entry entry.pub.toml -o network.toml
  backchannel network sign --key relay.key network.toml
  backchannel network verify network.toml`,
		Args: cobra.ArbitraryArgs,
		RunE: unknownCommand,
	}
	c.AddCommand(networkInitCommand(), networkSignCommand(), networkVerifyCommand(), networkShowCommand())
	return c
}

// loadNetwork reads a network file and checks all but its signatures.
func loadNetwork(path string) (*wire.Network, error) {
	b, _, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("network file %s: %w", path, err)
	}
	n, err := wire.ParseNetwork(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

func networkInitCommand() *cobra.Command {
	var preset, name, entry, t0, out string
	var relays []string
	var stations int
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the draft of a network file",
		Long: `Make the draft of a network file from the public records of the relays, in chain
order, and of the entry. The presets are "small" (a round a second, an epoch of two
minutes) and "demo" (ten rounds a second, for one machine).

With --stations the windows of a set-up are lengthened, where needed, for so many
stations, and the traffic is printed. What is assumed for "small": stations have
64 kbit/s beside their cells, servers half a gigabit, a relay opens a layer in
120 µs. Then, for N stations with C circuits and n relays, the windows must hold:
keys and roster their download by a station (and by all from the entry), onions
the upload in half of the window and n·C openings with n transfers in 3/8 of it,
reveal n·C openings, each with the clock tolerance on top.`,
		Example: "  backchannel network init --preset small --stations 500 --relay a.pub.toml --relay b.pub.toml --relay c.pub.toml --entry entry.pub.toml -o network.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := draftNetwork(preset, name, t0, relays, entry)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("stations") {
				if n.Params, err = n.Params.Scale(stations, wire.PaceOf(preset)); err != nil {
					return usage("computing the windows: %v", err)
				}
			}
			if err := n.Check(); err != nil {
				return fmt.Errorf("making the network file: %w", err)
			}
			if err := writeNew(out, n.Encode(), 0o644); err != nil {
				return err
			}
			return emit(cmd, networkView(n, stations), func(w io.Writer) {
				fmt.Fprintf(w, "Wrote the draft %s.\n\n", out)
				printNetwork(w, n, stations)
				fmt.Fprintf(w, "\nNow every relay's operator reviews and signs it:\n  backchannel network sign --key relay.key %s\n", out)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&preset, "preset", "small", "parameters: small or demo")
	f.StringVar(&name, "name", "backchannel", "the network's name, for people")
	f.StringArrayVar(&relays, "relay", nil, "a relay's public record; repeat it in chain order")
	f.StringVar(&entry, "entry", "", "the entry's public record")
	f.IntVar(&stations, "stations", 0, "compute the windows for so many stations and print the traffic")
	f.StringVar(&t0, "t0", "", "start of epoch 0 as RFC 3339 time (default: the last midnight, UTC)")
	f.StringVarP(&out, "output", "o", "", "the network file to write; nothing is overwritten")
	require(c, "relay", "entry", "output")
	return c
}

// draftNetwork assembles an unsigned network from public records.
func draftNetwork(preset, name, t0 string, relays []string, entry string) (*wire.Network, error) {
	p, err := wire.Preset(preset)
	if err != nil {
		return nil, usage("%v", err)
	}
	p.T0 = time.Now().UTC().Truncate(24 * time.Hour)
	if t0 != "" {
		t, err := time.Parse(time.RFC3339Nano, t0)
		if err != nil {
			return nil, usage("--t0 %q is not an RFC 3339 time such as 2026-01-31T00:00:00Z", t0)
		}
		p.T0 = t.UTC().Truncate(time.Millisecond)
	}
	p.Relays = len(relays)
	n := &wire.Network{Name: name, Params: p, Signatures: make([][]byte, len(relays))}
	for _, path := range relays {
		b, _, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("public record %s: %w", path, err)
		}
		r, err := wire.ParseRelayRecord(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		n.Relays = append(n.Relays, r)
	}
	b, _, err := readFile(entry)
	if err != nil {
		return nil, fmt.Errorf("public record %s: %w", entry, err)
	}
	if n.Entry, err = wire.ParseEntryRecord(b); err != nil {
		return nil, fmt.Errorf("%s: %w", entry, err)
	}
	return n, nil
}

func networkSignCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a network file as one of its relays",
		Long: `Add this relay's signatures (Ed25519 and ML-DSA-65) to a network file. Review it with
"network show" first: the signature says that you run this relay in this network, with
these parameters and these neighbours. It is refused if the file does not name the
keys in the key file. Nobody is asked. Comments in the file are not kept.`,
		Example: "  backchannel network sign --key relay.key network.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := loadNetwork(args[0])
			if err != nil {
				return err
			}
			k, err := loadServerKey(key, "relay")
			if err != nil {
				return err
			}
			i, ok := n.Index(k.sign.Public())
			if !ok {
				return fmt.Errorf("signing %s: it does not name the signing key in %s: ask whoever made it to use this relay's public record", args[0], key)
			}
			if n.Relays[i].TLS != suite.NewAccountKey(k.tls).Public() {
				return fmt.Errorf("signing %s: it names another TLS key for relay %d than %s has: ask whoever made it to use this relay's public record", args[0], i+1, key)
			}
			if err := n.Sign(i, k.sign); err != nil {
				return err
			}
			if err := replaceFile(args[0], n.Encode()); err != nil {
				return err
			}
			return emit(cmd, networkView(n, 0), func(w io.Writer) {
				r := n.Relays[i]
				fmt.Fprintf(w, "Signed %s as relay %d: %s, run by %s, at %s.\n%s", args[0], i+1, r.Name, r.Operator, r.Address, netLines(n))
				if err := n.Verify(); err != nil {
					fmt.Fprintf(w, "Not complete yet: %v.\n", err)
				} else {
					fmt.Fprintln(w, "Every relay has signed.")
				}
			})
		},
	}
	c.Flags().StringVar(&key, "key", relayKeyName, "the relay's secret key file")
	return c
}

func networkVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a network file and say what is missing",
		Long: `Check a network file: its content and every relay's signature. It prints the hash that
stations pin, in hexadecimal and as words to compare by voice; two files with one
hash are the same network. It fails if a signature is missing or does not fit.`,
		Example: "  backchannel network verify network.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := loadNetwork(args[0])
			if err != nil {
				return err
			}
			verdict := n.Verify()
			err = emit(cmd, networkView(n, 0), func(w io.Writer) {
				fmt.Fprint(w, netLines(n))
				for i, r := range n.Relays {
					fmt.Fprintf(w, "  relay %d  %s, run by %s: %s\n", i+1, r.Name, r.Operator, signatureState(verdict, i))
				}
				if verdict == nil {
					fmt.Fprintln(w, "In order: every relay has signed.")
				}
			})
			if verdict != nil {
				return fmt.Errorf("%s: %w: only a file that every relay has signed is a network", args[0], verdict)
			}
			return err
		},
	}
}

// signatureState is "signed", "missing" or "wrong".
func signatureState(verdict error, relay int) string {
	var u *wire.UnsignedError
	switch {
	case errors.As(verdict, &u) && slices.Contains(u.Missing, relay):
		return "missing"
	case errors.As(verdict, &u) && slices.Contains(u.Wrong, relay):
		return "wrong"
	}
	return "signed"
}

func networkShowCommand() *cobra.Command {
	var stations int
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Show what a network file says",
		Long: `Show what a network file says, signed or not, for review; with --stations also its
traffic. Use "network verify" to find out whether to trust it.`,
		Example: "  backchannel network show network.toml --stations 200",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := loadNetwork(args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("stations") && (stations < 1 || stations > wire.MaxStations) {
				return usage("--stations must be within 1 and %d", wire.MaxStations)
			}
			return emit(cmd, networkView(n, stations), func(w io.Writer) { printNetwork(w, n, stations) })
		},
	}
	c.Flags().IntVar(&stations, "stations", 0, "print the traffic of a network of so many stations")
	return c
}

// netLines names a network.
func netLines(n *wire.Network) string {
	net := n.Net()
	w := station.NetworkWords(net)
	return fmt.Sprintf("Network %q\n  hash     %s\n  words    %s\n           %s\n", n.Name, hex.EncodeToString(net[:]),
		strings.Join(w[:6], " "), strings.Join(w[6:], " "))
}

func printNetwork(w io.Writer, n *wire.Network, stations int) {
	p := n.Params
	fmt.Fprint(w, netLines(n))
	verdict := n.Verify()
	for i, r := range n.Relays {
		fmt.Fprintf(w, "  relay %d  %s, run by %s, at %s; signature: %s\n", i+1, r.Name, r.Operator, r.Address, signatureState(verdict, i))
	}
	for _, a := range n.Entry.Addresses {
		fmt.Fprintf(w, "  entry    %s\n", a)
	}
	fmt.Fprintf(w, "Parameters (suite %d)\n", p.Suite)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  epoch 0 starts\t%s\n", p.T0.Format(time.RFC3339Nano))
	fmt.Fprintf(t, "  stations\t%s each, %d bytes on each of %d circuits every %v\n", plural(int64(p.Lanes), "lane"), p.Cell, p.Circuits(), p.Round)
	fmt.Fprintf(t, "  epoch\t%v; circuits run on for up to %v if set-ups keep failing\n", p.Epoch, p.EpochCap)
	fmt.Fprintf(t, "  set-up\t%v, %s in an epoch\n", p.Setup(), plural(int64(p.Attempts()), "attempt"))
	for i, d := range p.Windows {
		fmt.Fprintf(t, "    %v\t%v\n", wire.Phase(i), d)
	}
	fmt.Fprintf(t, "  clock tolerance\t%v\n", p.ClockTolerance)
	_ = t.Flush() // the terminal is gone, or it is not
	if stations > 0 {
		printTraffic(w, p.Traffic(stations), n.Params)
	}
}

func printTraffic(w io.Writer, t wire.Traffic, p wire.Params) {
	fmt.Fprintf(w, "Traffic with %s, without TLS and TCP\n", plural(int64(t.Stations), "station"))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  a station's cells\t%.1f kbit/s each way, always\n", t.Cells*8/1000)
	fmt.Fprintf(tw, "  a station's set-up\t%s up and %s down, per attempt\n", bytesInWords(int64(t.SetupUp)), bytesInWords(int64(t.SetupDown)))
	fmt.Fprintf(tw, "  a station's month\t%.1f GB up and %.1f GB down\n", t.MonthUp/1e9, t.MonthDown/1e9)
	fmt.Fprintf(tw, "  between servers\t%.1f Mbit/s each way in rounds\n", t.ServerRound*8/1e6)
	fmt.Fprintf(tw, "  a set-up succeeds\t%.0f%% of the time, if each station fails once in %.0f days\n", 100*t.Success, t.StationMTBFHours/24)
	_ = tw.Flush() // the terminal is gone, or it is not
	if t.ServerRound*8 > 1e9 {
		fmt.Fprintln(w, "  ! the rounds alone need more than a gigabit between servers")
	}
	if t.Success < 0.5 {
		fmt.Fprintln(w, "  ! most set-ups would fail: make the network smaller")
	}
	if p.Attempts() < 2 {
		fmt.Fprintln(w, "  ! only one attempt fits an epoch")
	}
}

// networkJSON is a network for programs. Durations are in seconds.
type networkJSON struct {
	Name     string             `json:"name"`
	Net      string             `json:"net"` // hexadecimal
	Words    string             `json:"words"`
	Complete bool               `json:"complete"`
	Relays   []relayJSON        `json:"relays"`
	Entry    []string           `json:"entry"`
	Suite    int                `json:"suite"`
	T0       time.Time          `json:"t0"`
	Lanes    int                `json:"lanes"`
	Cell     int                `json:"cell"`
	Round    float64            `json:"round"`
	Epoch    float64            `json:"epoch"`
	EpochCap float64            `json:"epoch_cap"`
	Windows  map[string]float64 `json:"windows"`
	Attempts int                `json:"attempts"`
	Traffic  *trafficJSON       `json:"traffic,omitempty"`
}

type relayJSON struct {
	Name      string `json:"name"`
	Operator  string `json:"operator"`
	Address   string `json:"address"`
	Signature string `json:"signature"` // signed, missing or wrong
}

type trafficJSON struct {
	Stations     int     `json:"stations"`
	CellsPerSec  float64 `json:"cells_bytes_per_second"`
	SetupUp      float64 `json:"setup_up_bytes"`
	SetupDown    float64 `json:"setup_down_bytes"`
	MonthUp      float64 `json:"month_up_bytes"`
	MonthDown    float64 `json:"month_down_bytes"`
	ServerPerSec float64 `json:"server_bytes_per_second"`
	Success      float64 `json:"setup_success"`
}

func networkView(n *wire.Network, stations int) networkJSON {
	p, net, verdict := n.Params, n.Net(), n.Verify()
	v := networkJSON{
		Name: n.Name, Net: hex.EncodeToString(net[:]), Words: strings.Join(station.NetworkWords(net), " "), Complete: verdict == nil, Entry: n.Entry.Addresses,
		Suite: p.Suite, T0: p.T0, Lanes: p.Lanes, Cell: p.Cell, Round: p.Round.Seconds(), Epoch: p.Epoch.Seconds(),
		EpochCap: p.EpochCap.Seconds(), Windows: map[string]float64{}, Attempts: p.Attempts(),
	}
	for i, r := range n.Relays {
		v.Relays = append(v.Relays, relayJSON{r.Name, r.Operator, r.Address, signatureState(verdict, i)})
	}
	for i, d := range p.Windows {
		v.Windows[wire.Phase(i).String()] = d.Seconds()
	}
	if stations > 0 {
		t := p.Traffic(stations)
		v.Traffic = &trafficJSON{t.Stations, t.Cells, t.SetupUp, t.SetupDown, t.MonthUp, t.MonthDown, t.ServerRound, t.Success}
	}
	return v
}
