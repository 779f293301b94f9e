package pass

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

func scatterGeneric(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	n := len(keys) / KeySize
	var iv [BlockSize]byte
	binary.BigEndian.PutUint64(iv[:], round)
	for i := first; len(in) > 0; i++ {
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
		cipher.NewCTR(b, iv[:]).XORKeyStream(dst[to*cell:(to+1)*cell], in[:cell])
		in = in[cell:]
	}
	return true
}

func copyScatterGeneric(dst, in []byte, first, cell int, perm []uint32) bool {
	n := len(perm)
	for i := first; len(in) > 0; i++ {
		to := int(perm[i])
		if to >= n {
			return false
		}
		copy(dst[to*cell:(to+1)*cell], in[:cell])
		in = in[cell:]
	}
	return true
}
