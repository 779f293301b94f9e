package vault

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
)

// crashEnv tells the test binary to be the child that commits until it is killed.
const crashEnv = "BACKCHANNEL_VAULT_CRASH_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		work := commitForEver
		if os.Getenv(burnEnv) != "" {
			work = burnOnce
		}
		if err := work(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// burnEnv lets the child burn a contact instead.
const burnEnv = "BACKCHANNEL_VAULT_BURN_CHILD"

// burnOnce says that it begins, burns the second contact, and says that it is done.
func burnOnce(path string) error {
	v, err := OpenWith(path, passphrase, Options{KDF: weak})
	if err != nil {
		return err
	}
	fmt.Println("begin")
	if err := v.Burn(someone(2).ID, nil); err != nil {
		return err
	}
	fmt.Println("done")
	os.Exit(0)
	return nil
}

// commitForEver commits one session state after the other and reports each when
// Update has returned. State n consists of its number, a frame and a setting, all
// of the same transaction; large settings make the log wrap often.
func commitForEver(path string) error {
	v, err := OpenWith(path, passphrase, Options{KDF: weak})
	if err != nil {
		return err
	}
	n := uint64(0)
	if err := v.View(func(tx *Tx) error {
		state, _, err := tx.LoadSession(someone(1).ID)
		if len(state) == 8 {
			n = binary.BigEndian.Uint64(state)
		}
		return err
	}); err != nil {
		return err
	}
	for {
		n++
		number := binary.BigEndian.AppendUint64(nil, n)
		if err := v.Update(func(tx *Tx) error {
			if err := tx.PutSetting("ballast", append(number, make([]byte, n%50000)...)); err != nil {
				return err
			}
			return tx.SaveSession(someone(1).ID, pairwise.Delta{
				Dirty: true, State: number,
				AddFrames: []pairwise.StoredFrame{{Seq: uint32(n), Payload: number}}, DropFrames: []uint32{uint32(n - 1)},
			})
		}); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// Whatever the moment at which a process is killed, everything that it was told
// is durable is there, transactions are whole, and the vault goes on.
func TestKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vault.db")
	v, err := CreateWith(path, passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	addContact(t, v, someone(1))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	runs := 12
	if testing.Short() {
		runs = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range runs {
		child := exec.Command(exe)
		child.Env = append(os.Environ(), crashEnv+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Kill it while the commit after a random one is under way.
		reported := uint64(0)
		lines := bufio.NewReader(out)
		take := func() bool {
			line, err := lines.ReadString('\n')
			if n, bad := strconv.ParseUint(strings.TrimSpace(line), 10, 64); err == nil && bad == nil {
				reported = n
			}
			return err == nil
		}
		for left := 1 + rng.IntN(120); left > 0 && take(); left-- {
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for take() {
		}
		_, _ = io.Copy(io.Discard, lines)
		if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") && !strings.Contains(err.Error(), "exit status") {
			t.Fatalf("the child ended by itself: %v", err)
		}
		if reported == 0 {
			t.Fatal("the child committed nothing")
		}
		v, err := OpenWith(path, passphrase, testOptions())
		if err != nil {
			t.Fatalf("after commit %d: %v", reported, err)
		}
		view(t, v, func(tx *Tx) error {
			state, frames, err := tx.LoadSession(someone(1).ID)
			if err != nil {
				return err
			}
			n := binary.BigEndian.Uint64(state)
			// One more may have been committed without having been reported.
			if n != reported && n != reported+1 {
				t.Errorf("commit %d was reported, %d is there", reported, n)
			}
			if len(frames) != 1 || frames[0].Seq != uint32(n) {
				t.Errorf("state %d with frames %v", n, frames)
			}
			ballast, err := tx.Setting("ballast")
			if err == nil && (binary.BigEndian.Uint64(ballast) != n || uint64(len(ballast)) != 8+n%50000) {
				t.Errorf("state %d with ballast of %d bytes", n, len(ballast))
			}
			return err
		})
		addOutgoing(t, v, someone(1).ID, int(reported), contact.Signal, "", []byte("it goes on"))
		if err := check(v); err != nil {
			t.Error(err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
