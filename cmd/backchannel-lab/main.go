// Command backchannel-lab plays the attacks of the threat model against the real
// code in this process and reports what the attacker could tell.
//
// Built with the tag "weakened" it plays each attack a second time with that
// attack's own rule switched off; the attack must then succeed, or it is none.
//
// It trusts nothing and keeps nothing; its keys are made for the run. Exit codes:
// 0 every attack failed on the real code (and succeeded on its weakened twin),
// 1 otherwise, 2 the command line is wrong.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"backchannel/internal/weakened"
	"backchannel/lab"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// result is what one attack came to.
type result struct {
	Row      string  `json:"row"`
	Rule     string  `json:"rule"`
	Attack   string  `json:"attack"`
	Broken   bool    `json:"broken"`
	Saw      string  `json:"saw"`
	Weakened *string `json:"weakened,omitempty"` // what it saw without the rule
	Fails    string  `json:"error,omitempty"`
}

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("backchannel-lab", flag.ContinueOnError)
	flags.SetOutput(errs)
	asJSON := flags.Bool("json", false, "print one JSON object per attack")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	bad := 0
	for i, a := range lab.Attacks {
		r, ok := play(a, weakened.Rules[i])
		if !ok {
			bad++
		}
		if *asJSON {
			b, err := json.Marshal(r)
			if err != nil {
				fmt.Fprintf(errs, "backchannel-lab: %v\n", err)
				return 1
			}
			fmt.Fprintf(out, "%s\n", b)
			continue
		}
		verdict := "holds "
		if !ok {
			verdict = "BROKEN"
		}
		fmt.Fprintf(out, "%s  %s\n        attack: %s\n        saw: %s\n", verdict, r.Rule, r.Attack, r.Saw+r.Fails)
		if r.Weakened != nil {
			fmt.Fprintf(out, "        without the rule: %s\n", *r.Weakened)
		}
	}
	if bad > 0 {
		fmt.Fprintf(errs, "backchannel-lab: %d of %d rules did not hold\n", bad, len(lab.Attacks))
		return 1
	}
	if !*asJSON {
		fmt.Fprintf(out, "All %d rules hold.\n", len(lab.Attacks))
	}
	return 0
}

// play runs an attack on the real code and, where this build can, without its rule.
func play(a lab.Attack, rule weakened.Rule) (r result, ok bool) {
	r = result{Row: rule.Name, Rule: rule.Rule, Attack: rule.Attack}
	o, err := a.Play()
	if err != nil {
		r.Fails = "the attack could not be played: " + err.Error()
		return r, false
	}
	if r.Broken, r.Saw = o.Broken, o.Saw; o.Broken {
		return r, false
	}
	if !weakened.Set(a.Row, true) {
		return r, true
	}
	defer weakened.Set(a.Row, false)
	if o, err = a.Play(); err != nil {
		r.Fails = "the attack could not be played without its rule: " + err.Error()
		return r, false
	}
	r.Weakened = &o.Saw
	return r, o.Broken
}
