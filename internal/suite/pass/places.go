//go:build (amd64 || arm64) && !purego

package pass

// inOrder stands in for a permutation: the kernels always have one.
var inOrder = func() (p [chunkCells]uint32) {
	for i := range p {
		p[i] = uint32(i)
	}
	return p
}()

// places returns what the kernels take as the start of the output and of the
// permutation. Without a permutation the output starts at the first cell.
func places(dst []byte, first, cell int, perm []uint32) (*byte, *uint32) {
	if perm == nil {
		return &dst[first*cell], &inOrder[0]
	}
	return &dst[0], &perm[first]
}
