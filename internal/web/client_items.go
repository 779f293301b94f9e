package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

func itemPath(id string, more ...string) string {
	return strings.Join(append([]string{"/v1/items", url.PathEscape(id)}, more...), "/")
}

// Send sends a signal or a letter.
func (c *Client) Send(ctx context.Context, ref string, d station.Draft) (station.ItemInfo, error) {
	if d.Kind == "signal" {
		return call[station.ItemInfo](ctx, c, http.MethodPost, contactPath(ref, "signals"), nil, map[string]string{"text": string(d.Content)})
	}
	if len(d.Attachments) > 0 {
		kind, _, _ := strings.Cut(d.MediaType, ";")
		return call[station.ItemInfo](ctx, c, http.MethodPost, contactPath(ref, "written"), nil,
			writtenLetter{Subject: d.Subject, Text: string(d.Content), TextType: kind, Attachments: d.Attachments, Strip: d.Strip})
	}
	q := url.Values{"subject": {d.Subject}, "file_name": {d.FileName}, "media_type": {d.MediaType}}
	if d.Strip {
		q.Set("strip", "true")
	}
	return call[station.ItemInfo](ctx, c, http.MethodPost, contactPath(ref, "letters"), q, d.Content)
}

// Item returns one signal or letter.
func (c *Client) Item(ctx context.Context, id string) (station.ItemInfo, error) {
	return call[station.ItemInfo](ctx, c, http.MethodGet, itemPath(id), nil, nil)
}

// Content returns the content of an item that is here whole.
func (c *Client) Content(ctx context.Context, id string) ([]byte, error) {
	return c.bytes(ctx, itemPath(id, "content"))
}

// PartContent returns an attachment of a letter.
func (c *Client) PartContent(ctx context.Context, id string, number int) ([]byte, error) {
	return c.bytes(ctx, itemPath(id, "parts", strconv.Itoa(number)))
}

func (c *Client) bytes(ctx context.Context, path string) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, path, nil, "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, station.MaxContent+1))
	if err != nil {
		return nil, fmt.Errorf("reading the station's answer: %w", err)
	}
	return b, nil
}

// MarkRead marks an item as read.
func (c *Client) MarkRead(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, itemPath(id, "read"), nil, nil)
	return err
}

// Acknowledge tells the other side that a person has an item.
func (c *Client) Acknowledge(ctx context.Context, id string) (station.ItemInfo, error) {
	return call[station.ItemInfo](ctx, c, http.MethodPost, itemPath(id, "acknowledge"), nil, nil)
}

// CancelItem withdraws an item that is not on its way as a whole.
func (c *Client) CancelItem(ctx context.Context, id string) (station.ItemInfo, error) {
	return call[station.ItemInfo](ctx, c, http.MethodPost, itemPath(id, "cancel"), nil, nil)
}

// EraseItem erases one's own copy of an item.
func (c *Client) EraseItem(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, itemPath(id), nil, nil)
	return err
}

// EditItem changes one's own copy of an item.
func (c *Client) EditItem(ctx context.Context, id string, e station.Edit) (station.ItemInfo, error) {
	return call[station.ItemInfo](ctx, c, http.MethodPatch, itemPath(id), nil, e)
}

// InsertItem puts an item into one's own copy of a conversation.
func (c *Client) InsertItem(ctx context.Context, ref string, in station.Insert) (station.ItemInfo, error) {
	return call[station.ItemInfo](ctx, c, http.MethodPost, contactPath(ref, "items"), nil, in)
}

// SetMuted lets a contact arrive without notice, or with.
func (c *Client) SetMuted(ctx context.Context, ref string, muted bool) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPut, contactPath(ref, "muted"), nil, map[string]bool{"muted": muted})
}

// SetExpiry sets after how long own copies are erased, 0 for never.
func (c *Client) SetExpiry(ctx context.Context, ref string, d time.Duration) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPut, contactPath(ref, "expiry"), nil, map[string]int64{"expiry_seconds": int64(d / time.Second)})
}

// KeptDraft returns what was begun to write to a contact.
func (c *Client) KeptDraft(ctx context.Context, ref string) (station.KeptDraft, error) {
	return call[station.KeptDraft](ctx, c, http.MethodGet, contactPath(ref, "draft"), nil, nil)
}

// KeepDraft keeps a draft; an empty one erases it.
func (c *Client) KeepDraft(ctx context.Context, ref string, d station.KeptDraft) error {
	_, err := call[struct{}](ctx, c, http.MethodPut, contactPath(ref, "draft"), nil, d)
	return err
}

// Estimate tells how long a letter of so many bytes would take.
func (c *Client) Estimate(ctx context.Context, ref string, bytes int64) (station.Left, error) {
	return call[station.Left](ctx, c, http.MethodGet, contactPath(ref, "estimate"), url.Values{"bytes": {strconv.FormatInt(bytes, 10)}}, nil)
}
