package web

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"backchannel/internal/station"
)

// Lists that can be long are given in pieces, the newest first. An answer says where
// the next piece begins: a conversation beside its items, a list that is an array in
// the header Link (RFC 8288), as an address that is resolved against the request's.

// pieceOf is an answer that may have another after it.
type pieceOf[T any] struct {
	Link string `header:"Link" doc:"<?before=…>; rel=\"next\" (RFC 8288): the next piece, resolved against this request's address; left out in the last piece"`
	Body []T
}

func piece[T any](v []T, link string, err error) (*pieceOf[T], error) {
	if err != nil {
		return nil, problem(err)
	}
	return &pieceOf[T]{link, v}, nil
}

// query is what a list was asked for, by the names of the parameters.
type query map[string]any

// after is the Link to what stands before a place, "" if nothing does.
func (q query) after(next string) string {
	if next == "" {
		return ""
	}
	v := url.Values{"before": {next}}
	for name, value := range q {
		if value != "" && value != false {
			v.Set(name, fmt.Sprint(value))
		}
	}
	return "<?" + v.Encode() + ">; rel=\"next\""
}

// nextOf reads the place out of a Link, "" if there is none.
func nextOf(h http.Header) string {
	address, _, ok := strings.Cut(strings.TrimPrefix(h.Get("Link"), "<?"), ">; rel=\"next\"")
	if !ok {
		return ""
	}
	q, err := url.ParseQuery(address)
	if err != nil {
		return ""
	}
	return q.Get("before")
}

// most is how many the station gives at once.
const most = 1000

// each goes through a list piece by piece, limit of it at most (0: all of it).
func each[T any](limit int, before string, fetch func(before string, n int) (piece []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for left := limit; limit == 0 || left > 0; left -= most {
			n := most
			if limit > 0 {
				n = min(left, most)
			}
			all, next, err := fetch(before, n)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range all {
				if !yield(v, nil) {
					return
				}
			}
			if before = next; next == "" {
				return
			}
		}
	}
}

// collect is all that an iterator gives.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	out := []T{}
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// EachItem goes through signals and letters, newest first, and asks the station for
// more as they are used: f.Limit at most, all of them if it is 0. After an error it
// ends. What arrives meanwhile is not among them, and shifts nothing.
func (c *Client) EachItem(ctx context.Context, f station.ItemFilter) iter.Seq2[station.ItemInfo, error] {
	return each(f.Limit, f.Before, func(before string, n int) ([]station.ItemInfo, string, error) {
		here := f
		here.Before, here.Limit = before, n
		p, err := c.ItemPage(ctx, here)
		slices.Reverse(p.Items)
		return p.Items, p.Next, err
	})
}

// Items lists signals and letters, oldest first: the newest f.Limit, all of them if it
// is 0.
func (c *Client) Items(ctx context.Context, f station.ItemFilter) ([]station.ItemInfo, error) {
	out, err := collect(c.EachItem(ctx, f))
	slices.Reverse(out)
	return out, err
}

// ItemPage is one answer of the station, oldest first, with where the next one begins.
// f.Limit is 1 to 1,000; 0 is 100.
func (c *Client) ItemPage(ctx context.Context, f station.ItemFilter) (station.Page, error) {
	q := url.Values{}
	if f.Contact != "" {
		q.Set("contact", f.Contact)
	}
	if f.Inbox {
		q.Set("inbox", "true")
	}
	if f.Unread {
		q.Set("unread", "true")
	}
	items, next, err := callPiece[station.ItemInfo](ctx, c, "/v1/items", q, f.Before, f.Limit)
	return station.Page{Items: items, More: next != "", Next: next}, err
}

// EachOf goes through the signals and letters of one contact, newest first, as
// EachItem does.
func (c *Client) EachOf(ctx context.Context, ref string) iter.Seq2[station.ItemInfo, error] {
	return each(0, "", func(before string, n int) ([]station.ItemInfo, string, error) {
		p, err := c.Conversation(ctx, ref, before, n)
		slices.Reverse(p.Items)
		return p.Items, p.Next, err
	})
}

// Conversation returns a page of a conversation, oldest first: the newest, or what
// stands before an item or the Next of another page.
func (c *Client) Conversation(ctx context.Context, ref, before string, limit int) (station.Page, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if before != "" {
		q.Set("before", before)
	}
	return call[station.Page](ctx, c, http.MethodGet, contactPath(ref, "items"), q, nil)
}

// EachHit goes through what a search finds, newest first, as EachItem does.
func (c *Client) EachHit(ctx context.Context, s station.SearchQuery) iter.Seq2[station.Hit, error] {
	return each(s.Limit, s.Before, func(before string, n int) ([]station.Hit, string, error) {
		here := s
		here.Before, here.Limit = before, n
		return c.HitPage(ctx, here)
	})
}

// Search finds signals and letters, newest first: s.Limit at most, all of them if it
// is 0.
func (c *Client) Search(ctx context.Context, s station.SearchQuery) ([]station.Hit, error) {
	return collect(c.EachHit(ctx, s))
}

// HitPage is one answer of the station, newest first, and where the next one begins,
// "" if this was the last. s.Limit is 1 to 1,000; 0 is 50.
func (c *Client) HitPage(ctx context.Context, s station.SearchQuery) (hits []station.Hit, next string, err error) {
	q := url.Values{"text": {s.Text}}
	if s.Contact != "" {
		q.Set("contact", s.Contact)
	}
	return callPiece[station.Hit](ctx, c, "/v1/search", q, s.Before, s.Limit)
}

func callPiece[T any](ctx context.Context, c *Client, path string, q url.Values, before string, limit int) (out []T, next string, err error) {
	if before != "" {
		q.Set("before", before)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	resp, err := c.do(ctx, http.MethodGet, path, q, "", nil)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	err = decode(resp.Body, &out)
	return out, nextOf(resp.Header), err
}
