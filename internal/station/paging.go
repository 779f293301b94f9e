package station

import (
	"errors"
	"strconv"
	"strings"

	"backchannel/internal/contact"
	"backchannel/internal/vault"
)

// maxPage bounds a page of a conversation and a list of hits.
const maxPage = 1000

// A cursor is the place of an item in the order of all, as programs are given it to
// go on from there. It does not name the item: a reader that goes through a long list
// goes on although the item was erased meanwhile. It tells no more than the item's
// time. No identifier begins so.
const cursorPrefix = "p"

func cursorAt(number int64) string { return cursorPrefix + strconv.FormatInt(number, 16) }

// parseCursor reads what cursorAt wrote and nothing else.
func parseCursor(text string) (number int64, ok bool) {
	number, err := strconv.ParseInt(strings.TrimPrefix(text, cursorPrefix), 16, 64)
	return number, err == nil && number > 0 && cursorAt(number) == text
}

// place is the Number that a cursor or a reference to an item stands for; 0 for "".
// What is wrong with it is said without it: a caller may have taken anything for one.
func (s *Station) place(tx *vault.Tx, doing, before string) (int64, error) {
	if before == "" {
		return 0, nil
	}
	bad := fault(CodeInvalid, "%s: \"before\" is no item that is here, nor where an answer said that the next page begins: leave it out to begin with the newest", doing)
	if strings.HasPrefix(before, cursorPrefix) {
		if n, ok := parseCursor(before); ok {
			return n, nil
		}
		return 0, bad
	}
	id, err := s.resolve(tx, before)
	var known *Error
	if errors.As(err, &known) {
		return 0, bad
	}
	if err != nil {
		return 0, err
	}
	it, err := tx.Item(id)
	return it.Number, err
}

// page reads the newest limit items of a filter that stand before a place, oldest
// first; all of them if limit is 0.
func (s *Station) page(v *vault.Vault, doing string, f vault.Filter, before string, limit int) (Page, error) {
	var items []vault.Item
	people := map[contact.ID]contact.Contact{}
	if err := v.View(func(tx *vault.Tx) (err error) {
		if f.Before, err = s.place(tx, doing, before); err != nil {
			return err
		}
		if f.Limit = 0; limit > 0 {
			f.Limit = limit + 1 // one more tells whether there is more
		}
		if items, err = tx.Items(f); err != nil {
			return err
		}
		all, err := tx.Contacts()
		for _, c := range all {
			people[c.ID] = c
		}
		return err
	}); err != nil {
		return Page{}, s.trouble(doing, err)
	}
	p := Page{Items: make([]ItemInfo, 0, len(items))}
	if limit > 0 && len(items) > limit {
		items = items[len(items)-limit:]
		p.More, p.Next = true, cursorAt(items[0].Number)
	}
	for _, it := range items {
		p.Items = append(p.Items, s.item(it, people[it.Contact]))
	}
	return p, nil
}
