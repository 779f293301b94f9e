package contact

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tyler-smith/go-bip39/wordlists"
	"pgregory.net/rapid"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

var network = wire.Hash{0xab, 0xcd, 1, 2, 3}

func params(t testing.TB, preset string) wire.Params {
	t.Helper()
	p, err := wire.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return p
}

func sample() Invitation {
	inv := Invitation{IssueEpoch: 123456, Network: [2]byte{0xab, 0xcd}, Code: 33}
	for i := range inv.Sigma {
		inv.Sigma[i] = byte(i * 7)
	}
	return inv
}

func drawInvitation(t *rapid.T) Invitation {
	return Invitation{
		Sigma: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sigma")), IssueEpoch: rapid.Uint32().Draw(t, "epoch"),
		Network: [2]byte(rapid.SliceOfN(rapid.Byte(), 2, 2).Draw(t, "network")), Code: rapid.Uint8Range(0, 63).Draw(t, "code"),
	}
}

func TestInvitationForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := drawInvitation(t)
		words := inv.Words()
		if len(words) != 31 {
			t.Fatalf("%d words", len(words))
		}
		for _, form := range []string{
			inv.Text(), inv.QR(), strings.Join(words, " "), strings.ToUpper(strings.Join(words, "\r\n\t ")),
			"\n " + strings.ReplaceAll(inv.Text(), "-", "") + "\n", strings.ReplaceAll(inv.Text(), "-", " -\u00a0\n"),
		} {
			got, err := ParseInvitation(form)
			if err != nil || got != inv {
				t.Fatalf("%q: %+v, %v", form, got, err)
			}
		}
	})
}

// The size on paper and in a QR code: its alphanumeric set, and no more letters
// than documented.
func TestTextShape(t *testing.T) {
	text := sample().Text()
	if len(text) != 12+69+13 || !strings.HasPrefix(text, TextPrefix) {
		t.Errorf("%q", text)
	}
	for _, group := range strings.Split(strings.TrimPrefix(text, TextPrefix), "-") {
		if len(group) != 5 && len(group) != 4 {
			t.Errorf("a group of %d letters", len(group))
		}
	}
	if s := strings.Trim(sample().QR(), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"); s != "" {
		t.Errorf("QR has %q outside of its alphanumeric set", s)
	}
}

// The layout, computed once more by hand.
func TestLayout(t *testing.T) {
	inv := sample()
	var bits strings.Builder
	add := func(b byte, width int) {
		for i := width - 1; i >= 0; i-- {
			bits.WriteByte('0' + b>>i&1)
		}
	}
	add(1, 4)
	for _, b := range inv.Sigma {
		add(b, 8)
	}
	for i := 24; i >= 0; i -= 8 {
		add(byte(inv.IssueEpoch>>i), 8)
	}
	add(inv.Network[0], 8)
	add(inv.Network[1], 8)
	add(inv.Code, 6)
	if bits.Len() != 314 {
		t.Fatal(bits.Len())
	}
	padded := bits.String() + "000000"
	payload := make([]byte, 40)
	for i, c := range padded {
		payload[i/8] |= byte(c-'0') << (7 - i%8)
	}
	h := suite.Hash(suite.LabelInvitation, payload)
	for i := range 27 {
		add(h[i/8]>>(7-i%8), 1)
	}
	all := bits.String()
	for i, w := range inv.Words() {
		n := 0
		for _, c := range all[11*i : 11*i+11] {
			n = 2*n + int(c-'0')
		}
		if wordlists.English[n] != w {
			t.Errorf("word %d is %q, want %q", i+1, w, wordlists.English[n])
		}
	}
}

