package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pageTLSName is the file of the key and certificate that paired devices see.
const pageTLSName = "page-tls.pem"

// pageCertificate reads the self-signed certificate of the pages for a host, or
// makes it, and returns its SHA-256 as browsers show it. It is ECDSA on P-256:
// browsers accept no Ed25519. Nothing but these pages relies on it.
func pageCertificate(dir, host string) (tls.Certificate, string, error) {
	path := filepath.Join(dir, pageTLSName)
	b, err := os.ReadFile(path)
	if err == nil {
		cert, err := tls.X509KeyPair(b, b)
		if err != nil {
			return cert, "", fmt.Errorf("reading %s: %w: remove it and pair the devices again", pageTLSName, err)
		}
		if cert.Leaf.VerifyHostname(host) == nil && time.Now().Before(cert.Leaf.NotAfter) {
			return cert, fingerprint(cert), nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, "", fmt.Errorf("reading %s: %w", pageTLSName, err)
	}
	if b, err = newPageCertificate(host, time.Now()); err != nil {
		return tls.Certificate{}, "", fmt.Errorf("making a certificate: %w", err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return tls.Certificate{}, "", fmt.Errorf("making a certificate: %w", err)
	}
	cert, err := tls.X509KeyPair(b, b)
	if err != nil {
		return cert, "", fmt.Errorf("making a certificate: %w", err)
	}
	return cert, fingerprint(cert), nil
}

func newPageCertificate(host string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "a web page"}, // the line must not say of what
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		if err := pem.Encode(&out, block); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	out := make([]byte, 0, 3*len(sum))
	for i, b := range sum {
		if i > 0 {
			out = append(out, ':')
		}
		out = fmt.Appendf(out, "%02X", b)
	}
	return string(out)
}
