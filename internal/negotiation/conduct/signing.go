package conduct

import "backchannel/internal/negotiation"

type Signings struct{}

func NewSignings(any) *Signings                                                   { return &Signings{} }
func (g *Signings) Tick(s *Seat) ([]Saying, error)                                { return nil, nil }
func (g *Signings) Received(s *Seat, st *negotiation.Statement) ([]Saying, error) { return nil, nil }
