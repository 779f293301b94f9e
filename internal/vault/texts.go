package vault

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
)

// Attachment describes an attachment of a letter that is here whole.
type Attachment struct {
	Name   string `json:"n"`
	Type   string `json:"t"`
	Size   int64  `json:"s"`
	SHA256 string `json:"h"`
}

// ownerWord is the contact of row n as a word of the index.
func ownerWord(n int64) string { return "c" + strconv.FormatInt(n, 10) }

// index writes what can be read of an item that is here whole: what it shows, and
// by what it is found. It replaces what was there.
func (tx *Tx) index(number, owner int64, h contact.Header) error {
	if h.Kind.Note() {
		return nil
	}
	text, names := contact.Text{}, h.Name
	var files []Attachment
	if h.Readable() {
		content, err := io.ReadAll(&contentReader{tx: tx, item: number})
		if err != nil {
			return err
		}
		var parts []contact.Part
		text, parts = contact.ReadItem(h, content)
		for _, p := range parts {
			digest := p.Digest()
			files = append(files, Attachment{p.Name, p.Type, int64(len(p.Content)), hex.EncodeToString(digest[:])})
			names += "\n" + p.Name
		}
	}
	list := ""
	if len(files) > 0 {
		b, err := json.Marshal(files)
		if err != nil {
			return err
		}
		list = string(b)
	}
	if err := tx.exec(`DELETE FROM texts WHERE item = ?`, number); err != nil {
		return err
	}
	return tx.exec(`INSERT INTO texts (item, owner, subject, body, names, body_type, parts) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		number, ownerWord(owner), h.Subject, text.Body, strings.TrimPrefix(names, "\n"), text.Type, list)
}

// unindexed is the setting that the migration to the index leaves: what came
// before it must be read into the index.
const unindexed = "unindexed"

// indexOld fills the index of a vault that was made before there was one.
func indexOld(c *conn, now func() time.Time) error {
	return c.transaction("BEGIN IMMEDIATE", func() error {
		tx := &Tx{conn: c, now: now}
		if _, err := tx.Setting(unindexed); err != nil {
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		}
		if err := tx.indexAll(); err != nil {
			return err
		}
		return tx.DeleteSetting(unindexed)
	})
}

func (tx *Tx) indexAll() error {
	var numbers []int64
	if err := tx.query(`SELECT number FROM items WHERE damaged = 0 AND cancelled = 0 AND parsed = 1 AND length(header) > 0 AND note = 0
		AND (outgoing = 1 OR finished > 0) AND number NOT IN (SELECT item FROM texts) ORDER BY number`, func(s *sqlite3.Stmt) error {
		numbers = append(numbers, s.ColumnInt64(0))
		return nil
	}); err != nil {
		return err
	}
	for _, n := range numbers {
		var header []byte
		var owner int64
		if err := tx.one(`SELECT header, contact FROM items WHERE number = ?`, func(s *sqlite3.Stmt) error {
			header, owner = columnBytes(s, 0), s.ColumnInt64(1)
			return nil
		}, n); err != nil {
			return err
		}
		h, _, err := contact.ParseHeader(header)
		if err != nil {
			continue // Items says so
		}
		if err := tx.index(n, owner, h); err != nil {
			return err
		}
	}
	return nil
}

// The marks around what was found in a Hit's snippet: private use characters,
// which no text needs.
const (
	MatchBegin = "\uE000"
	MatchEnd   = "\uE001"
)

// Hit is an item that was found.
type Hit struct {
	Item
	Snippet string // of subject, text or file names, matches between MatchBegin and MatchEnd
}

// searchTerms turns what a person wrote into a query of the index: every word must
// be there, the last may go on. Everything but letters, digits and marks
// separates words, so nothing in it is read as syntax.
func searchTerms(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && !unicode.Is(unicode.Co, r)
	})
	words = slices.DeleteFunc(words, func(w string) bool { return !strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsMark(r) }) })
	if len(words) > maxSearchWords {
		words = words[:maxSearchWords]
	}
	if len(words) == 0 {
		return ""
	}
	return "{subject body names} : (\"" + strings.Join(words, "\" AND \"") + "\" *)"
}

const maxSearchWords = 16

// Search finds items by words of subject, text and file names, newest first;
// only of one contact if who is not zero, only with a lower Number than before if
// that is not 0. Text without a word finds nothing.
func (tx *Tx) Search(text string, who contact.ID, before int64, limit int) ([]Hit, error) {
	terms := searchTerms(text)
	if terms == "" {
		return nil, nil
	}
	all := terms
	if who != (contact.ID{}) {
		n, err := tx.number(who)
		if err != nil {
			return nil, err
		}
		all = "owner : \"" + ownerWord(n) + "\" AND " + terms
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	type found struct {
		number  int64
		snippet string
	}
	var list []found
	if err := tx.query(`SELECT rowid, snippet(search, 2, ?1, ?2, '…', 24), snippet(search, 1, ?1, ?2, '…', 24), snippet(search, 3, ?1, ?2, '…', 24)
		FROM search WHERE search MATCH ?3 AND rowid < ?5 ORDER BY rowid DESC LIMIT ?4`, func(s *sqlite3.Stmt) error {
		f := found{number: s.ColumnInt64(0)}
		for c := 1; c <= 3 && !strings.Contains(f.snippet, MatchBegin); c++ { // text, subject, names
			f.snippet = s.ColumnText(c)
		}
		list = append(list, f)
		return nil
	}, MatchBegin, MatchEnd, all, limit, before); err != nil {
		return nil, err
	}
	hits := make([]Hit, 0, len(list))
	for _, f := range list {
		h := Hit{Snippet: f.snippet}
		if err := tx.one(itemColumns+itemOwner+` WHERE i.number = ?`, func(s *sqlite3.Stmt) (err error) {
			h.Item, err = columnItem(s)
			return err
		}, f.number); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, nil
}
