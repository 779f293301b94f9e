package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation/seal"
)

const text = "Aldmark opens the port.\nCenia consents."

func wide(s string) *[64]byte { w := sha512.Sum512([]byte(s)); return &w }

func key(t testing.TB, s string) *seal.Key {
	t.Helper()
	k, err := seal.NewKey(*wide(s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// table is n parties whose messages wait in order until pump delivers them.
type table struct {
	t     testing.TB
	ids   []seal.ID
	s     []*seal.Session
	queue [][][]byte // by sender
	at    [][]int    // by sender and receiver: how many were delivered
}

func seat(t testing.TB, n int, last int) *table {
	t.Helper()
	tb := &table{t: t, queue: make([][][]byte, n)}
	for i := range n {
		tb.ids = append(tb.ids, seal.ID{byte(i + 1)})
		tb.at = append(tb.at, make([]int, n))
	}
	for i := range n {
		p := seal.Params{Core: seal.Core{7}, Level: seal.Sealed, Text: text, Parties: tb.ids, Self: tb.ids[i]}
		if last >= 0 {
			p.Last = tb.ids[last]
		}
		s, out, err := seal.New(p, key(t, "key"+string(rune('0'+i))), [16]byte{byte(i)}, wide("nonce"+string(rune('0'+i))))
		if err != nil {
			t.Fatal(err)
		}
		tb.s, tb.queue[i] = append(tb.s, s), out
	}
	return tb
}

// pump delivers all that waits, of messages up to step max.
func (tb *table) pump(max seal.Step) {
	tb.t.Helper()
	for moved := true; moved; {
		moved = false
		for i := range tb.s {
			for j := range tb.s {
				for i != j && tb.at[i][j] < len(tb.queue[i]) && tb.queue[i][tb.at[i][j]][0] <= byte(max) {
					out, err := tb.s[j].Receive(tb.ids[i], tb.queue[i][tb.at[i][j]])
					if err != nil {
						tb.t.Fatalf("%d to %d: %v", i, j, err)
					}
					tb.at[i][j]++
					tb.queue[j] = append(tb.queue[j], out...)
					moved = true
				}
			}
		}
	}
}

func (tb *table) approve() {
	tb.t.Helper()
	for i, s := range tb.s {
		out, err := s.Approve()
		if err != nil {
			tb.t.Fatal(err)
		}
		tb.queue[i] = append(tb.queue[i], out...)
	}
}

func TestSignTogether(t *testing.T) {
	for n := 2; n <= 4; n++ {
		tb := seat(t, n, -1)
		tb.pump(seal.StepShare)
		if tb.s[0].Step() != seal.StepNonce {
			t.Fatal("a share left before approval")
		}
		tb.approve()
		tb.pump(seal.StepShare)
		var xs, rs []*big.Int
		for i := range n {
			xs = append(xs, number(key(t, "key"+string(rune('0'+i))).Secret()))
			rs = append(rs, slowScalar(wide("nonce" + string(rune('0'+i)))[:]))
		}
		core := seal.Core{7}
		a, m, sig := slowSign(xs, rs, core[:], "sealed", text)
		for _, s := range tb.s {
			if !bytes.Equal(s.Signature(), sig) {
				t.Fatalf("n = %d: the second implementation signs differently", n)
			}
			total := 0
			for _, b := range s.Sent() {
				total += len(b)
			}
			if total != seal.BytesPerParty {
				t.Errorf("%d bytes per party, documented %d", total, seal.BytesPerParty)
			}
		}
		if !ed25519.Verify(a, m, sig) || ed25519.Verify(a, append(m, '.'), sig) {
			t.Error("an ordinary verifier disagrees")
		}
	}
}

// The messages are what the documents say: each binds the attempt, and the attempt binds
// core, keys and fresh bytes of all.
func TestWhatIsBound(t *testing.T) {
	tb := seat(t, 3, -1)
	tb.pump(seal.StepShare)
	short := func(label string, parts ...[]byte) []byte {
		h := sha256.Sum256(slices.Concat([]byte{byte(len(label))}, []byte(label), slices.Concat(parts...)))
		return h[:]
	}
	var keys [][]byte
	var fresh, commits []byte
	for i, s := range tb.s {
		hello := s.Sent()[0] // step ‖ core ‖ key ‖ fresh
		if !bytes.Equal(hello[1:33], append([]byte{7}, make([]byte, 31)...)) {
			t.Error("the hello has another core")
		}
		keys = append(keys, hello[33:65])
		fresh = append(append(fresh, tb.ids[i][:]...), hello[65:]...)
		commits = append(commits, s.Sent()[1][33:]...)
	}
	slices.SortFunc(keys, slices.Compare[[]byte])
	l := append([]byte{0, 3}, slices.Concat(keys...)...)
	sid := short("backchannel/v1/seal/session", append([]byte{7}, make([]byte, 31)...), l, fresh)
	for i, s := range tb.s {
		for _, b := range s.Sent()[1:] {
			if !bytes.Equal(b[1:33], sid) {
				t.Errorf("step %d of party %d has another sid", b[0], i)
			}
		}
		nonce := s.Sent()[3][33:]
		if want := slowHash("backchannel/v1/seal/commitment", sid, tb.ids[i][:], nonce); !bytes.Equal(s.Sent()[1][33:], want) {
			t.Errorf("party %d commits to something else", i)
		}
		if !bytes.Equal(s.Sent()[2][33:], short("backchannel/v1/seal/echo", sid, commits)) {
			t.Errorf("party %d echoes something else", i)
		}
	}
}

// Who completes last holds all shares before its own leaves.
func TestLast(t *testing.T) {
	tb := seat(t, 3, 1)
	tb.pump(seal.StepNonce)
	tb.approve()
	if tb.s[1].Step() != seal.StepNonce || tb.s[0].Step() != seal.StepShare {
		t.Fatal("the last did not wait")
	}
	tb.pump(seal.StepShare)
	if tb.s[0].Signature() == nil || tb.s[1].Signature() == nil {
		t.Fatal("not signed")
	}
	// The last holds the document alone for a moment: the others had theirs only
	// after its share, which is what the lapse clause is for.
	if _, err := tb.s[0].Receive(tb.ids[1], []byte{9}); err == nil {
		t.Error("a message after the end was taken")
	}
}

// TestTransitions sends every step to a party at every step. Only the next of the
// sender's own, at most one ahead of the receiver, is allowed.
func TestTransitions(t *testing.T) {
	full := seat(t, 2, -1)
	full.pump(seal.StepNonce)
	full.approve()
	for mine := seal.StepHello; mine <= seal.StepNonce; mine++ {
		for theirs := seal.StepHello; theirs <= seal.StepShare; theirs++ {
			for seen := range mine + 1 {
				tb := seat(t, 2, -1)
				tb.pump(mine - 1) // both have then sent step mine
				if tb.s[0].Step() != mine {
					t.Fatalf("at step %d, want %d", tb.s[0].Step(), mine)
				}
				if seen < mine-1 || seen > mine {
					continue // not reachable: mine waits for all of theirs before it
				}
				if seen == mine && mine < seal.StepNonce {
					continue // then mine is one further
				}
				if seen == mine {
					tb.pump(seal.StepNonce)
					if _, err := tb.s[1].Approve(); err != nil {
						t.Fatal(err)
					}
				}
				_, err := tb.s[0].Receive(tb.ids[1], full.s[1].Sent()[theirs-1])
				ok := theirs <= seen+1
				var inv *seal.InvalidError
				if ok != (err == nil) || !ok && !(errors.As(err, &inv) && inv.Who == tb.ids[1]) {
					t.Errorf("at %d, seen %d, step %d: %v", mine, seen, theirs, err)
				}
				if !ok && !tb.s[0].Ended() {
					t.Error("a broken rule did not end the attempt")
				}
			}
		}
		tb := seat(t, 2, -1)
		tb.pump(mine - 1)
		_, err := tb.s[0].Approve()
		if (err == nil) != (mine == seal.StepNonce) {
			t.Errorf("approval at step %d: %v", mine, err)
		}
	}
}

func TestLies(t *testing.T) {
	mutate := func(step seal.Step, change func(*seal.Wire)) error {
		tb := seat(t, 3, -1)
		tb.pump(step - 1)
		if step == seal.StepShare {
			tb.approve()
		}
		w, err := seal.ParseMessage(tb.s[1].Sent()[step-1])
		if err != nil {
			t.Fatal(err)
		}
		change(&w)
		if _, err := tb.s[0].Receive(tb.ids[1], w.Encode()); err != nil {
			return err
		}
		_, err = tb.s[0].Receive(tb.ids[2], tb.s[2].Sent()[step-1])
		return err
	}
	for name, c := range map[string]struct {
		step   seal.Step
		change func(*seal.Wire)
		named  bool
	}{
		"another core":       {seal.StepHello, func(w *seal.Wire) { w.Core[0]++ }, false},
		"duplicate key":      {seal.StepHello, func(w *seal.Wire) { w.Key = key(t, "key0").Public() }, false},
		"another sid":        {seal.StepCommit, func(w *seal.Wire) { w.SID[0]++ }, false},
		"wrong echo":         {seal.StepEcho, func(w *seal.Wire) { w.Value[0]++ }, false},
		"changed nonce":      {seal.StepNonce, func(w *seal.Wire) { w.Value = key(t, "other").Public() }, true},
		"wrong share":        {seal.StepShare, func(w *seal.Wire) { w.Value[0] ^= 1 }, true},
		"share beyond order": {seal.StepShare, func(w *seal.Wire) { w.Value = [32]byte(little(new(big.Int).Add(number(w.Value[:]), orderL))) }, true},
		"small order nonce":  {seal.StepNonce, func(w *seal.Wire) { w.Value = [32]byte(smallOrder.encode()) }, true},
		"mixed order nonce": {seal.StepNonce, func(w *seal.Wire) {
			w.Value = [32]byte(decodeSlow(w.Value[:]).plus(smallOrder).encode())
		}, true},
	} {
		err := mutate(c.step, c.change)
		var inv *seal.InvalidError
		if err == nil || errors.As(err, &inv) != c.named {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRogueKey: A_2 = x·G − A_1 makes the plain sum x·G, which the rogue can sign
// for alone; the coefficients do not cancel.
func TestRogueKey(t *testing.T) {
	honest := key(t, "honest").Public()
	x := big.NewInt(12345)
	minus := new(big.Int).Sub(orderL, big.NewInt(1))
	h := decodeSlow(honest[:])
	rogue := seal.PublicKey(basePoint.times(x).plus(h.times(minus)).encode())
	if !bytes.Equal(h.plus(decodeSlow(rogue[:])).encode(), basePoint.times(x).encode()) {
		t.Fatal("the attack does not even work on the plain sum")
	}
	g, err := seal.NewGroup([]seal.PublicKey{honest, rogue})
	if err != nil {
		t.Fatal(err)
	}
	if sum := g.Key(); bytes.Equal(sum[:], basePoint.times(x).encode()) {
		t.Error("the rogue key cancelled the honest one")
	}
}

func TestPoints(t *testing.T) {
	good := key(t, "a").Public()
	nonCanonical := slices.Repeat([]byte{0xff}, 32)
	nonCanonical[0], nonCanonical[31] = 0xee, 0x7f // y = p + 1
	for name, b := range map[string][]byte{
		"identity": append([]byte{1}, make([]byte, 31)...), "order 2": smallOrder.encode(), "order 4": make([]byte, 32),
		"mixed": decodeSlow(good[:]).plus(smallOrder).encode(), "non-canonical": nonCanonical, "short": good[:31],
	} {
		if _, err := seal.ParsePublicKey(b); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := seal.ParsePublicKey(good[:]); err != nil {
		t.Error(err)
	}
}

func TestNonceAndRestart(t *testing.T) {
	n := wide("n")
	ids := []seal.ID{{1}, {2}}
	p := seal.Params{Core: seal.Core{1}, Level: seal.Sealed, Text: text, Parties: ids, Self: ids[0]}
	if _, _, err := seal.New(p, key(t, "a"), [16]byte{}, n); err != nil {
		t.Fatal(err)
	}
	if _, _, err := seal.New(p, key(t, "a"), [16]byte{1}, n); err == nil {
		t.Error("a nonce was taken twice")
	}
	tb := seat(t, 2, -1)
	tb.pump(seal.StepNonce)
	restart := func() *seal.Session {
		b, err := tb.s[0].State()
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.Restore(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := restart(); !s.Ended() {
		t.Error("a restart before the share left the attempt alive")
	} else if _, err := s.Approve(); err == nil {
		t.Error("a dead attempt signed")
	}
	tb.approve()
	s := restart()
	if s.Ended() || !bytes.Equal(s.Sent()[4], tb.s[0].Sent()[4]) {
		t.Fatal("a kept share was lost")
	}
	if _, err := s.Receive(tb.ids[1], tb.s[1].Sent()[4]); err != nil || s.Signature() == nil {
		t.Errorf("a restarted party with its share kept does not finish: %v", err)
	}
}

// TestAborterProves: who receives a share and then stops can, with its own nonce,
// prove that the other signed.
func TestAborterProves(t *testing.T) {
	tb := seat(t, 2, 1)
	tb.pump(seal.StepNonce)
	tb.approve()
	tb.pump(seal.StepShare) // to 1, whose answer completes
	if tb.s[1].Signature() == nil {
		t.Fatal("the last does not hold the document")
	}
	tb = seat(t, 2, 1)
	tb.pump(seal.StepNonce)
	if _, err := tb.s[0].Approve(); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.s[1].Receive(tb.ids[0], tb.s[0].Sent()[4]); err != nil {
		t.Fatal(err)
	}
	tb.s[1].Abort()
	if tb.s[0].Signature() != nil || tb.s[1].Signature() != nil {
		t.Error("a signature without the last share")
	}
	// z_0 fits R_0, c and A_0, for anyone who is shown R_0 and R_1.
	z, _ := seal.ParseMessage(tb.s[0].Sent()[4])
	r0, _ := seal.ParseMessage(tb.s[0].Sent()[3])
	r1, _ := seal.ParseMessage(tb.s[1].Sent()[3])
	g := tb.s[0].Group()
	a, r := g.Key(), decodeSlow(r0.Value[:]).plus(decodeSlow(r1.Value[:])).encode()
	ch := sha512.Sum512(slices.Concat(r, a[:], seal.Message(seal.Core{7}, seal.Sealed, g, text)))
	k0 := key(t, "key0").Public()
	ca := new(big.Int).Mul(slowScalar(ch[:]), slowScalar(slowHash("backchannel/v1/seal/coefficient", g.List(), k0[:])))
	want := decodeSlow(r0.Value[:]).plus(decodeSlow(k0[:]).times(ca.Mod(ca, orderL))).encode()
	if !bytes.Equal(basePoint.times(number(z.Value[:])).encode(), want) {
		t.Error("the share proves nothing, which the words deny")
	}
}

func communique(t testing.TB) []byte {
	t.Helper()
	tb := seat(t, 3, -1)
	tb.pump(seal.StepNonce)
	tb.approve()
	tb.pump(seal.StepShare)
	c, err := tb.s[0].Communique(map[seal.ID]string{tb.ids[0]: "Aldmark", tb.ids[1]: "Borvia", tb.ids[2]: "Cenia"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCommunique(t *testing.T) {
	b := communique(t)
	sample := "../../../cmd/backchannel/testdata/communique.json"
	if os.Getenv("WRITE_COMMUNIQUE") != "" {
		if err := os.WriteFile(sample, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(sample); err != nil || !bytes.Equal(kept, b) {
		t.Errorf("%s is not what the code makes: run with WRITE_COMMUNIQUE=1 (%v)", sample, err)
	}
	r, err := seal.Verify(b)
	if err != nil || len(r.AskFor) != 3 {
		t.Fatal(err)
	}
	s := string(b)
	for name, bad := range map[string]string{
		"text": strings.Replace(s, "opens", "shuts", 1), "level": strings.Replace(s, `"sealed"`, `"handshake"`, 1), "relabelled": strings.Replace(s, `"sealed"`, `"public"`, 1),
		"unknown field": strings.Replace(s, `"level"`, `"x": 1, "level"`, 1), "space": " " + s, "trailing": s + "{}",
		"core": strings.Replace(s, `"07`, `"08`, 1), "bidi": strings.Replace(s, "opens", "opens\u202e", 1), "empty": "",
	} {
		if _, err := seal.Verify([]byte(bad)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	// The parties stand in the order of their keys, and nowhere twice.
	swapped, twice := r.Communique, r.Communique
	swapped.Parties = slices.Clone(r.Parties)
	swapped.Parties[0], swapped.Parties[1] = r.Parties[1], r.Parties[0]
	twice.Parties = append([]seal.Party{r.Parties[0]}, r.Parties...)
	// All together can make a signature with the identity for R, which any verifier
	// takes. It would be one by nobody's nonce.
	keyless := r.Communique
	var xs []*big.Int
	keyless.Parties = nil
	for n := range 2 {
		k := key(t, "identity"+string(rune('0'+n)))
		xs = append(xs, number(k.Secret()))
		pub := k.Public()
		keyless.Parties = append(keyless.Parties, seal.Party{Name: "Party", Key: hex.EncodeToString(pub[:])})
	}
	slices.SortFunc(keyless.Parties, func(a, b seal.Party) int { return strings.Compare(a.Key, b.Key) })
	core, err := hex.DecodeString(keyless.Agreement)
	if err != nil {
		t.Fatal(err)
	}
	a, m, sig := slowSign(xs, []*big.Int{new(big.Int), new(big.Int)}, core, "sealed", keyless.Text)
	if keyless.Signature = hex.EncodeToString(sig); !ed25519.Verify(a, m, sig) {
		t.Fatal("an ordinary verifier refuses R = identity")
	}
	for name, bad := range map[string]seal.Communique{"swapped": swapped, "twice": twice, "R is the identity": keyless} {
		b, err := bad.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Verify(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for n, b := range map[string][]byte{"m": r.Message, "s": r.Sig, "k": r.PEM(), "bad": append([]byte("x"), r.Message...)} {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(m string) ([]byte, error) {
		c := exec.Command(openssl, "pkeyutl", "-verify", "-pubin", "-inkey", "k", "-rawin", "-in", m, "-sigfile", "s")
		c.Dir = dir
		return c.CombinedOutput()
	}
	if out, err := check("m"); err != nil {
		t.Errorf("openssl: %s", out)
	}
	if _, err := check("bad"); err == nil {
		t.Error("openssl takes another message")
	}
}

func TestText(t *testing.T) {
	for _, bad := range []string{"", " ", "a\u200bb", "a\u202eb", "a\u2066b", "\ufeffa", "a\x00", "a\rb", "a\u00adb", "a\U000e0041", "\xff", strings.Repeat("a", seal.MaxText+1)} {
		if seal.CheckText(bad) == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
	for _, good := range []string{"Grüße\tan\nalle", "協定", "اتفاق", seal.LapseClause(time.Unix(0, 0))} {
		if err := seal.CheckText(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, l := range []seal.Level{seal.Handshake, seal.Sealed, seal.Public} {
		if seal.Words[l] == "" {
			t.Errorf("%s has no words", l)
		}
	}
	mac := seal.Confirmation([32]byte{1}, seal.Core{2}, seal.ID{3})
	if !seal.Confirmed([32]byte{1}, seal.Core{2}, seal.ID{3}, mac[:]) || seal.Confirmed([32]byte{1}, seal.Core{3}, seal.ID{3}, mac[:]) || seal.Confirmed([32]byte{1}, seal.Core{2}, seal.ID{4}, mac[:]) {
		t.Error("confirmations are not bound to core and sender")
	}
	if last, err := seal.CompletesLast([]seal.ID{{1}, {2}, {3}}, []seal.ID{{3}}); err != nil || last != (seal.ID{3}) {
		t.Error("the third party does not complete last")
	}
}

func FuzzMessage(f *testing.F) {
	tb := seat(f, 2, -1)
	tb.pump(seal.StepNonce)
	tb.approve()
	for _, b := range tb.s[0].Sent() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, err := seal.ParseMessage(b); err == nil && !bytes.Equal(w.Encode(), b) {
			t.Errorf("%x is spelt in two ways", b)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(communique(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := seal.Verify(b); err == nil {
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
				t.Error("a communiqué is spelt in two ways")
			}
		}
	})
}

func FuzzRestore(f *testing.F) {
	tb := seat(f, 2, -1)
	tb.pump(seal.StepNonce)
	tb.approve()
	b, err := tb.s[0].State()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if s, err := seal.Restore(b); err == nil {
			s.Abort()
		}
	})
}
