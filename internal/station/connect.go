package station

import (
	"context"
	"slices"
)

// ConnectionState is what holds now and what will hold from the next start.
type ConnectionState struct {
	Running Connection `json:"running" doc:"what this station was started with"`
	Kept    Connection `json:"kept" doc:"what its configuration says, and what holds from the next start"`
	Pending bool       `json:"pending" doc:"the two differ: start the station again"`
}

// ConnectionChange says what of a connection is to be another. What is nil stays.
type ConnectionChange struct {
	SOCKS5 *string   `json:"socks5,omitempty" maxLength:"300" doc:"host:port of a proxy; empty for none"`
	Page   *string   `json:"page,omitempty" maxLength:"300" doc:"loopback host:port of the pages; empty for none"`
	Remote *string   `json:"remote,omitempty" maxLength:"300" doc:"host:port for paired devices; empty for none"`
	Notify *[]string `json:"notify,omitempty" maxItems:"64" doc:"a command with its whole path, and its arguments; empty for none"`
}

// of applies a change.
func (c ConnectionChange) of(n Connection) Connection {
	for _, f := range []struct {
		to   *string
		from *string
	}{{&n.SOCKS5, c.SOCKS5}, {&n.Page, c.Page}, {&n.Remote, c.Remote}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Notify != nil {
		n.Notify = slices.Clone(*c.Notify)
	}
	return n
}

// ConnectionState reads the file of the configuration again. CodeConflict: the file
// cannot be read any more.
func (s *Station) ConnectionState(context.Context) (ConnectionState, error) {
	kept, err := s.cfg.Kept()
	if err != nil {
		return ConnectionState{}, &Error{CodeConflict, "reading what holds from the next start", err}
	}
	out := ConnectionState{Running: s.cfg.Connection(), Kept: kept.Connection()}
	out.Pending = !out.Running.Same(out.Kept)
	for _, n := range []*Connection{&out.Running, &out.Kept} {
		if n.Notify == nil {
			n.Notify = []string{}
		}
	}
	return out, nil
}

// ChangeConnection writes the configuration, for the next start. A command that is
// run here and a proxy that leads the traffic elsewhere are more than anything else
// that can be set, so it asks for the passphrase, of an open vault too. CodeDenied:
// it is another; CodeInvalid: the station could not start with that.
func (s *Station) ChangeConnection(ctx context.Context, passphrase []byte, change ConnectionChange) (ConnectionState, error) {
	if err := s.askAgain(ctx, passphrase); err != nil {
		return ConnectionState{}, err
	}
	s.reconnect.Lock() // what stays is what the change before has left
	defer s.reconnect.Unlock()
	now, err := s.ConnectionState(ctx)
	if err != nil {
		return ConnectionState{}, err
	}
	if err := s.cfg.SetConnection(change.of(now.Kept)); err != nil {
		return ConnectionState{}, err
	}
	return s.ConnectionState(ctx)
}

// askAgain checks a passphrase that was given once more, one at a time: each takes
// as much memory as opening the vault does.
func (s *Station) askAgain(ctx context.Context, passphrase []byte) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	if err := ctx.Err(); err != nil {
		return s.trouble("checking the passphrase", err) // who asked has gone while it waited
	}
	return s.CheckPassphrase(ctx, passphrase)
}
