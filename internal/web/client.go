package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"backchannel/internal/station"
)

var noticeType = reflect.TypeFor[station.Notice]()

// Client uses a station's API over its unix socket, or with a token at an address.
// Every error that the station gave is a *station.Error.
type Client struct {
	socket string // or the address, for errors
	base   string // of every URL
	token  string // of a program; empty for the owner
	http   *http.Client
}

// NewClient returns a client of the station at socket. It does not connect yet.
func NewClient(socket string) *Client {
	d := net.Dialer{Timeout: 5 * time.Second}
	return &Client{socket: socket, base: "http://station", http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// NewTokenClient returns a client of the station whose API is at address, such as
// http://127.0.0.1:8080, that shows a token. Without TLS it must be on this
// machine: a token on a line is anybody's. It follows no redirection, and asks no
// proxy.
func NewTokenClient(address, token string) (*Client, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is not the address of a station: write for instance http://127.0.0.1:8080", address)
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q is neither http nor https", address)
	case !loopback(u.Hostname()):
		return nil, errors.New("a token is shown over plain http to this machine only: use https, or an address such as 127.0.0.1")
	}
	return &Client{socket: address, base: strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), token: token, http: &http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// WithToken returns a client of the station at socket that shows a token, and so
// may do no more than the token allows.
func (c *Client) WithToken(token string) *Client {
	limited := *c
	limited.token = token
	return &limited
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) do(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (*http.Response, error) {
	u := c.base + path
	if q := query.Encode(); q != "" {
		u += "?" + q
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, fmt.Errorf("asking the station: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no station answers at %s: start it with \"backchannel station\", or name its socket with --station", c.socket)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not use the station at %s: only its owner may", c.socket)
	case err != nil:
		return nil, fmt.Errorf("asking the station: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var p struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if json.Unmarshal(b, &p) != nil || p.Detail == "" {
		return nil, fmt.Errorf("the station answered %s", resp.Status)
	}
	e := &station.Error{Code: station.CodeInvalid, Text: p.Detail}
	if code, ok := strings.CutPrefix(p.Type, errorType); ok {
		e.Code = station.Code(code)
	}
	return nil, e
}

func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (out T, err error) {
	var body io.Reader
	contentType := ""
	switch b := in.(type) {
	case nil:
	case []byte:
		body, contentType = bytes.NewReader(b), "application/octet-stream"
	default:
		j, err := json.Marshal(in)
		if err != nil {
			return out, fmt.Errorf("asking the station: %w", err)
		}
		body, contentType = bytes.NewReader(j), "application/json"
	}
	resp, err := c.do(ctx, method, path, query, contentType, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	err = decode(resp.Body, &out)
	return out, err
}

func decode(r io.Reader, out any) error {
	if err := json.NewDecoder(r).Decode(out); err != nil {
		return fmt.Errorf("reading the station's answer: %w", err)
	}
	return nil
}

// bytes asks for a document.
func (c *Client) document(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	var r io.Reader
	contentType := ""
	if len(body) > 0 {
		r, contentType = bytes.NewReader(body), "application/octet-stream"
	}
	resp, err := c.do(ctx, method, path, query, contentType, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the station's answer: %w", err)
	}
	return b, nil
}

func contactPath(ref string, more ...string) string {
	return strings.Join(append([]string{"/v1/contacts", url.PathEscape(ref)}, more...), "/")
}

// Status returns the station's status.
func (c *Client) Status(ctx context.Context) (station.Status, error) {
	return call[station.Status](ctx, c, http.MethodGet, "/v1/status", nil, nil)
}

// Unlock opens the vault; Lock closes it.
func (c *Client) Unlock(ctx context.Context, passphrase string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/unlock", nil, map[string]string{"passphrase": passphrase})
	return err
}

// Lock closes the vault.
func (c *Client) Lock(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, "/v1/lock", nil, nil)
	return err
}

// Traffic returns the station's traffic of the last rounds.
func (c *Client) Traffic(ctx context.Context, rounds int) ([]station.TrafficTick, error) {
	return call[[]station.TrafficTick](ctx, c, http.MethodGet, "/v1/traffic", url.Values{"rounds": {strconv.Itoa(rounds)}}, nil)
}

// Contacts returns all contacts.
func (c *Client) Contacts(ctx context.Context) ([]station.ContactInfo, error) {
	return call[[]station.ContactInfo](ctx, c, http.MethodGet, "/v1/contacts", nil, nil)
}

// Contact returns one contact by identifier or name.
func (c *Client) Contact(ctx context.Context, ref string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodGet, contactPath(ref), nil, nil)
}

// Invite makes an invitation that holds for the given time (0: the default).
func (c *Client) Invite(ctx context.Context, name string, expires time.Duration) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPost, "/v1/invitations", nil,
		map[string]any{"name": name, "expires_seconds": int64(expires / time.Second)})
}

// Cancel withdraws an invitation.
func (c *Client) Cancel(ctx context.Context, ref string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, "/v1/invitations/"+url.PathEscape(ref), nil, nil)
	return err
}

// Accept accepts an invitation given as text or words.
func (c *Client) Accept(ctx context.Context, name, invitation string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPost, "/v1/contacts", nil, map[string]string{"name": name, "invitation": invitation})
}

// Rename gives a contact another name.
func (c *Client) Rename(ctx context.Context, ref, name string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPatch, contactPath(ref), nil, map[string]string{"name": name})
}

// Words returns the words to compare.
func (c *Client) Words(ctx context.Context, ref string) ([]string, error) {
	w, err := call[struct {
		Words []string `json:"words"`
	}](ctx, c, http.MethodGet, contactPath(ref, "words"), nil, nil)
	return w.Words, err
}

// compared are the words that were the same on both sides.
type compared struct {
	Words []string `json:"words,omitempty" required:"false" doc:"the words that were compared: refused if they are not those of the contact now"`
}

// Confirm marks a contact verified. The station refuses words that are not those of
// the contact now; without words it confirms whatever they are.
func (c *Client) Confirm(ctx context.Context, ref string, words ...string) (station.ContactInfo, error) {
	if len(words) == 0 {
		return call[station.ContactInfo](ctx, c, http.MethodPost, contactPath(ref, "confirm"), nil, nil)
	}
	return call[station.ContactInfo](ctx, c, http.MethodPost, contactPath(ref, "confirm"), nil, compared{words})
}

// Deliver sends what waits for a contact that was met again from a backup, although its
// words were not compared again.
func (c *Client) Deliver(ctx context.Context, ref string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPost, contactPath(ref, "deliver"), nil, nil)
}

// AssignLane gives a contact an idle lane.
func (c *Client) AssignLane(ctx context.Context, ref string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodPut, contactPath(ref, "lane"), nil, nil)
}

// FreeLane takes a contact's lane away.
func (c *Client) FreeLane(ctx context.Context, ref string) (station.ContactInfo, error) {
	return call[station.ContactInfo](ctx, c, http.MethodDelete, contactPath(ref, "lane"), nil, nil)
}

// Follow calls f for every notice until ctx ends, the station stops or f returns
// an error. ready, if not nil, runs once the stream stands: nothing that happens
// after it is missed.
func (c *Client) Follow(ctx context.Context, ready func(), f func(station.Notice) error) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/events", nil, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if ready != nil {
		ready()
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var n station.Notice
		if err := json.Unmarshal([]byte(data), &n); err != nil {
			return fmt.Errorf("reading the station's events: %w", err)
		}
		if err := f(n); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the station's events: %w", err)
	}
	return errors.New("the station stopped")
}
