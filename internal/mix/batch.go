package mix

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// OpenBatch is the MIX step of relay number hop (from 0): it opens one layer of
// every onion in the whole array in, under H(header), and returns the next
// layer's onions in a uniformly random order, as many as came in, together with
// the relay's state of the circuits. It uses up to workers cores.
//
// An onion that does not open, and every further copy of one that came twice
// (compared by full hash), becomes random bytes of the next layer's size with
// random circuit keys: nothing outside this process can tell. The last relay's
// inner envelopes stay inside the Set, in input order, and out is nil.
//
// An array that is no whole number of onions, a hop outside of the chain and an
// erased key are refused before anything is computed. The caller makes sure that
// this is the only batch of the attempt and that in has as many onions as the
// roster says.
func OpenBatch(p wire.Params, hop int, outer suite.PrivateKey, header wire.Hash, in []byte, workers int) (out []byte, s *Set, err error) {
	if hop < 0 || hop >= p.Relays {
		return nil, nil, fmt.Errorf("mixing a batch: no hop %d in a chain of %d", hop, p.Relays)
	}
	size, next := p.OnionSize(hop), p.OnionSize(hop+1)
	n := len(in) / size
	switch {
	case !outer.Valid():
		return nil, nil, errors.New("mixing a batch: the outer key of this attempt is erased")
	case len(in)%size != 0:
		return nil, nil, fmt.Errorf("mixing a batch: %d bytes are no whole number of onions of %d", len(in), size)
	case n > math.MaxInt32:
		return nil, nil, fmt.Errorf("mixing a batch: %d onions are more than any network has", n)
	}
	s = newSet(p, hop, header, n, workers)
	repeated := duplicates(in, size, workers)
	out = make([]byte, n*next)
	parallel(n, workers, func(i int) {
		to := i
		if s.perm != nil {
			to = int(s.perm[i])
		}
		slot := out[to*next : (to+1)*next]
		var k hopKeys
		if repeated[i] || !openLayer(slot, &k, hop, outer, &header, in[i*size:(i+1)*size]) {
			suite.Random(slot)
			k = randomKeys()
		}
		s.put(i, to, &k)
	})
	if s.last() {
		s.envelopes, out = out, nil
	}
	return out, s, nil
}

// openLayer writes the next layer into slot and the exports into k, or changes
// neither.
func openLayer(slot []byte, k *hopKeys, hop int, outer suite.PrivateKey, header *wire.Hash, onion []byte) bool {
	pt, e, err := outer.Open(suite.LabelOuter, onion, header[:], hopByte(hop))
	if err != nil || len(pt) != len(slot) {
		return false
	}
	copy(slot, pt)
	clear(pt)
	*k = export(e)
	return true
}

// duplicates marks every copy of an onion but the first. Copies are recognised
// by the hash of all their bytes: one changed bit anywhere makes another onion,
// which then does not open.
func duplicates(in []byte, size, workers int) []bool {
	n := len(in) / size
	hashes := make([][suite.HashSize]byte, n)
	parallel(n, workers, func(i int) {
		onion := in[i*size : (i+1)*size]
		if weakened.LooseTags {
			onion = onion[:4]
		}
		hashes[i] = suite.Digest(onion)
	})
	repeated := make([]bool, n)
	seen := make(map[[suite.HashSize]byte]struct{}, n)
	for i, h := range hashes {
		if _, repeated[i] = seen[h]; !repeated[i] {
			seen[h] = struct{}{}
		}
	}
	return repeated
}

// invert is the way back through a permutation.
func invert(perm []uint32) []uint32 { return pass.Invert(perm) }

// stride is how many indices a worker takes at a time: enough to make taking
// free, few enough that workers end together.
const stride = 16

// parallel calls f for every index below n from up to workers goroutines and
// returns when all are done.
func parallel(n, workers int, f func(i int)) {
	workers = max(1, min(workers, (n+stride-1)/stride))
	var taken atomic.Int64
	work := func() {
		for {
			from := int(taken.Add(stride)) - stride
			if from >= n {
				return
			}
			for i := from; i < min(from+stride, n); i++ {
				f(i)
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
