package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"backchannel/internal/station"
)

// TestPairing walks the way of a device: refused, paired once, still asked for the
// passphrase, revoked.
func TestPairing(t *testing.T) {
	d := newDesk(t)
	if _, err := d.s.NewPairing(t.Context()); code(err) != station.CodeConflict {
		t.Errorf("a link without an address: %v", err)
	}
	remote := d.serve(true)
	defer remote.Close()
	d.s.SetEndpoint(station.Endpoint{Remote: remote.URL, Fingerprint: "AA"})
	local, phone := d.local, newBrowser(t)
	d.local, d.browser = remote, phone
	for _, path := range []string{"/", "/unlock", "/v1/status", "/openapi.json"} {
		if p := d.get(path); p.code != http.StatusForbidden || strings.Contains(p.body, "passphrase") {
			t.Errorf("%s for a device that is not paired: %d", path, p.code)
		}
	}
	if p := d.signIn(); p.code != http.StatusForbidden {
		t.Errorf("a passphrase from a device that is not paired: %d", p.code)
	}
	pairing, err := d.s.NewPairing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(pairing.Link, remote.URL)
	if p := d.get(path); p.code != http.StatusOK || !strings.Contains(p.body, "Pair this device") {
		t.Errorf("looking at the link: %d", p.code)
	}
	if p := d.post("/pair/none", url.Values{"name": {"thief"}}); p.code != http.StatusForbidden {
		t.Errorf("another link: %d", p.code)
	}
	if p := d.post(path, url.Values{"name": {"phone"}}); p.path != "/unlock" || p.code != http.StatusOK {
		t.Errorf("pairing: %d at %s", p.code, p.path)
	}
	if p := d.get("/help"); p.path != "/unlock" {
		t.Error("a paired device needs no passphrase")
	}
	if p := d.signIn(); p.path != "/" {
		t.Errorf("the passphrase from a paired device: %d at %s", p.code, p.path)
	}
	d.browser = newBrowser(t)
	if p := d.post(path, url.Values{"name": {"second"}}); p.code != http.StatusForbidden {
		t.Errorf("the link a second time: %d", p.code)
	}

	// A closed vault keeps the device's way to the passphrase.
	d.browser = phone
	if err := d.s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := d.signIn(); p.path != "/" || !d.s.Unlocked() {
		t.Errorf("opening the vault from a paired device: %d at %s", p.code, p.path)
	}
	devices, err := d.s.Devices(t.Context())
	if err != nil || len(devices) != 1 || devices[0].Name != "phone" {
		t.Fatalf("devices: %+v, %v", devices, err)
	}
	d.local, d.browser = local, newBrowser(t)
	d.signIn()
	if p := d.post("/settings/devices/"+devices[0].ID, url.Values{"token": {d.token()}}); p.code != http.StatusOK {
		t.Errorf("revoking: %d", p.code)
	}
	d.local, d.browser = remote, phone
	if p := d.get("/"); p.code != http.StatusForbidden {
		t.Errorf("a revoked device: %d", p.code)
	}
	d.local = local
}
