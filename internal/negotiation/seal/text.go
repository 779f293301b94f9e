package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/suite"
)

// MaxText bounds the text of an agreement in bytes.
const MaxText = 64 << 10

// unseen are the code points that change what is read without being seen: two
// people would sign the same bytes and read different words. All controls but line
// feed and tab; the soft hyphen and other default-ignorable characters; zero-width
// spaces, joiners and marks; bidirectional embeddings, overrides and isolates; the
// line separators that some readers break at and others do not; the byte order
// mark; interlinear annotation; tags and variation selectors. The zero-width
// joiners that some scripts use for shaping are refused with the rest.
var unseen = [][2]rune{
	{0x00, 0x08}, {0x0b, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c},
	{0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f}, {0x2028, 0x202e},
	{0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
	{0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
}

// CheckText refuses a text that could be read in two ways, is empty or too long.
func CheckText(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("checking the text: it is empty")
	case len(text) > MaxText:
		return fmt.Errorf("checking the text: it has %d bytes, at most %d can be signed", len(text), MaxText)
	case !utf8.ValidString(text):
		return errors.New("checking the text: it is not UTF-8")
	}
	for i, r := range text {
		for _, u := range unseen {
			if u[0] <= r && r <= u[1] {
				return fmt.Errorf("checking the text: byte %d begins the invisible character U+%04X; remove it", i, r)
			}
		}
	}
	return nil
}

// Message is M: a first line that names protocol, core, level and L, then the text.
// L stands there as its SHA-256 under a label, because a line is for reading. The
// level is part of the core too, but an outsider cannot recompute that.
func Message(core Core, level Level, g *Group, text string) []byte {
	l := suite.Hash(suite.LabelSealKeys, g.list)
	return []byte("backchannel/v1 agreement " + hex.EncodeToString(core[:]) + " level " + string(level) + " keys " + hex.EncodeToString(l[:]) + "\n" + text)
}

// A Level is what an agreement leaves behind.
type Level string

// The levels.
const (
	Handshake Level = "handshake" // confirmed by MAC; deniable; the default
	Sealed    Level = "sealed"    // signed together with fresh keys
	Public    Level = "public"    // signed together with published keys
)

// Words are the plain words of each level.
var Words = map[Level]string{
	Handshake: "Everyone confirms the same text. Nobody can prove it to an outsider.",
	Sealed:    "Everyone signs the text with a key made for it. The signature stays valid; whose keys they are, only the parties know.",
	Public:    "Everyone signs the text with a published key. Anyone can check who signed.",
}

// WordsBeforeShare stand before the act that Approve records.
const WordsBeforeShare = "Sending your share ends deniability: whoever gets the last missing share can show that the others signed, even without signing. This cannot be undone."

// LapseClause is the sentence that a text to be signed carries, to the minute in
// UTC. An outsider cannot check whether the condition came true.
func LapseClause(by time.Time) string {
	return "This agreement is void unless all parties confirm holding it by " + by.UTC().Format("2006-01-02 15:04 UTC") + "."
}

// Confirmation is a party's MAC over core at level handshake. The key is one that
// sender and receiver share and have for this use only, so either could have made it.
func Confirmation(key [suite.KeySize]byte, core Core, from ID) [suite.HashSize]byte {
	return suite.PRF(key, suite.LabelSealHandshake, core[:], from[:])
}

// Confirmed checks a Confirmation in constant time.
func Confirmed(key [suite.KeySize]byte, core Core, from ID, mac []byte) bool {
	want := Confirmation(key, core, from)
	return suite.Equal(want[:], mac)
}

// CompletesLast says who sends its share last, because it gains least from holding
// the document alone: the smallest id among the consenting third parties, else the
// smallest among the parties.
func CompletesLast(parties, third []ID) (ID, error) {
	if len(third) == 0 {
		third = parties
	}
	if len(third) == 0 {
		return ID{}, errors.New("choosing who completes last: there are no parties")
	}
	last := third[0]
	for _, id := range third {
		if string(id[:]) < string(last[:]) {
			last = id
		}
	}
	for _, id := range parties {
		if id == last {
			return last, nil
		}
	}
	return ID{}, errors.New("choosing who completes last: a consenting third party must be a party")
}
