//go:build !(amd64 || arm64 || s390x) || purego

package pass

// portable lists the implementations in plain Go, best first.
var portable = []path{{"generic", scatterGeneric}}
