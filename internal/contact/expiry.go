package contact

import (
	"errors"
	"time"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
	week   = 7 * day
)

// expiries is the table of expiry codes: how long after the end of its issue
// epoch an invitation ends. Code 0 means never. The table is part of the format
// and ascends; every code of six bits has a meaning.
var expiries = [1 << expiryBits]time.Duration{
	0,
	10 * minute, 15 * minute, 20 * minute, 25 * minute, 30 * minute, 40 * minute, 45 * minute, 50 * minute, // 1
	1 * hour, hour + 30*minute, 2 * hour, 3 * hour, 4 * hour, 5 * hour, 6 * hour, 7 * hour, 8 * hour, // 9
	9 * hour, 10 * hour, 11 * hour, 12 * hour, 14 * hour, 16 * hour, 18 * hour, 20 * hour, 22 * hour, // 18
	1 * day, day + 12*hour, 2 * day, 3 * day, 4 * day, 5 * day, 6 * day, 7 * day, // 27
	8 * day, 9 * day, 10 * day, 11 * day, 12 * day, 13 * day, 14 * day, // 35
	3 * week, 4 * week, 5 * week, 6 * week, 7 * week, 8 * week, 9 * week, 10 * week, 11 * week, 12 * week, 13 * week, // 42
	100 * day, 120 * day, 150 * day, 180 * day, 210 * day, 240 * day, 270 * day, 300 * day, 330 * day, 350 * day, 365 * day, // 53
}

// Limits of how long an invitation can hold, other than for ever.
const (
	MinExpiry = 10 * minute
	MaxExpiry = 365 * day
)

// ErrExpiry is the error of a duration that no invitation can have.
var ErrExpiry = errors.New("an invitation holds from ten minutes to 365 days, or for ever (0)")

// ExpiryCode returns the code of the longest duration that is not longer than d.
// 0 is for ever.
func ExpiryCode(d time.Duration) (uint8, error) {
	if d == 0 {
		return 0, nil
	}
	if d < MinExpiry || d > MaxExpiry {
		return 0, ErrExpiry
	}
	code := len(expiries) - 1
	for expiries[code] > d {
		code--
	}
	return uint8(code), nil
}

// ExpiryDuration returns the duration of a code below 64; 0 is for ever.
func ExpiryDuration(code uint8) time.Duration { return expiries[code] }
