package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/web"
)

func openCommand() *cobra.Command {
	var print bool
	c := clientCommand(&cobra.Command{
		Use:   "open",
		Short: "Open the station's pages in the browser",
		Long: `Print the address of the station's pages and open it in this machine's browser. They
ask for the passphrase.`,
		Example: "  backchannel open\n  backchannel open --print",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			at, err := c.Pages(cmd.Context())
			if err != nil {
				return err
			}
			if at.Local == "" {
				return errors.New("this station serves no pages: set page in its configuration and start it again; its log says why if it is set")
			}
			if err := emit(cmd, at, func(w io.Writer) { fmt.Fprintln(w, at.Local) }); err != nil || print {
				return err
			}
			return openBrowser(at.Local, openerPatience)
		}),
	})
	c.Flags().BoolVar(&print, "print", false, "only print the address")
	return c
}

// openerPatience is how long a program that opens addresses may take to fail. Some stay
// as long as their browser is open.
const openerPatience = 5 * time.Second

// openBrowser asks the desktop to show an address. The address is no secret: what is
// started is in the list of processes, which every user of the machine can read.
func openBrowser(link string, patience time.Duration) error {
	program := []string{"xdg-open", link}
	switch runtime.GOOS {
	case "darwin":
		program[0] = "open"
	case "windows": // explorer reports a failure whatever it did
		program = []string{"rundll32", "url.dll,FileProtocolHandler", link}
	}
	c := exec.Command(program[0], program[1:]...) //nolint:gosec // the address is the station's own
	if err := c.Start(); err != nil {
		return fmt.Errorf("opening a browser: %w: open %s by hand", err, link)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("opening a browser: %s found none, or no screen to show it on (%w): open %s by hand", program[0], err, link)
		}
	case <-time.After(patience):
	}
	return nil
}

func pairCommand() *cobra.Command {
	c := clientCommand(&cobra.Command{
		Use:   "pair",
		Short: "Let another device use the station's pages",
		Long: `Print a link that pairs one device with the station, once, within ten minutes. The
station must serve other devices: set remote = "address:port" in its configuration,
with this machine's address in the network that both are in.

The device shows a warning, since nobody vouches for the station's certificate:
compare the fingerprint. It needs the passphrase as well.`,
		Example: "  backchannel pair\n  backchannel pair list",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			p, err := c.Pair(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, p, func(w io.Writer) {
				fmt.Fprintf(w, "Open this on the device before %s; it works once:\n\n  %s\n\nThe certificate that it must be shown has the SHA-256 fingerprint\n  %s\n",
					p.Expires.Local().Format("15:04"), p.Link, p.Fingerprint)
			})
		}),
	})
	list := clientCommand(&cobra.Command{
		Use: "list", Short: "List the paired devices", Args: cobra.NoArgs,
		Long: `List the devices that may use the station's pages: the identifier by which one is
revoked, its name, and when it was paired.`,
		Example: "  backchannel pair list",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := c.Devices(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "No device is paired.")
				}
				for _, d := range all {
					fmt.Fprintf(w, "%s  %s, paired %s\n", d.ID, printableText(d.Name), d.Paired.Local().Format("2 Jan 2006 15:04"))
				}
			})
		}),
	})
	revoke := clientCommand(&cobra.Command{
		Use: "revoke ID", Short: "Forget a paired device", Args: cobra.ExactArgs(1),
		Long: `Forget a paired device, at once: do so when it is lost or sold. It gets no page any
more, not even the field for the passphrase, until it is paired anew.`,
		Example: "  backchannel pair revoke 3f2a91c0",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := c.RevokeDevice(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, map[string]string{"revoked": args[0]}, func(w io.Writer) { fmt.Fprintln(w, "The device is forgotten.") })
		}),
	})
	c.AddCommand(list, revoke)
	return c
}