// Every way to mistype has its own message, and none is taken for another.
func TestMistyped(t *testing.T) {
	words := sample().Words()
	text := sample().Text()
	change := func(i int, w string) []string {
		c := slices.Clone(words)
		c[i] = w
		return c
	}
	next := func(w string) string {
		i, _ := slices.BinarySearch(wordlists.English, w)
		return wordlists.English[(i+1)%2048]
	}
	for name, c := range map[string]struct {
		in       string
		is       error
		says     string
		position int
		nearest  string
	}{
		"a letter replaced":       {strings.Join(change(6, "abanden"), " "), ErrMistyped, `word 7, "abanden", is not in the list: it may be "abandon"`, 7, "abandon"},
		"a letter missing":        {strings.Join(change(30, "zer"), " "), ErrMistyped, `it may be "zero"`, 31, "zero"},
		"letters swapped":         {strings.Join(change(3, "ocaen"), " "), ErrMistyped, `word 4, "ocaen", is not in the list: it may be "ocean"`, 4, "ocean"},
		"another language":        {strings.Join(change(3, "océan"), " "), ErrMistyped, `it may be "ocean"`, 4, "ocean"},
		"a number":                {strings.Join(change(0, "1."), " "), ErrMistyped, "word 1", 1, ""},
		"very long":               {strings.Join(change(0, strings.Repeat("zeugma", 100)), " "), ErrMistyped, "word 1", 1, ""},
		"another word":            {strings.Join(change(9, next(words[9])), " "), ErrMistyped, "one of the words is wrong or in the wrong order", 0, ""},
		"two words swapped":       {strings.Join(append([]string{words[1], words[0]}, words[2:]...), " "), ErrMistyped, "one of the words is wrong or in the wrong order", 0, ""},
		"a word missing":          {strings.Join(words[:30], " "), ErrMistyped, "30 words instead of 31: one is missing", 0, ""},
		"many words missing":      {strings.Join(words[:4], " "), ErrMistyped, "27 are missing", 0, ""},
		"a word too many":         {strings.Join(append(slices.Clone(words), "zoo"), " "), ErrMistyped, "one is too many", 0, ""},
		"words twice":             {strings.Join(append(words, words...), " "), ErrMistyped, "31 are too many", 0, ""},
		"text: another letter":    {text[:20] + map[bool]string{true: "b", false: "a"}[text[20] == 'a'] + text[21:], ErrMistyped, "a letter of the invitation is wrong", 0, ""},
		"text: a digit":           {text[:20] + "0" + text[21:], ErrMistyped, `letter 8 after "backchannel:" is "0"`, 8, "o"},
		"text: a stranger":        {text[:12] + "é" + text[13:], ErrMistyped, `letter 1`, 1, ""},
		"text: cut":               {text[:80], ErrMistyped, "instead of 69: copy all of it", 0, ""},
		"text: doubled":           {text + text[12:], ErrMistyped, "138 letters", 0, ""},
		"text: nothing":           {"backchannel:", ErrMistyped, "0 letters", 0, ""},
		"text: last letter's end": {text[:len(text)-1] + "b", ErrMistyped, "a letter of the invitation is wrong", 0, ""},
		"nothing":                 {"", ErrMalformed, "31 words", 0, ""},
		"blanks":                  {" \n ", ErrMalformed, "31 words", 0, ""},
		"without prefix":          {strings.TrimPrefix(text, TextPrefix), ErrMalformed, `begins with "backchannel:"`, 0, ""},
		"a link":                  {"https://example.org/" + text, ErrMalformed, `begins with "backchannel:"`, 0, ""},
		"no text":                 {"\xff\xfe", ErrMalformed, "no text", 0, ""},
		"endless":                 {strings.Repeat("zoo ", 5000), ErrMalformed, "too long", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inv, err := ParseInvitation(c.in)
			if !errors.Is(err, c.is) || inv != (Invitation{}) {
				t.Fatalf("%v", err)
			}
			if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 200 {
				t.Errorf("it says %q, want %q", err, c.says)
			}
			var e *SpellingError
			if errors.As(err, &e) != (c.is == ErrMistyped) {
				t.Errorf("type %T", err)
			}
			if e != nil && (e.Position != c.position || c.nearest != "" && e.Nearest != c.nearest) {
				t.Errorf("%+v", e)
			}
			for _, other := range []error{ErrMistyped, ErrMalformed, ErrVersion, ErrExpired, ErrOtherNetwork, ErrFuture} {
				if other != c.is && errors.Is(err, other) {
					t.Errorf("it is also %v", other)
				}
			}
		})
	}
}

// No single wrong word or letter, and no swap, passes.
func TestEveryChangeIsNoticed(t *testing.T) {
	words, text := sample().Words(), []byte(sample().Text())
	for i := range words {
		for _, other := range []string{"abandon", "zoo", "ocean"} {
			if words[i] == other {
				continue
			}
			c := slices.Clone(words)
			c[i] = other
			if _, err := ParseInvitation(strings.Join(c, " ")); !errors.Is(err, ErrMistyped) {
				t.Errorf("word %d replaced: %v", i+1, err)
			}
		}
		if i > 0 && words[i] != words[i-1] {
			c := slices.Clone(words)
			c[i], c[i-1] = c[i-1], c[i]
			if _, err := ParseInvitation(strings.Join(c, " ")); !errors.Is(err, ErrMistyped) {
				t.Errorf("words %d and %d swapped: %v", i, i+1, err)
			}
		}
	}
	for i := len(TextPrefix); i < len(text); i++ {
		for _, r := range []byte(alphabet) {
			if text[i] == '-' || text[i] == r {
				continue
			}
			c := bytes.Clone(text)
			c[i] = r
			if _, err := ParseInvitation(string(c)); !errors.Is(err, ErrMistyped) {
				t.Errorf("letter %d replaced by %c: %v", i, r, err)
			}
		}
	}
}

