package web

import (
	"math"
	"strings"
	"unicode"
)

// assessment is a rough idea of how many guesses a passphrase takes. It is this
// program's own simple estimate: it knows no dictionaries and cannot see that a
// passphrase is somebody's name. The pages say so.
type assessment struct {
	Bits  float64
	Score int // 0 too weak, 1 fair, 2 good, 3 strong
}

// common are the beginnings of what is guessed first.
var common = []string{"password", "passphrase", "passwort", "motdepasse", "qwert", "azerty", "12345", "abcdef", "letmein", "welcome", "iloveyou", "admin", "secret", "backchannel"}

// assess estimates a passphrase: words of letters count as one of some ten
// thousand each, anything else by its characters; runs and repeats count little.
func assess(passphrase string) assessment {
	lower := strings.ToLower(strings.TrimSpace(passphrase))
	seen := map[string]bool{}
	bits := 0.0
	for _, word := range strings.FieldsFunc(lower, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == '_' || r == '.' || r == ',' }) {
		if seen[word] {
			bits++
			continue
		}
		seen[word] = true
		b := characters(word)
		if onlyLetters(word) {
			b = min(b, 11+math.Max(0, float64(len([]rune(word))-8)))
		}
		for _, c := range common {
			if strings.Contains(word, c) {
				b = min(b, 4)
			}
		}
		bits += b
	}
	for _, r := range passphrase { // capitals somewhere
		if unicode.IsUpper(r) {
			bits += 2
			break
		}
	}
	a := assessment{Bits: bits}
	for _, limit := range []float64{34, 50, 66} {
		if bits >= limit {
			a.Score++
		}
	}
	return a
}

// Guessable tells whether a passphrase is too weak for the pages to take it.
func Guessable(passphrase string) bool { return assess(passphrase).Score == 0 }

func onlyLetters(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) < 0
}

// characters counts a word as random characters, where a repeat or the next in
// order adds one bit.
func characters(word string) (bits float64) {
	pool := 0.0
	has := func(f func(rune) bool, n float64) {
		if strings.ContainsFunc(word, f) {
			pool += n
		}
	}
	has(func(r rune) bool { return r >= 'a' && r <= 'z' }, 26)
	has(unicode.IsDigit, 10)
	has(func(r rune) bool { return r > 127 }, 60)
	has(func(r rune) bool { return r < 128 && !unicode.IsLetter(r) && !unicode.IsDigit(r) }, 30)
	each := math.Log2(math.Max(pool, 2))
	last := rune(-10)
	for _, r := range word {
		if d := r - last; d >= -1 && d <= 1 {
			bits++
		} else {
			bits += each
		}
		last = r
	}
	return bits
}
