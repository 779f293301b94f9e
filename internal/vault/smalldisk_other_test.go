//go:build !linux

package vault

import "testing"

// smallDisk needs a file system that a test can make.
func smallDisk(t *testing.T, _ int) string {
	t.Skip("mounting a small file system is for Linux; TestFullByPages tests the same")
	return ""
}
