package station

import (
	"errors"
	"testing"

	"backchannel/internal/negotiation"
)

// What was confirmed to somebody by a handshake cannot be taken back, nor replaced: the
// refusal changes nothing, and the agreement is confirmed once all are there.
func TestHandshakeIsNotTakenBack(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	x := AgreementProposal{Packages: []string{list[0].String()}}
	x.Lapses = p.now.AddDate(0, 0, 2)
	var id negotiation.ID
	p.must(p.within(0, func(b *batch, r *openRoom) error {
		body, err := b.agreement(r, "proposing", x)
		if err == nil {
			id, err = b.say(r, body, negotiation.MemberID{})
		}
		return err
	}))
	p.settle()
	st, _ := p.only(0).room.Statement(id)
	core := st.Body.(*negotiation.Agreement).Core()
	early := p.speak(0, &negotiation.Consent{Core: core})
	p.speak(0, &negotiation.Withdraw{Of: early}) // as long as nothing is confirmed
	p.speak(0, &negotiation.Consent{Core: core})
	p.speak(1, &negotiation.Consent{Core: core})
	p.settle()
	p.speak(2, &negotiation.Consent{Core: core})
	// What 2 says reaches 0 and 1, and nothing reaches 2.
	for moved := true; moved; {
		moved = false
		for i := range 3 {
			for j := range 2 {
				moved = i != j && p.carry(i, j) || moved
				moved = p.read(j) || moved
			}
		}
	}
	again := *st.Body.(*negotiation.Agreement)
	again.Replaces, again.Text = &id, "Another text."
	for _, body := range []negotiation.Body{&negotiation.Withdraw{Of: id}, &again, &negotiation.Withdraw{Of: p.lastConsent(0)}} {
		if _, err := p.trySpeak(0, body); !errors.Is(err, negotiation.ErrRefused) {
			t.Errorf("%T: %v", body, err)
		}
	}
	if v := p.agreementInfo(0, id); v.State != "ready" {
		t.Errorf("after the refusals it is %s", v.State)
	}
	p.settle()
	for i := range 3 {
		if v := p.agreementInfo(i, id); v.State != "confirmed" {
			t.Errorf("%d sees it %s", i, v.State)
		}
	}
}

// lastConsent is the newest of the own consents.
func (p *parley) lastConsent(i int) (id negotiation.ID) {
	p.t.Helper()
	for _, st := range p.only(i).room.Statements() {
		if _, ok := st.Body.(*negotiation.Consent); ok && st.From == p.only(i).room.Self() {
			id = st.ID
		}
	}
	return id
}

// A consent that is taken back ends the own signing with it, and the others hear it.
func TestConsentBackEndsTheSigning(t *testing.T) {
	p, list := newTalks(t, 2, 1)
	id := p.proposeAgreement(0, AgreementProposal{Packages: []string{list[0].String()}, Level: "sealed"})
	p.must(p.sign(0, id))
	if v := p.agreementInfo(0, id); !v.MayStop {
		t.Errorf("%+v", v)
	}
	p.speak(0, &negotiation.Withdraw{Of: p.lastConsent(0)})
	p.settle()
	if v := p.agreementInfo(0, id); v.MayStop || v.MaySign || v.State != "consenting" {
		t.Errorf("%+v", v)
	}
	if err := p.sign(1, id); !errors.Is(err, negotiation.ErrRefused) {
		t.Errorf("the other signs without its consent: %v", err)
	}
	if n := len(p.only(1).room.Opaque("sign/stop")); n != 1 {
		t.Errorf("the other was told %d times", n)
	}
}

// Where an attempt stalled because a consent was taken back, nobody is offered to sign
// again before it is there.
func TestStalledWithoutConsent(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeAgreement(0, AgreementProposal{Packages: []string{list[0].String()}, Level: "sealed"})
	p.must(p.sign(0, id))
	p.must(p.sign(1, id))
	p.settle()
	p.speak(0, &negotiation.Withdraw{Of: p.lastConsent(0)})
	p.must(p.sign(2, id)) // it has not heard
	p.settle()
	if v := p.agreementInfo(2, id); v.State != "stalled" || v.MaySign || v.Warning != "" {
		t.Errorf("%+v", v)
	}
	st, _ := p.only(0).room.Statement(id)
	p.speak(0, &negotiation.Consent{Core: st.Body.(*negotiation.Agreement).Core()})
	p.settle()
	if v := p.agreementInfo(2, id); !v.MaySign || v.Warning == "" {
		t.Errorf("%+v", v)
	}
	for i := range 3 {
		p.must(p.sign(i, id))
		p.settle()
	}
	if v := p.agreementInfo(1, id); v.State != "sealed" {
		t.Errorf("%+v", v)
	}
}
