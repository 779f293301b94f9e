package main

import (
	"strings"
	"testing"
)

func TestEveryRuleIsReported(t *testing.T) {
	var out, errs strings.Builder
	if code := run([]string{"--json"}, &out, &errs); code != 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 16 {
		t.Errorf("%d attacks were reported", n)
	}
	if code := run([]string{"--nonsense"}, &out, &errs); code != 2 {
		t.Errorf("a wrong flag gives exit code %d", code)
	}
}
