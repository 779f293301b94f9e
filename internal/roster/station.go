package roster

import (
	"bytes"
	"errors"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// stationPhase is where a station stands within an attempt.
type stationPhase uint8

const (
	stationKeys     stationPhase = iota // collecting KEYS
	stationJoin                         // all KEYS held; no record built
	stationRoster                       // record built; collecting headers and the list
	stationOnions                       // rostered; no onions built
	stationReceipts                     // onions built; waiting for receipts
	stationAck                          // all receipts right; collecting REVEALs
	stationDone                         // all n REVEALs held
	stationFailed                       // receipts wrong: no acknowledgement, whatever comes
	stationPhases                       // their number
)

var stationPhaseNames = [stationPhases]string{
	"collecting KEYS", "waiting to join", "waiting for the roster", "waiting for its onions",
	"waiting for receipts", "waiting for REVEALs", "complete", "over, for its receipts were wrong",
}

// stationEvent is something that can happen to a station's attempt. Join, Expect
// and Receipts have no errors: out of place they do nothing, and say so.
type stationEvent uint8

const (
	eventStationKeys stationEvent = iota
	eventHeader
	eventList
	eventStationReveal
	stationEvents // their number
)

var stationEventNames = [stationEvents]string{"KEYS", "a header", "a record list", "a REVEAL"}

// stationAllows is the transition table. Headers and the list may arrive in
// either order, so both belong to one phase.
var stationAllows = [stationEvents][stationPhases]bool{
	eventStationKeys:   {stationKeys: true},
	eventHeader:        {stationRoster: true},
	eventList:          {stationRoster: true},
	eventStationReveal: {stationAck: true},
}

// Station is one station's side of one attempt.
type Station struct {
	params  wire.Params
	verify  []suite.VerifyKey
	attempt wire.Attempt
	phase   stationPhase

	keys   keySet
	aid    wire.Hash
	record []byte // own tags in the order they were given
	ack    []byte // their preimages, in the same order

	header   wire.Header // of the first header that came
	headers  []bool      // by relay
	signed   int
	list     []byte
	rostered bool

	expected    []byte
	reveals     []bool
	revealsHeld int
}

// NewStation begins an attempt. vks are the relays' verification keys in chain
// order.
func NewStation(p wire.Params, net wire.Hash, vks []suite.VerifyKey, a wire.Attempt) *Station {
	return &Station{
		params: p, verify: vks, attempt: a, keys: newKeySet(net, a, vks),
		headers: make([]bool, len(vks)), reveals: make([]bool, len(vks)),
	}
}

func (s *Station) allow(ev stationEvent) error {
	if stationAllows[ev][s.phase] {
		return nil
	}
	return fmt.Errorf("taking %s: this attempt is %s", stationEventNames[ev], stationPhaseNames[s.phase])
}

// Keys takes one relay's KEYS. complete is true once: with the KEYS after which
// all n are held. The first KEYS of a relay are final.
func (s *Station) Keys(k wire.Keys) (complete bool, err error) {
	if s.phase == stationFailed {
		return false, s.allow(eventStationKeys)
	}
	if _, err := s.keys.add(k); err != nil {
		return false, err
	}
	if s.phase != stationKeys || !s.keys.complete() {
		return false, nil
	}
	s.aid = s.keys.aid()
	s.phase = stationJoin
	return true, nil
}

// AllKeys returns all n KEYS in chain order, nil before they are complete.
func (s *Station) AllKeys() []wire.Keys {
	if !s.keys.complete() {
		return nil
	}
	return s.keys.all
}

// AID returns the attempt's hash over all KEYS, zero before they are complete.
func (s *Station) AID() wire.Hash { return s.aid }

// Join builds the record: the tags of all lanes in the given order, which the
// caller shuffled, and keeps their preimages in that order for Ack. There is one
// record per attempt: a second call returns the first record. It returns nil
// before all KEYS are held, for a wrong number of lanes, and for a tag that is
// not the commitment to its preimage under AID.
func (s *Station) Join(tags []wire.Tag, preimages [][32]byte) (record []byte) {
	again := weakened.SecondRecord && s.phase == stationRoster
	if s.record != nil && !again {
		return bytes.Clone(s.record)
	}
	if s.phase != stationJoin && !again || len(tags) != s.params.Lanes || len(preimages) != s.params.Lanes {
		return nil
	}
	ack := make([]byte, 0, s.params.AckSize())
	for i, t := range tags {
		if t != wire.TagOf(s.aid, preimages[i]) {
			return nil
		}
		record, ack = append(record, t[:]...), append(ack, preimages[i][:]...)
	}
	s.record, s.ack, s.phase = record, ack, stationRoster
	return bytes.Clone(record)
}

// Header takes one relay's signed header. All n must sign one and the same, with
// this station's AID: the first that comes sets which.
func (s *Station) Header(h wire.SignedHeader) error {
	if s.phase == stationFailed || s.phase < stationRoster {
		return s.allow(eventHeader)
	}
	switch {
	case h.Relay < 0 || h.Relay >= len(s.headers):
		return fmt.Errorf("checking a header: no relay %d in a chain of %d", h.Relay+1, len(s.headers))
	case h.Attempt != s.attempt:
		return errors.New("checking a header: it is of another attempt")
	case h.AID != s.aid:
		return fmt.Errorf("checking a header: relay %d saw other KEYS than this station", h.Relay+1)
	case s.signed > 0 && h.Header != s.header:
		return fmt.Errorf("checking a header: relay %d signed another one than was seen before", h.Relay+1)
	case !h.Verify(s.verify[h.Relay]):
		return fmt.Errorf("checking a header: the signature of relay %d does not fit", h.Relay+1)
	}
	if s.headers[h.Relay] {
		return nil
	}
	s.header = h.Header
	s.headers[h.Relay] = true
	s.signed++
	if s.list != nil && !s.fits(s.list) {
		s.list = nil
		return errors.New("checking a header: the record list that came before does not fit it; fetch the list again")
	}
	s.advance()
	return nil
}

// Records takes the whole sorted record list, before or after the headers, and
// copies it. A list that does not fit the header is refused; another may follow.
func (s *Station) Records(list []byte) error {
	if s.phase > stationRoster && s.phase != stationFailed && bytes.Equal(list, s.list) {
		return nil
	}
	if err := s.allow(eventList); err != nil {
		return err
	}
	if err := checkList(s.params, list); err != nil {
		return err
	}
	if s.signed > 0 && !s.fits(list) {
		return errors.New("checking the record list: it does not fit the signed header; fetch it again")
	}
	s.list = bytes.Clone(list)
	s.advance()
	return nil
}

func (s *Station) fits(list []byte) bool {
	return headerOf(s.params, s.attempt, s.aid, list) == s.header
}

func (s *Station) advance() {
	if s.phase == stationRoster && s.signed == len(s.headers) && s.list != nil && listed(s.list, s.record) {
		s.phase, s.rostered = stationOnions, true
	}
}

// Rostered reports whether all n relays signed one header with this station's
// AID, the list fits it and this station's record is listed. If not, the station
// sends nothing more in this attempt.
func (s *Station) Rostered() bool { return s.rostered }

// Size is the number of stations in the roster, 0 before Rostered.
func (s *Station) Size() int {
	if !s.Rostered() {
		return 0
	}
	return int(s.header.Count)
}

// HeaderHash returns H(header), which onions and receipts bind; zero before
// Rostered.
func (s *Station) HeaderHash() wire.Hash {
	if !s.Rostered() {
		return wire.Hash{}
	}
	return s.header.Hash()
}

// Count is how often a tag stands in the signed list, 0 before Rostered.
func (s *Station) Count(t wire.Tag) int {
	if !s.Rostered() {
		return 0
	}
	return count(s.list, t)
}

// Talks is the rule by which two stations decide alike: mine stands exactly once
// in the signed list, and that in this station's own record, and peer, the other
// side's tag for the same version, exactly once. Otherwise the lane idles.
func (s *Station) Talks(mine, peer wire.Tag) bool {
	once := func(t wire.Tag) bool {
		n := s.Count(t)
		return n == 1 || weakened.RepeatedTag && n > 1
	}
	if weakened.DanglingVersion {
		return once(peer)
	}
	return mine != peer && once(mine) && count(s.record, mine) > 0 && once(peer)
}

// Expect tells which receipts must come back: 2·lanes·n·32 bytes, own circuits in
// sending order. It counts once, and only once rostered.
func (s *Station) Expect(receipts []byte) {
	if s.phase != stationOnions || len(receipts) != s.params.Circuits()*s.params.ReceiptSize(0) {
		return
	}
	s.expected = bytes.Clone(receipts)
	s.phase = stationReceipts
}

// Receipts takes the first complete array of receipts, which is final: if a
// single byte is wrong, or it comes before anything was expected, this attempt
// will not be acknowledged, whatever comes later. An array of another size is not
// complete and not looked at.
func (s *Station) Receipts(got []byte) {
	if len(got) != s.params.Circuits()*s.params.ReceiptSize(0) {
		return
	}
	switch s.phase {
	case stationReceipts:
	case stationAck, stationDone:
		return
	case stationFailed:
		if !weakened.RepairedReceipts || s.expected == nil {
			return
		}
	default:
		s.phase = stationFailed
		return
	}
	s.phase = stationFailed
	if suite.Equal(got, s.expected) {
		s.phase = stationAck
	}
}

// Ack returns the preimages of all lanes in record order, lanes·32 bytes, if all
// receipts were right. Every call returns the same bytes.
func (s *Station) Ack() (ack []byte, ok bool) {
	if s.phase != stationAck && s.phase != stationDone {
		return nil, false
	}
	return bytes.Clone(s.ack), true
}

// Reveal takes one relay's REVEAL. complete is true once: when all n over this
// header are held; the new circuits then start at their first round.
func (s *Station) Reveal(v wire.Reveal) (complete bool, err error) {
	if s.phase != stationDone {
		if err := s.allow(eventStationReveal); err != nil {
			return false, err
		}
	}
	if err := checkReveal(v, s.attempt, s.header.Hash(), s.verify); err != nil {
		return false, err
	}
	first := s.phase == stationAck
	if !s.reveals[v.Relay] {
		s.reveals[v.Relay] = true
		s.revealsHeld++
	}
	if !first || s.revealsHeld < len(s.reveals) {
		return false, nil
	}
	s.phase = stationDone
	return true, nil
}

// Erase destroys the preimages. The station calls it when the attempt's set ends.
func (s *Station) Erase() {
	clear(s.ack)
	clear(s.expected)
	s.ack, s.expected = nil, nil
	s.phase = stationFailed
}
