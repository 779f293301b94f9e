package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// The names of expected failures of this file, besides failMalformed.
const (
	failMistyped     = "mistyped"      // a word or letter that is wrong, missing or too many
	failVersion      = "version"       // an invitation of a version that is unknown
	failOtherNetwork = "other-network" // an invitation for another network
	failExpired      = "expired"       // an invitation whose time is over
	failFuture       = "future"        // an invitation of an epoch after the next
)

// contactVectors are invitations in words and letters, the table of expiry codes,
// and the header in front of every signal and letter.
func contactVectors() any {
	v := invitationVectors()
	v = append(v, mistypedVectors()...)
	v = append(v, checkVectors()...)
	v = append(v, headerVectors()...)
	return m{"vectors": v}
}

// refused returns the name of err and stops the generator if there is none.
func refused(err error) string {
	for _, c := range []struct {
		err  error
		name string
	}{
		{contact.ErrMistyped, failMistyped}, {contact.ErrMalformed, failMalformed}, {contact.ErrVersion, failVersion},
		{contact.ErrOtherNetwork, failOtherNetwork}, {contact.ErrExpired, failExpired}, {contact.ErrFuture, failFuture},
		{contact.ErrHeader, failMalformed},
	} {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return failed(err)
}

func sampleInvitation() contact.Invitation {
	return contact.Invitation{Sigma: pattern32("contact/sigma"), IssueEpoch: 190123, Network: [2]byte{0xab, 0xcd}, Code: 34}
}

// invitationVectors are the forms of invitations, and the table of codes.
func invitationVectors() (v []vector) {
	var seconds []int64
	for code := range uint8(64) {
		seconds = append(seconds, int64(contact.ExpiryDuration(code)/time.Second))
	}
	v = append(v, vector{Op: "expiry", Name: "seconds after the end of the issue epoch by code; 0 is never", In: m{}, Out: m{"seconds": seconds}})
	ones := contact.Invitation{IssueEpoch: 1<<32 - 1, Network: [2]byte{0xff, 0xff}, Code: 63}
	for i := range ones.Sigma {
		ones.Sigma[i] = 0xff
	}
	for _, c := range []struct {
		name string
		inv  contact.Invitation
	}{
		{"usual", sampleInvitation()}, {"all bits zero", contact.Invitation{}}, {"all bits one", ones},
	} {
		text := c.inv.Text()
		for _, form := range []string{text, c.inv.QR(), strings.Join(c.inv.Words(), "\n")} {
			if got := must(contact.ParseInvitation(form)); got != c.inv {
				panic("gen: an invitation reads as another")
			}
		}
		v = append(v, vector{Op: "invitation", Name: c.name,
			In:  m{"version": contact.InvitationVersion, "sigma": hx(c.inv.Sigma), "issue_epoch": c.inv.IssueEpoch, "network": hx(c.inv.Network[:]), "expiry_code": c.inv.Code},
			Out: m{"words": strings.Join(c.inv.Words(), " "), "text": text, "qr": c.inv.QR()}})
	}
	return v
}

// mistypedVectors are what ParseInvitation takes liberally, and what it refuses.
func mistypedVectors() (v []vector) {
	inv := sampleInvitation()
	words, text := inv.Words(), inv.Text()
	change := func(i int, w string) string {
		c := slices.Clone(words)
		c[i] = w
		return strings.Join(c, " ")
	}
	swapped := slices.Clone(words)
	swapped[4], swapped[5] = swapped[5], swapped[4]
	for _, c := range []struct {
		name, form string
		ok         bool
	}{
		{"words in any case and white space", " " + strings.ToUpper(strings.Join(words, "\r\n\t")) + "\n", true},
		{"letters in any case and groups", " BackChannel:" + strings.ReplaceAll(text[len(contact.TextPrefix):], "-", " \n"), true},
		{"a word that is not in the list", change(6, "abanden"), false},
		{"another word of the list", change(6, "zoo"), false},
		{"two words swapped", strings.Join(swapped, " "), false},
		{"a word missing", strings.Join(words[1:], " "), false},
		{"a word too many", strings.Join(words, " ") + " zoo", false},
		{"another letter", strings.Replace(text, text[12:14], string(alphabetAfter(text[12]))+text[13:14], 1), false},
		{"a letter that no invitation has", text[:20] + "1" + text[21:], false},
		{"cut", text[:60], false},
		{"bits after the last letter's end", text[:len(text)-1] + string(alphabetAfter(text[len(text)-1])), false},
		{"of version 2", reversion(inv, 2), false},
		{"without its prefix", text[len(contact.TextPrefix):], false},
		{"nothing", "", false},
	} {
		got, err := contact.ParseInvitation(c.form)
		if c.ok {
			if err != nil || got != inv {
				panic("gen: " + c.name)
			}
			v = append(v, vector{Op: "read_invitation", Name: c.name, In: m{"form": c.form}, Out: m{"text": text}})
			continue
		}
		v = append(v, vector{Op: "read_invitation", Name: c.name, In: m{"form": c.form}, Error: refused(err)})
	}
	return v
}

const letters = "abcdefghijklmnopqrstuvwxyz234567"

func alphabetAfter(c byte) byte { return letters[(strings.IndexByte(letters, c)+1)%len(letters)] }

// reversion writes inv as text of another version, with the checksum that then is
// right, bit by bit.
func reversion(inv contact.Invitation, version byte) string {
	var bits []byte
	put := func(b byte, width int) {
		for i := width - 1; i >= 0; i-- {
			bits = append(bits, b>>i&1)
		}
	}
	put(version, 4)
	for _, b := range inv.Sigma {
		put(b, 8)
	}
	for i := 24; i >= 0; i -= 8 {
		put(byte(inv.IssueEpoch>>i), 8)
	}
	put(inv.Network[0], 8)
	put(inv.Network[1], 8)
	put(inv.Code, 6)
	payload := make([]byte, 40)
	for i, b := range bits {
		payload[i/8] |= b << (7 - i%8)
	}
	sum := suite.Hash(suite.LabelInvitation, payload)
	for i := range 27 {
		put(sum[i/8]>>(7-i%8), 1)
	}
	put(0, 4) // to whole letters
	var text strings.Builder
	text.WriteString(contact.TextPrefix)
	for i := 0; i < len(bits); i += 5 {
		n := 0
		for _, b := range bits[i : i+5] {
			n = 2*n + int(b)
		}
		text.WriteByte(letters[n])
	}
	return text.String()
}

// checkVectors are when and where an invitation can be accepted.
func checkVectors() (v []vector) {
	p := presetParams("small")
	inv := sampleInvitation()
	end := p.EpochStart(uint64(inv.IssueEpoch) + 1).Add(contact.ExpiryDuration(inv.Code))
	here := wire.Hash{0xab, 0xcd, 1}
	for _, c := range []struct {
		name string
		net  wire.Hash
		now  time.Time
	}{
		{"in its epoch", here, p.EpochStart(uint64(inv.IssueEpoch))},
		{"an epoch early", here, p.EpochStart(uint64(inv.IssueEpoch) - 1)},
		{"two epochs early", here, p.EpochStart(uint64(inv.IssueEpoch) - 2)},
		{"the last millisecond", here, end.Add(-time.Millisecond)},
		{"the end", here, end},
		{"elsewhere", wire.Hash{0xab, 0xce, 1}, end},
	} {
		x := vector{Op: "check_invitation", Name: c.name, In: m{"text": inv.Text(), "net": hx(c.net), "preset": "small", "t0": p.T0.UnixMilli(), "now": c.now.UnixMilli()}}
		if err := inv.Check(c.net, p, c.now); err != nil {
			x.Error = refused(err)
		} else {
			x.Out = m{"expires": end.UnixMilli()}
		}
		v = append(v, x)
	}
	return v
}

// headerVectors are headers and what a decoder of them refuses.
func headerVectors() (v []vector) {
	content := []byte("On the matter of X, our side may drop its opposition.")
	at := time.Unix(1788000000, 0).UTC()
	for _, c := range []struct {
		name string
		kind contact.Kind
		h    [3]string
		time time.Time
		body []byte
	}{
		{"a signal", contact.Signal, [3]string{"", "", "text/plain; charset=utf-8"}, at, content},
		{"a letter with everything", contact.Letter, [3]string{"X for Y", "nöte 1.pdf", "application/pdf"}, at, pattern("contact/letter", 300)},
		{"an empty letter that tells nothing", contact.Letter, [3]string{}, time.Time{}, nil},
	} {
		h := must(contact.NewHeader(c.kind, c.h[0], c.h[1], c.h[2], c.time, c.body))
		b := must(h.Encode())
		in := m{"kind": uint8(c.kind), "subject": h.Subject, "name": h.Name, "type": h.Type, "content": hx(c.body)}
		if !h.Time.IsZero() {
			in["time"] = h.Time.UnixMilli()
		}
		v = append(v, vector{Op: "header", Name: c.name, In: in, Out: m{"header": hx(b)}})
	}
	about := wire.ItemID(pattern("contact/about", contact.NoteSize))
	for _, kind := range []contact.Kind{contact.Acknowledgement, contact.Cancellation} {
		v = append(v, vector{Op: "header", Name: "a note: " + kind.String(),
			In:  m{"kind": uint8(kind), "subject": "", "name": "", "type": "", "content": hx(about[:])},
			Out: m{"header": hx(must(contact.NewNote(kind, about).Encode()))}})
	}
	note := must(contact.NewNote(contact.Cancellation, about).Encode())
	good := must(must(contact.NewHeader(contact.Letter, "s", "", "", at, content)).Encode())
	framed := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	body := good[2:]
	reordered := bytes.Join([][]byte{body[:1], body[3:6], body[1:3], body[6:]}, nil) // subject before kind
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"keys out of order", framed(reordered)},
		{"kind not in its shortest form", framed(bytes.Join([][]byte{body[:2], {0x18, 0x02}, body[3:]}, nil))},
		{"kind 5", framed(bytes.Join([][]byte{body[:2], {0x05}, body[3:]}, nil))},
		{"a note that is a letter", framed(bytes.Join([][]byte{body[:2], {0x03}, body[3:]}, nil))},
		{"a note of 17 bytes", framed(bytes.Replace(note[2:], []byte{0x06, 0x10}, []byte{0x06, 0x11}, 1))},
		{"a note with a time", framed(bytes.Join([][]byte{{note[2] + 1}, note[3:5], {0x05, 0x01}, note[5:]}, nil))},
		{"an empty subject", framed(bytes.Join([][]byte{body[:4], {0x60}, body[6:]}, nil))},
		{"a subject that is not UTF-8", framed(bytes.Join([][]byte{body[:5], {0xff}, body[6:]}, nil))},
		{"a key too many", framed(append(append([]byte{body[0] + 1}, body[1:]...), 0x08, 0x00))},
		{"indefinite length", framed(append(append([]byte{0xbf}, body[1:]...), 0xff))},
		{"a byte after the map", framed(append(bytes.Clone(body), 0))},
		{"length 0", []byte{0, 0}},
		{"length 2201", append([]byte{0x08, 0x99}, make([]byte, 2201)...)},
	} {
		_, _, err := contact.ParseHeader(c.b)
		v = append(v, vector{Op: "read_header", Name: c.name, In: m{"header": hx(c.b)}, Error: refused(err)})
	}
	return v
}
