package conduct

import (
	"bytes"
	"testing"

	"backchannel/internal/negotiation"
)

func FuzzMessage(f *testing.F) {
	f.Add(Message{}.Encode())
	f.Add(Message{Of: negotiation.ID{1}, Attempt: 3, Bytes: []byte("x")}.Encode())
	f.Add([]byte{0x83, 0x40, 0x00, 0x40})
	f.Add([]byte{0x9f, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseMessage(b); err == nil && !bytes.Equal(m.Encode(), b) {
			t.Error("two encodings of one message")
		}
	})
}

func TestMessage(t *testing.T) {
	want := Message{Of: negotiation.ID{1}, Attempt: 3, Bytes: []byte("x")}
	got, err := ParseMessage(want.Encode())
	if err != nil || got.Of != want.Of || got.Attempt != 3 || string(got.Bytes) != "x" {
		t.Fatal(got, err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": want.Encode()[:10], "trailing": append(want.Encode(), 0), "map": {0xa0},
		"indefinite": {0x9f, 0xff}, "short id": {0x83, 0x41, 0x01, 0x00, 0x40},
	} {
		if _, err := ParseMessage(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
