//go:build (amd64 || arm64 || s390x) && !purego

package pass

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/sys/cpu"
)

// stdHasAES says whether crypto/aes encrypts with instructions of the
// processor. Where it does not it reads tables at addresses that depend on the
// key, and the std path is not offered.
var stdHasAES = cpu.X86.HasAES && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3 || cpu.ARM64.HasAES || cpu.S390X.HasAES

// portable lists the implementations in plain Go, best first.
var portable = func() (p []path) {
	if stdHasAES {
		p = append(p, path{"std", scatterStd})
	}
	return append(p, path{"generic", scatterGeneric})
}()

// scatterStd is the straightforward loop over the standard library. It is two
// to three times as fast as the generic path where the processor has AES
// instructions, and the only path that allocates: crypto/aes takes a key only
// as a new object, and CTR mode copies that, about a kilobyte per cell for the
// garbage collector.
func scatterStd(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	n := len(keys) / KeySize
	iv := make([]byte, BlockSize)
	binary.BigEndian.PutUint64(iv, round)
	for i := first; len(in) > 0; i, in = i+1, in[cell:] {
		to := i
		if perm != nil {
			to = int(perm[i])
		}
		if to >= n {
			return false
		}
		b, err := aes.NewCipher(keys[i*KeySize : (i+1)*KeySize])
		if err != nil {
			panic("pass: AES-256 refuses a 32-byte key: " + err.Error())
		}
		cipher.NewCTR(b, iv).XORKeyStream(dst[to*cell:(to+1)*cell], in[:cell])
	}
	return true
}
