//go:build race

package vault

// raceDetector tells that memory is not the program's own.
const raceDetector = true
