package main

import (
	"encoding/binary"
	"encoding/json"

	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// pairwiseVectors follow one pair of stations: the invitation's keys, what is
// listed and sealed in an attempt, cells, meetings after a restore, the
// introduction with its five messages, and two healings. Encapsulations are those of sealed.json, for the
// standard library encapsulates with fresh randomness only.
func pairwiseVectors() any {
	sigma := pattern32("pairwise/sigma")
	rv, root := pairwise.InvitationKeys(&sigma)
	v := []vector{{Op: "invitation", In: m{"sigma": hx(sigma)}, Out: m{"rv": hx(rv), "root": hx(root)}}}
	v = append(v, meetingVectors("at the issue epoch", rv, root, 17, 17)...)
	v = append(v, meetingVectors("a day later", rv, root, 17, 17+720)...)
	v = append(v, cellVectors()...)
	v = append(v, restoreVectors()...)
	intro, one := introductionVector(sigma)
	v = append(v, intro)
	v = append(v, meetingVectors("version 1", one.RV, one.Root, 21, 22)...)
	two, secrets := healVector(one.Heal, 2, 400)
	three, _ := healVector(secrets.Heal, 3, 1<<33)
	return m{"vectors": append(v, two, three)}
}

// encapsulated returns a key pair's seed and an encapsulation to it.
func encapsulated(label suite.Label) (seed [32]byte, enc []byte) {
	var cases []sealedCase
	if err := json.Unmarshal(sealedJSON, &cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		if c.Label == label && c.Enc != "" {
			return [32]byte(unhx(c.Seed)), unhx(c.Enc)
		}
	}
	panic("gen: sealed.json has no encapsulation under " + string(label))
}

// meetingVectors state one attempt of both roles; rv and root belong to epoch
// from.
func meetingVectors(name string, rv, root [32]byte, from, epoch uint64) []vector {
	aid := pattern32("pairwise/aid/" + name)
	in := m{"rv": hx(rv), "root": hx(root), "from": from, "epoch": epoch, "aid": hx(aid)}
	for range epoch - from {
		rv, root = pairwise.StepRendezvous(&rv), pairwise.StepRoot(&root)
	}
	si, sr := pairwise.Preimage(&rv, pairwise.Inviter, aid), pairwise.Preimage(&rv, pairwise.Invitee, aid)
	id1, id2 := pairwise.TwinIDs(&rv, aid)
	return []vector{{Op: "meeting", Name: name, In: in, Out: m{
		"rv": hx(rv), "root": hx(root),
		"preimages": []string{hx(si), hx(sr)},
		"tags":      []string{hx(wire.TagOf(aid, si)), hx(wire.TagOf(aid, sr))},
		"twins":     []string{hx(id1), hx(id2)},
		"epoch_key": hx(pairwise.EpochKey(&root, aid)),
	}}}
}

// restoreVectors state two attempts in which both sides list K_re: tags, σ, and
// the ids and the epoch key of that one meeting, which are those of version 0.
func restoreVectors() (v []vector) {
	restore := pattern32("pairwise/restore")
	for _, name := range []string{"first", "second"} {
		aid := pattern32("pairwise/aid/restore/" + name)
		sigma := pairwise.RestoreSigma(&restore, aid)
		rv, root := pairwise.InvitationKeys(&sigma)
		si, sr := pairwise.RestorePreimage(&restore, pairwise.Inviter, aid), pairwise.RestorePreimage(&restore, pairwise.Invitee, aid)
		id1, id2 := pairwise.TwinIDs(&rv, aid)
		v = append(v, vector{Op: "restore-meeting", Name: name, In: m{"restore": hx(restore), "aid": hx(aid)}, Out: m{
			"preimages": []string{hx(si), hx(sr)},
			"tags":      []string{hx(wire.TagOf(aid, si)), hx(wire.TagOf(aid, sr))},
			"sigma":     hx(sigma), "rv": hx(rv), "root": hx(root),
			"twins":     []string{hx(id1), hx(id2)},
			"epoch_key": hx(pairwise.EpochKey(&root, aid)),
		}})
	}
	return v
}

func cellVectors() (v []vector) {
	epochKey := pattern32("pairwise/epoch-key")
	key := func(twin, role int, first, round uint64) [32]byte {
		chain := pairwise.CellChain(&epochKey, twin-1, pairwise.Role(role))
		for range round - first {
			chain = pairwise.StepCell(&chain)
		}
		return pairwise.CellKey(&chain, round)
	}
	payload := pattern("pairwise/payload", 300)
	frame := make([]byte, 512-suite.AEADOverhead)
	wire.CellFrame{Kind: wire.FrameData, Seq: 7, Ack: 3, Bitmap: 5, Payload: payload}.Encode(frame)
	for _, c := range []struct {
		twin, role   int
		first, round uint64
	}{{1, 1, 1200, 1200}, {2, 1, 1200, 1200}, {1, 2, 1200, 1201}, {2, 2, 1200, 1319}, {1, 1, 1 << 40, 1<<40 + 3}} {
		k := key(c.twin, c.role, c.first, c.round)
		in := m{"epoch_key": hx(epochKey), "twin": c.twin, "role": c.role, "first": c.first, "round": c.round, "frame": hx(frame)}
		v = append(v, vector{Op: "cell", In: in, Out: m{"key": hx(k), "cell": hx(suite.SealOnce(&k, nil, frame))}})
	}
	right := key(1, 1, 1200, 1205)
	cell := suite.SealOnce(&right, nil, frame)
	for _, c := range []struct {
		name       string
		twin, role int
		round      uint64
		cell       []byte
	}{
		{"of another round", 1, 1, 1206, cell}, {"of the other twin", 2, 1, 1205, cell}, {"of the other role", 1, 2, 1205, cell},
		{"last bit flipped", 1, 1, 1205, flip(cell, len(cell)-1)},
	} {
		k := key(c.twin, c.role, 1200, c.round)
		_, err := suite.OpenOnce(&k, nil, c.cell)
		in := m{"epoch_key": hx(epochKey), "twin": c.twin, "role": c.role, "first": 1200, "round": c.round, "cell": hx(c.cell)}
		v = append(v, vector{Op: "cell-open", Name: c.name, In: in, Error: failed(err)})
	}
	return v
}

func introductionVector(sigma [32]byte) (vector, pairwise.Secrets) {
	seedI, encI := encapsulated(suite.LabelIntroKEM)
	seedR, encR := encapsulated(suite.LabelInner)
	skI, skR := must(suite.NewPrivateKey(seedI)), must(suite.NewPrivateKey(seedR))
	t := pairwise.Transcript{PKI: skI.Public().Bytes(), PKR: skR.Public().Bytes(), R: pattern32("pairwise/r"), EncR: encR, EncI: encI, Activation: 21}
	t.Commitment = pairwise.Commit(t.PKI, &t.R)
	ssR, ssI := must(t.SecretR(skR)), must(t.SecretI(skI))
	s, restore, confirmI, confirmR := t.Introduce(&sigma, &ssR, &ssI)
	say := func(kind byte, parts ...[]byte) string {
		b := []byte{kind}
		for _, p := range parts {
			b = append(b, p...)
		}
		return hx(b)
	}
	return vector{Op: "introduction",
		In: m{"sigma": hx(sigma), "seed_i": hx(seedI), "seed_r": hx(seedR), "r": hx(t.R), "enc_r": hx(encR), "enc_i": hx(encI), "activation": t.Activation},
		Out: m{
			"commitment": hx(t.Commitment), "ss_r": hx(ssR), "ss_i": hx(ssI), "words": t.Words(),
			"rv": hx(s.RV), "root": hx(s.Root), "heal": hx(s.Heal), "restore": hx(restore),
			"confirm_i": hx(confirmI), "confirm_r": hx(confirmR),
			"messages": []string{
				say(1, t.Commitment[:]), say(2, t.PKR), say(3, t.PKI, t.R[:], encR),
				say(4, binary.BigEndian.AppendUint64(nil, t.Activation), encI, confirmR[:]), say(5, confirmI[:]),
			},
		}}, s
}

func healVector(heal [32]byte, version uint32, activation uint64) (vector, pairwise.Secrets) {
	seed, enc := encapsulated(suite.LabelHealKEM)
	sk := must(suite.NewPrivateKey(seed))
	pk := sk.Public().Bytes()
	ss := must(pairwise.HealSecret(sk, version, activation, enc))
	s := pairwise.Heal(&heal, &ss, version, activation, pk, enc)
	number := binary.BigEndian.AppendUint32(nil, version)
	key := append(append([]byte{6}, number...), pk...)
	answer := append(binary.BigEndian.AppendUint64(append([]byte{7}, number...), activation), enc...)
	return vector{Op: "healing",
		In:  m{"heal": hx(heal), "version": version, "activation": activation, "seed": hx(seed), "enc": hx(enc)},
		Out: m{"ss": hx(ss), "rv": hx(s.RV), "root": hx(s.Root), "heal": hx(s.Heal), "messages": []string{hx(key), hx(answer)}}}, s
}
