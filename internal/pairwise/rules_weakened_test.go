//go:build weakened

package pairwise

import (
	"testing"

	"backchannel/internal/weakened"
)

// rules are the attacks of this package and what makes each succeed.
var rules = []struct {
	name   string
	attack func(*testing.T) bool
	weaken *bool
}{
	{"DanglingVersion", attackDangling, &weakened.DanglingVersion},
	{"KeystreamOverlap", attackTwins, &weakened.KeystreamOverlap},
	{"Reencryption", attackRepeat, &weakened.Reencryption},
}
