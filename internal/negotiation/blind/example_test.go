package blind_test

import (
	"crypto/rand"
	"fmt"
	"time"

	"backchannel/internal/negotiation/blind"
)

// Two parties answer a proposal; keep stands for making the state durable.
func Example() {
	now := time.UnixMilli(1_790_000_000_000)
	aldmark, borvia := blind.MemberID{1}, blind.MemberID{2}
	p := blind.Params{Object: [32]byte{7}, Parties: []blind.MemberID{aldmark, borvia}, Mode: blind.Single, Items: 1,
		InputsAt: now.Add(time.Hour), Deadline: now.Add(24 * time.Hour)}
	if err := p.Check(4); err != nil {
		fmt.Println(err)
		return
	}
	fresh := func() (b [32]byte) { _, _ = rand.Read(b[:]); return b }
	keep := func(state []byte) {}

	var post [2][][]byte // what waits for each
	did := func(i int, c blind.Change, err error) {
		if err != nil {
			fmt.Println(err)
			return
		}
		keep(c.State) // first this, then the messages
		post[1-i] = append(post[1-i], c.Send...)
	}
	rounds := [2]*blind.Round{}
	answers := [2]blind.Answer{blind.Yes(), blind.Yes()}
	for i, id := range p.Parties {
		rounds[i], _ = blind.New(p, id)
		c, err := rounds[i].Join(now, fresh())
		did(i, c, err)
		c, err = rounds[i].Answer(now, answers[i])
		did(i, c, err)
	}
	deliver := func() {
		for len(post[0])+len(post[1]) > 0 {
			for i, r := range rounds {
				for _, m := range post[i] {
					c, err := r.Receive(now, p.Parties[1-i], m, fresh())
					did(i, c, err)
				}
				post[i] = nil
			}
		}
	}
	deliver()
	now = p.InputsAt
	for i, r := range rounds {
		c, err := r.Tick(now, fresh())
		did(i, c, err)
	}
	deliver()
	fmt.Println(rounds[0].Status().State, "and", rounds[1].Status().State)
	fmt.Println(blind.Texts[rounds[0].Status().Text()])
	// Output:
	// match and match
	// A match: everybody said yes.
}
