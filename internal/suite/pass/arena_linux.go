package pass

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a transparent huge page on the machines that have them.
const hugePage = 2 << 20

// Arena returns n zero bytes outside the Go heap, in huge pages where the
// kernel grants them: a scattered write then costs no page walk, which is worth
// about half of a pass. It starts at a page, so cells are aligned to cache
// lines. Give it back with Free; the garbage collector does not. It panics
// when the system has no memory, as make does. Arena(0) is nil.
func Arena(n int) []byte {
	if n == 0 {
		return nil
	}
	b, err := unix.Mmap(-1, 0, arenaSize(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("pass: mapping an arena of %d bytes: %v", n, err))
	}
	if n >= hugePage {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // refused by kernels without huge pages; the arena works all the same
	}
	return b[:n:n]
}

// Free returns an arena to the system. b must be what Arena returned, whole;
// nobody may use it afterwards. Free(nil) does nothing. It does not erase:
// the kernel gives zeroed pages to whoever is next.
func Free(b []byte) {
	if len(b) == 0 {
		return
	}
	if err := unix.Munmap(unsafe.Slice(&b[0], arenaSize(len(b)))); err != nil {
		panic(fmt.Sprintf("pass: freeing an arena of %d bytes: %v", len(b), err))
	}
}

// arenaSize is what an arena of n bytes maps: whole huge pages once it is
// large enough for one, so that its end is not left in small ones.
func arenaSize(n int) int {
	if n < hugePage {
		return n
	}
	return (n + hugePage - 1) &^ (hugePage - 1)
}
