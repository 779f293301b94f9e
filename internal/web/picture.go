package web

import (
	"bytes"
	"errors"
	"image"
	_ "image/gif"  // decoders of what may be previewed
	_ "image/jpeg" //
	"image/png"
	"strings"
)

// A preview is drawn anew on the station: the browser is never given the bytes
// that somebody else made, and the page has no place where a script or a foreign
// address could be. Anything but these pictures is a file to download.
const (
	maxPreviewBytes  = 8 << 20
	maxPreviewPixels = 12_000_000
	previewWidth     = 840
)

var previewTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true}

func previewable(mediaType string, size int64) bool {
	kind, _, _ := strings.Cut(mediaType, ";")
	return previewTypes[strings.ToLower(strings.TrimSpace(kind))] && size <= maxPreviewBytes
}

// redraw decodes a picture within limits and encodes it as PNG, at most as wide as
// it is shown.
func redraw(content []byte, mediaType string) ([]byte, error) {
	if !previewable(mediaType, int64(len(content))) {
		return nil, errors.New("this kind of file has no preview")
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPreviewPixels/cfg.Height {
		return nil, errors.New("the picture is too large for a preview")
	}
	src, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = png.Encode(&b, shrink(src))
	return b.Bytes(), err
}

// shrink takes every n-th pixel of a picture that is too wide.
func shrink(src image.Image) image.Image {
	r := src.Bounds()
	step := (max(r.Dx(), r.Dy()) + previewWidth - 1) / previewWidth
	if step <= 1 {
		return src
	}
	out := image.NewRGBA(image.Rect(0, 0, r.Dx()/step, r.Dy()/step))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			out.Set(x, y, src.At(r.Min.X+x*step, r.Min.Y+y*step))
		}
	}
	return out
}
