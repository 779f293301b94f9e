//go:build !weakened

package pairwise

import "testing"

// rules are the attacks of this package; nothing can be weakened in this build.
var rules = []struct {
	name   string
	attack func(*testing.T) bool
	weaken *bool
}{
	{"DanglingVersion", attackDangling, new(bool)},
	{"KeystreamOverlap", attackTwins, new(bool)},
	{"Reencryption", attackRepeat, new(bool)},
}
