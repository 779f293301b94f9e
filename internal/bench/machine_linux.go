package bench

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const clockName = "CPU time of threads"

// The clocks of clock_gettime(2). Resource usage would be no substitute: the kernel
// brings it up to date only at its ticks, which are longer than a pass.
const (
	clockProcess = 2
	clockThread  = 3
)

func clock(id uintptr) time.Duration {
	var t syscall.Timespec
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		panic("bench: no CPU clock: " + e.Error()) // both clocks exist since Linux 2.6.12
	}
	return time.Duration(t.Nano())
}

// threadTime is the CPU time of the calling thread, which other work on the machine
// does not lengthen; processTime that of the whole process.
func threadTime() time.Duration  { return clock(clockThread) }
func processTime() time.Duration { return clock(clockProcess) }

// memoryFree is how many bytes can be used without swapping; 0 if unknown.
func memoryFree() uint64 {
	kb, err := strconv.ParseUint(strings.TrimSuffix(field("/proc/meminfo", "MemAvailable"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

func processor() string { return field("/proc/cpuinfo", "model name") }

// field is the first value of a name in a file of lines "name: value", or "".
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
