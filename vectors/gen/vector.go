package main

import (
	"encoding/hex"
	"errors"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// vector is one test: an operation with inputs and either outputs or a failure.
type vector struct {
	Op    string         `json:"op"`
	Name  string         `json:"name,omitempty"` // what is special about it
	In    map[string]any `json:"in"`
	Out   map[string]any `json:"out,omitempty"`
	Error string         `json:"error,omitempty"` // see the README
}

// m is short for the inputs or outputs of a vector.
type m = map[string]any

// The names of expected failures.
const (
	failMalformed = "malformed" // a decoder refuses the bytes
	failOpen      = "open"      // an authenticated opening fails
	failSignature = "signature" // a signature does not verify
	failUnsigned  = "unsigned"  // a network file lacks a right signature
)

// hx writes bytes as hexadecimal text.
func hx[T ~[]byte | ~[16]byte | ~[32]byte](b T) string { return hex.EncodeToString(bytesOf(b)) }

func bytesOf[T ~[]byte | ~[16]byte | ~[32]byte](v T) []byte {
	switch b := any(v).(type) {
	case [16]byte:
		return b[:]
	case [32]byte:
		return b[:]
	case []byte:
		return b
	}
	panic(fmt.Sprintf("gen: %T is not bytes", v)) // a named type; none is used
}

// unhx is the inverse for constants of this package.
func unhx(s string) []byte { return must(hex.DecodeString(s)) }

// must stops the generator: a vector that cannot be made is a bug.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// failed returns the name of err and stops the generator if there is none.
func failed(err error) string {
	var unsigned *wire.UnsignedError
	switch {
	case errors.As(err, &unsigned):
		return failUnsigned
	case errors.Is(err, wire.ErrMalformed):
		return failMalformed
	case errors.Is(err, suite.ErrOpen):
		return failOpen
	}
	panic(fmt.Sprintf("gen: expected a failure, got %v", err))
}

// refuses stops the generator if a check that must fail did not.
func refuses(ok bool) string {
	if ok {
		panic("gen: a signature that must not verify does")
	}
	return failSignature
}

// pattern is n bytes that grow from a seed: SHA-256 in counter mode.
func pattern(seed string, n int) []byte {
	var out []byte
	for i := 0; len(out) < n; i++ {
		d := suite.Digest(fmt.Appendf(nil, "vectors/%s/%d", seed, i))
		out = append(out, d[:]...)
	}
	return out[:n]
}

// pattern32 is pattern for seeds and keys.
func pattern32(seed string) [32]byte { return [32]byte(pattern(seed, 32)) }

// flip returns a copy with one bit changed.
func flip(b []byte, at int) []byte {
	c := append([]byte(nil), b...)
	c[at] ^= 1
	return c
}
