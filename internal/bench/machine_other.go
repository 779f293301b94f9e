//go:build !linux

package bench

import "time"

const clockName = "wall clock: this system is not asked for CPU time, so other work on the machine counts"

var start = time.Now()

func threadTime() time.Duration  { return time.Since(start) }
func processTime() time.Duration { return time.Since(start) }

// memoryFree is unknown here.
func memoryFree() uint64 { return 0 }

// processor is unknown here.
func processor() string { return "" }
