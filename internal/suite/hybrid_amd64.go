package suite

import "crypto/hpke"

// growPrivateKey chooses what opens: circl has assembly for this processor.
func growPrivateKey(seed [SeedSize]byte) (hpke.PrivateKey, error) { return circlPrivateKey(seed) }
