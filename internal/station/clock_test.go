package station

import (
	"testing"
	"time"
)

func TestStillOff(t *testing.T) {
	const tolerance = time.Second
	for name, c := range map[string]struct {
		off         bool
		skew, moved time.Duration
		want        bool
	}{
		"right":                       {false, 0, 0, false},
		"ahead":                       {true, time.Minute, 0, true},
		"behind":                      {true, -time.Minute, 0, true},
		"ahead and set back":          {true, time.Minute, -time.Minute, false},
		"behind and set forward":      {true, -time.Minute, time.Minute + tolerance, false},
		"set by too little":           {true, -time.Minute, 30 * time.Second, true},
		"set the wrong way":           {true, time.Minute, time.Minute, true},
		"right and slept for an hour": {false, 0, time.Hour, false},
	} {
		if got := stillOff(c.off, c.skew, c.moved, tolerance); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
