package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"testing"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
)

// BenchmarkLimits measures what only tests may name: an X25519 agreement and
// hpke.Open and the standard library's CTR without package suite in between, in the
// same run as the pass and the set-up that they are compared with.
//
//	go test ./internal/bench -run '^$' -bench Limits -benchtime 1x
func BenchmarkLimits(b *testing.B) {
	const n = 64
	r := &Report{Machine: machine(), plan: planOf(Default), deadline: time.Now().Add(time.Hour)}
	ctx := b.Context()
	for b.Loop() {
		var group []*contender
		agree := addX25519(b, &group, n)
		open := addOpen(b, &group, n)
		if err := r.measureSetup(ctx, group...); err != nil {
			b.Fatal(err)
		}

		group = nil
		thin := addCTR(&group, cells[0])
		direct := addDirectCTR(b, &group, cells[0])
		if err := r.interleave(ctx, group); err != nil {
			b.Fatal(err)
		}
		if err := r.measurePass(ctx, 1_000_000, cells[0]); err != nil {
			b.Fatal(err)
		}
		p, ok := r.passOf(cells[0], 1)
		if !ok {
			b.Fatal("no pass was measured")
		}

		x, s := agree.CPU().Median, r.Setup
		amortised := func(h Hop, pair float64) float64 {
			return x / (p.Pass.Median + (h.Open.Median+h.Receipts.Median+pair)/float64(2*s.Rounds))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(x/1e3, "X25519-µs")
		b.ReportMetric(open.CPU().Median/1e3, "hpke.Open-µs")
		b.ReportMetric(s.X25519.Median/x, "suite/X25519")
		b.ReportMetric(s.Open.Median/open.CPU().Median, "suite/hpke.Open")
		b.ReportMetric(ratio(thin.cpu, direct.cpu).Median, "suite/CTR")
		b.ReportMetric(p.Pass.Median, "pass-ns/cell")
		b.ReportMetric(x/p.Pass.Median, "X25519/pass")
		b.ReportMetric(amortised(s.Relays[1], 0), "X25519/middle-amortised")
		b.ReportMetric(amortised(s.Relays[2], s.Pair.Median), "X25519/last-amortised")
	}
}

func addX25519(b *testing.B, group *[]*contender, n int) *contender {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	other, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	peer := other.PublicKey()
	return add(group, n, func() error {
		for range n {
			if _, err := own.ECDH(peer); err != nil {
				return err
			}
		}
		return nil
	})
}

// addOpen adds opening a message of the size of a first onion layer.
func addOpen(b *testing.B, group *[]*contender, n int) *contender {
	w, err := newWorkshop(chainRelays)
	if err != nil {
		b.Fatal(err)
	}
	sk, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	info := make([]byte, 64)
	kdf, aead := hpke.HKDFSHA256(), hpke.AES256GCM()
	sealed, err := hpke.Seal(sk.PublicKey(), kdf, aead, info, make([]byte, w.p.OnionSize(0)-suite.HPKEOverhead))
	if err != nil {
		b.Fatal(err)
	}
	return add(group, n, func() error {
		for range n {
			if _, err := hpke.Open(sk, kdf, aead, info, sealed); err != nil {
				return err
			}
		}
		return nil
	})
}

func addDirectCTR(b *testing.B, group *[]*contender, cell int) *contender {
	const times = 32
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	buf, stream := make([]byte, inCache), cipher.NewCTR(block, make([]byte, aes.BlockSize))
	return add(group, times*inCache/cell, func() error {
		for range times {
			stream.XORKeyStream(buf, buf)
		}
		return nil
	})
}

// A round in memory allocates nothing once every relay has its arrays.
func TestRoundAllocates(t *testing.T) {
	if pass.Paths()[0] == "std" {
		t.Skip("this processor's pass is the standard library's loop, which allocates")
	}
	c, err := newChain(chainRelays, 1000, 256)
	if err != nil {
		t.Fatal(err)
	}
	defer c.erase()
	in := make([]byte, 1000*256)
	ignore := func([]byte) {}
	if got := testing.AllocsPerRun(20, func() {
		if err := c.inMemory(in, ignore); err != nil {
			t.Fatal(err)
		}
	}); got > 0 {
		t.Errorf("%v allocations per round", got)
	}
}
