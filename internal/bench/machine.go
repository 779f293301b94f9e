package bench

import (
	"runtime"

	"backchannel/internal/suite/pass"
)

// Machine is what the figures of a report depend on. It names no host.
type Machine struct {
	System    string `json:"system"`
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Go        string `json:"go"`
	Kernel    string `json:"kernel"` // implementation of the relay's pass
}

func machine() Machine {
	m := Machine{runtime.GOOS + "/" + runtime.GOARCH, processor(), runtime.GOMAXPROCS(0), runtime.Version(), pass.Paths()[0]}
	if m.Processor == "" {
		m.Processor = "unknown processor"
	}
	return m
}
