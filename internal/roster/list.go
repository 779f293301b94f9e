package roster

import (
	"bytes"
	"errors"
	"fmt"
	"sort"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// checkList refuses what no relay signs: an empty list, a torn one, one out of
// order. Equal records and equal tags are legal.
func checkList(p wire.Params, list []byte) error {
	size := p.RecordSize()
	switch {
	case len(list) == 0:
		return errors.New("checking the record list: it is empty")
	case len(list)%size != 0:
		return fmt.Errorf("checking the record list: %d bytes are no whole number of records of %d", len(list), size)
	case len(list)/size > wire.MaxStations:
		return fmt.Errorf("checking the record list: more than %d records", wire.MaxStations)
	case !wire.Sorted(list, size):
		return errors.New("checking the record list: it is not sorted")
	}
	return nil
}

// headerOf is the header that fits a list.
func headerOf(p wire.Params, a wire.Attempt, aid wire.Hash, list []byte) wire.Header {
	return wire.Header{Attempt: a, AID: aid, Count: uint32(len(list) / p.RecordSize()), List: wire.ListHash(a, list)}
}

// listed reports whether record stands in the sorted list.
func listed(list, record []byte) bool {
	size := len(record)
	n := len(list) / size
	i := sort.Search(n, func(i int) bool { return bytes.Compare(list[i*size:(i+1)*size], record) >= 0 })
	return i < n && bytes.Equal(list[i*size:(i+1)*size], record)
}

// count is how often a tag stands in a list or record.
func count(list []byte, t wire.Tag) (n int) {
	for i := 0; i+suite.TagSize <= len(list); i += suite.TagSize {
		if sameTag(list[i:i+suite.TagSize], t) {
			n++
		}
	}
	return n
}

// sameTag compares whole tags: 16 bytes of a hash are the least that nobody can
// find a second preimage for.
func sameTag(b []byte, t wire.Tag) bool {
	if weakened.LooseTags {
		return bytes.Equal(b[:4], t[:4])
	}
	return bytes.Equal(b, t[:])
}

// acknowledged reports whether acks holds, in the order of the list, a preimage
// for every single tag. nil and arrays of another size hold none.
func acknowledged(list []byte, aid wire.Hash, acks []byte) bool {
	tags := len(list) / suite.TagSize
	if tags == 0 || len(acks) != tags*suite.HashSize {
		return false
	}
	for i := range tags {
		s := [suite.HashSize]byte(acks[i*suite.HashSize:])
		if !sameTag(list[i*suite.TagSize:(i+1)*suite.TagSize], wire.TagOf(aid, s)) {
			return false
		}
	}
	return true
}
