package pairwise

// Steps is the stepping of a session's chains to an epoch, taken apart so that it
// can be computed aside after a long absence while the session goes on. Behind
// makes it, Run computes, Adopt puts the values in place; between Behind and Adopt
// the session may do everything else.
type Steps struct {
	s        *Session
	of       uint64 // generation
	to       uint64
	versions []version
}

// Behind returns what is missing to epoch, or nil if nothing is. The caller's duty
// is that of Join: all n KEYS of the epoch were verified, and it is at most one
// after the caller's own.
func (s *Session) Behind(epoch uint64) *Steps {
	st := &Steps{s: s, of: s.generation, to: epoch}
	for _, v := range s.versions {
		if v.epoch < epoch && epoch-v.epoch <= MaxEpochJump {
			st.versions = append(st.versions, v)
		}
	}
	if len(st.versions) == 0 {
		return nil
	}
	return st
}

// Epochs is how many steps Run makes.
func (st *Steps) Epochs() (n uint64) {
	for i := range st.versions {
		n += st.to - st.versions[i].epoch
	}
	return n
}

// Run steps the copies. It touches nothing of the session.
func (st *Steps) Run() {
	for i := range st.versions {
		st.versions[i].step(st.to)
	}
}

// Adopt replaces the older values, which are erased. What the session stepped or
// dropped meanwhile stays as it is.
func (st *Steps) Adopt() {
	for i := range st.versions {
		from := &st.versions[i]
		if v := st.s.held(from.number); v != nil && st.of == st.s.generation && v.epoch < from.epoch {
			v.RV, v.Root, v.epoch = from.RV, from.Root, from.epoch
			st.s.touch()
		}
		from.erase()
	}
	st.versions = nil
}
