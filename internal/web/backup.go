package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// backupType is the media type of a backup.
const backupType = "application/octet-stream"

// registerBackup serves POST /v1/backup: an encrypted backup, as it is made. What
// fails before its first byte is a problem document; later the connection breaks,
// and the file that came does not open to its end.
func registerBackup(api huma.API, s *station.Station) {
	type backup struct {
		Body struct {
			Passphrase string `json:"passphrase" minLength:"1" doc:"protects the backup; it may be another than the vault's"`
		}
	}
	op := operation(http.MethodPost, "/v1/backup", "backup", "An encrypted backup of contacts and letters, for \"backchannel restore\"", 200)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "the backup file",
		Content:     map[string]*huma.MediaType{backupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	huma.Register(api, op, func(ctx context.Context, in *backup) (*huma.StreamResponse, error) {
		// The first write tells whether there will be a file at all.
		r, w := io.Pipe()
		go func() { w.CloseWithError(s.Backup(ctx, []byte(in.Body.Passphrase), w)) }()
		first := make([]byte, 512)
		n, err := r.Read(first)
		if err != nil {
			return nil, problem(err)
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer func() { _ = r.Close() }() // never fails; a writer that still writes stops
			c.SetHeader("Content-Type", backupType)
			c.SetHeader("Content-Disposition", "attachment")
			c.SetHeader("X-Content-Type-Options", "nosniff")
			c.SetHeader("Cache-Control", "no-store")
			out := c.BodyWriter()
			if _, err := out.Write(first[:n]); err == nil {
				_, err = io.Copy(out, r)
				if err == nil {
					return
				}
			}
			panic(http.ErrAbortHandler) // so that a part does not look whole
		}}, nil
	})
}

// Backup has the station write an encrypted backup to w. If it fails, what was
// written does not open to its end.
func (c *Client) Backup(ctx context.Context, passphrase string, w io.Writer) error {
	body, err := json.Marshal(map[string]string{"passphrase": passphrase})
	if err != nil {
		return fmt.Errorf("asking the station: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/backup", nil, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the station broke off; its status may say why")
		}
		return fmt.Errorf("receiving the backup: %w", err)
	}
	return nil
}
