//go:build !linux

package pass

// Arena returns n zero bytes; on Linux they lie outside the Go heap in huge
// pages, here they are ordinary memory. Give it back with Free.
func Arena(n int) []byte { return make([]byte, n) }

// Free returns an arena to the system; here the garbage collector does that.
func Free(b []byte) {}
