package seal_test

import (
	"testing"

	"backchannel/internal/negotiation/seal"
)

func TestParseKey(t *testing.T) {
	k := key(t, "kept")
	again, err := seal.ParseKey(k.Secret())
	if err != nil || again.Public() != k.Public() {
		t.Errorf("a kept key does not come back: %v", err)
	}
	for name, b := range map[string][]byte{"zero": make([]byte, 32), "the order": little(orderL), "short": make([]byte, 31)} {
		if _, err := seal.ParseKey(b); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