// Another version with a right checksum is told apart from a mistyped one.
func TestUnknownVersion(t *testing.T) {
	for version := range 16 {
		b := sample().bits()
		b[0] = byte(version)<<4 | b[0]&0xf
		sum := checksum(b)
		for i := range checksumBits {
			at := payloadBits + i
			b[at/8] = b[at/8]&^(1<<(7-at%8)) | byte(sum>>(checksumBits-1-i)&1)<<(7-at%8)
		}
		words := make([]string, WordCount)
		for i := range words {
			words[i] = Word(uint16(field(b[:], i*wordBits, wordBits)))
		}
		_, err := ParseInvitation(strings.Join(words, " "))
		if version == InvitationVersion && err != nil || version != InvitationVersion && err != ErrVersion {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestCheck(t *testing.T) {
	p := params(t, "small")
	const epoch = 1000
	at := func(d time.Duration) time.Time { return p.EpochStart(epoch + 1).Add(d) }
	inv, err := NewInvitation(network, epoch, 24*time.Hour, p)
	if err != nil {
		t.Fatal(err)
	}
	if end := inv.Expiry(p); !end.Equal(at(24 * time.Hour)) {
		t.Errorf("ends %v", end)
	}
	for name, c := range map[string]struct {
		net  wire.Hash
		now  time.Time
		want error
	}{
		"at once":               {network, at(-p.Epoch), nil},
		"an epoch early":        {network, at(-2 * p.Epoch), nil},
		"two epochs early":      {network, at(-2*p.Epoch - 1), ErrFuture},
		"an hour early":         {network, at(-time.Hour), ErrFuture},
		"before the network":    {network, p.T0.Add(-time.Hour), ErrFuture},
		"the last moment":       {network, at(24*time.Hour - 1), nil},
		"the end":               {network, at(24 * time.Hour), ErrExpired},
		"years later":           {network, at(100000 * time.Hour), ErrExpired},
		"another network":       {wire.Hash{0xab, 0xce}, at(0), ErrOtherNetwork},
		"another, and expired":  {wire.Hash{0xab, 0xce}, at(48 * time.Hour), ErrOtherNetwork},
		"its first bytes alike": {wire.Hash{0xab, 0xcd, 99}, at(0), nil},
	} {
		if err := inv.Check(c.net, p, c.now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := inv.Check(network, p, at(24*time.Hour)); !strings.Contains(err.Error(), "3 January 2026, 09:22 UTC") {
		t.Errorf("when it ended: %v", err)
	}
	inv.Code = 0
	if !inv.Expiry(p).IsZero() || inv.Check(network, p, at(100000*time.Hour)) != nil {
		t.Error("an invitation for ever ends")
	}
	far := Invitation{IssueEpoch: 1<<32 - 1, Network: inv.Network, Code: 63}
	if err := far.Check(network, p, at(0)); err != ErrFuture {
		t.Errorf("from the end of time: %v", err)
	}
	early := Invitation{Network: inv.Network, Code: 1}
	if err := early.Check(network, p, p.T0.Add(-time.Second)); err != nil {
		t.Errorf("of epoch 0, just before it: %v", err)
	}
}

func TestNewInvitation(t *testing.T) {
	p := params(t, "demo")
	a, err := NewInvitation(network, 5, 0, p)
	if err != nil || a.Code != 0 || a.IssueEpoch != 5 || a.Network != [2]byte{0xab, 0xcd} {
		t.Errorf("%+v, %v", a, err)
	}
	b, err := NewInvitation(network, 5, 0, p)
	if err != nil || a.Sigma == b.Sigma || a.Sigma == [32]byte{} {
		t.Error("two invitations have one secret")
	}
	for _, d := range []time.Duration{-1, 1, 10*time.Minute - 1, 365*24*time.Hour + 1} {
		if _, err := NewInvitation(network, 5, d, p); !errors.Is(err, ErrExpiry) {
			t.Errorf("%v: %v", d, err)
		}
	}
	if _, err := NewInvitation(network, 1<<32, time.Hour, p); err == nil {
		t.Error("an epoch of 33 bits is accepted")
	}
}

func TestExpiryTable(t *testing.T) {
	for code := range uint8(64) {
		d := ExpiryDuration(code)
		if code == 0 {
			continue
		}
		if code > 1 && d <= ExpiryDuration(code-1) {
			t.Errorf("code %d does not ascend", code)
		}
		if got, err := ExpiryCode(d); err != nil || got != code {
			t.Errorf("%v: code %d, want %d, %v", d, got, code, err)
		}
		if got, err := ExpiryCode(d - 1); code > 1 && (err != nil || got != code-1) {
			t.Errorf("just under %v: code %d, %v", d, got, err)
		}
	}
	if ExpiryDuration(1) != MinExpiry || ExpiryDuration(63) != MaxExpiry {
		t.Error("the table's ends")
	}
	for d, want := range map[time.Duration]time.Duration{
		time.Hour: time.Hour, 2 * 24 * time.Hour: 2 * 24 * time.Hour, 7 * 24 * time.Hour: 7 * 24 * time.Hour, 13 * time.Hour: 12 * time.Hour,
	} {
		if code, err := ExpiryCode(d); err != nil || ExpiryDuration(code) != want {
			t.Errorf("%v becomes %v (%v)", d, ExpiryDuration(code), err)
		}
	}
}

func TestNearest(t *testing.T) {
	for typed, want := range map[string]string{
		"abandn": "abandon", "zooo": "zoo", "liberty1": "liberty", "aple": "apple", "recieve": "receive",
	} {
		if got := nearest(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	for i, w := range wordlists.English {
		if i%97 != 0 {
			continue
		}
		if got := nearest(w + "q"); edits([]rune(w+"q"), got) > 1 {
			t.Errorf("%q: %q", w+"q", got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.RuneFrom([]rune("abc")), 0, 8).Draw(t, "a")
		b := string(rapid.SliceOfN(rapid.RuneFrom([]rune("abc")), 0, 8).Draw(t, "b"))
		d := edits(a, b)
		if (d == 0) != (string(a) == b) || d > max(len(a), len(b)) || d < len(a)-len(b) || d < len(b)-len(a) || d != edits([]rune(b), string(a)) {
			t.Errorf("%q, %q: %d", string(a), b, d)
		}
	})
}

// TestFindInvitation: a file into which "backchannel invite" printed is an invitation.
func TestFindInvitation(t *testing.T) {
	inv := sample()
	text, words := inv.Text(), strings.Join(inv.Words(), " ")
	for name, c := range map[string]struct{ in, want string }{
		"printed":         {"Invitation for X, until Thursday:\n\n  " + text + "\r\n\nor in words:\n\n  " + words + "\n", text},
		"capitals":        {"Here it is:\n" + strings.ToUpper(text), strings.ToUpper(text)},
		"text alone":      {text + "\n", text + "\n"},
		"broken in lines": {text[:40] + "\n" + text[40:], text[:40] + "\n" + text[40:]},
		"words":           {words, words},
		"nothing":         {"", ""},
		"within a line":   {"it is " + text, "it is " + text},
	} {
		if got := FindInvitation(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzInvitation: what is accepted is encoded to the same words or letters.
func FuzzInvitation(f *testing.F) {
	inv := sample()
	f.Add(inv.Text())
	f.Add(inv.QR())
	f.Add(strings.Join(inv.Words(), " "))
	f.Add("backchannel:")
	f.Add(strings.Repeat("abandon ", 31))
	f.Add("\u212a backchannel:aaaa-\u0130")
	f.Fuzz(func(t *testing.T, s string) {
		inv, err := ParseInvitation(s)
		if err != nil {
			if inv != (Invitation{}) || len(err.Error()) > 300 {
				t.Fatalf("%+v, %v", inv, err)
			}
			return
		}
		lower := strings.ToLower(s)
		bare := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r == '-' || unicode.IsSpace(r) {
					return -1
				}
				return r
			}, strings.ToLower(s))
		}
		if bare(s) != bare(inv.Text()) && !slices.Equal(strings.Fields(lower), inv.Words()) {
			t.Fatalf("%q is accepted as %q", s, inv.Text())
		}
	})
}
