//go:build !amd64

package suite

import "crypto/hpke"

// growPrivateKey chooses what opens: without assembly for this processor, what the
// standard library has is not slower for sure.
func growPrivateKey(seed [SeedSize]byte) (hpke.PrivateKey, error) { return stdPrivateKey(seed) }
