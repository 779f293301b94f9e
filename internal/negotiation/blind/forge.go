package blind

import (
	"errors"
	"time"
)

// Spoken is one message of a round that was made up or played in one place.
type Spoken struct {
	From  int // index in Params.Parties
	Time  time.Time
	Bytes []byte
}

// Forge makes a whole round with everybody's messages, by letting one Round per
// party play it: the code that makes real ones. It needs no secret of anybody,
// because the keys of a round are fresh; so a transcript of a round proves nothing
// about who said what. fresh hands out 32 random bytes at a time.
func Forge(p Params, answers []Answer, fresh func() [32]byte) ([]Spoken, Status, error) {
	if len(answers) != len(p.Parties) {
		return nil, Status{}, errors.New("making up a blind round: one answer per party is needed")
	}
	var said []Spoken
	var parties []*Round
	now := p.InputsAt.Add(-time.Minute)
	heard := func(from int, c Change) {
		for _, b := range c.Send {
			said = append(said, Spoken{from, now, b})
		}
	}
	for i, id := range p.Parties {
		r, err := New(p, id)
		if err != nil {
			return nil, Status{}, err
		}
		c, err := r.Join(now, fresh())
		if err != nil {
			return nil, Status{}, err
		}
		if _, err := r.Answer(now, answers[i]); err != nil {
			return nil, Status{}, err
		}
		parties = append(parties, r)
		heard(i, c)
	}
	next := 0
	deliver := func() error {
		for ; next < len(said); next++ {
			m := said[next]
			for i, r := range parties {
				if i == m.From {
					continue
				}
				c, err := r.Receive(now, p.Parties[m.From], m.Bytes, fresh())
				if err != nil {
					return err
				}
				heard(i, c)
			}
		}
		return nil
	}
	if err := deliver(); err != nil {
		return nil, Status{}, err
	}
	now = p.InputsAt
	for i, r := range parties {
		c, err := r.Tick(now, fresh())
		if err != nil {
			return nil, Status{}, err
		}
		heard(i, c)
	}
	if err := deliver(); err != nil {
		return nil, Status{}, err
	}
	return said, parties[0].Status(), nil
}
