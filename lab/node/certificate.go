package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

const (
	validity = 10 * 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced, at a start.
	renewBefore = 90 * 24 * time.Hour
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte // of cert
}

// identity is what a certificate says about its holder.
type identity struct {
	commonName   string
	organization string
	names        []string // DNS names and IP addresses
	usage        x509.ExtKeyUsage
}

// openAuthority reads the authority in <base>.crt and <base>.key, and makes a new one when there is none.
func openAuthority(base, commonName string) (*authority, error) {
	a, err := readAuthority(base)
	if errors.Is(err, os.ErrNotExist) {
		return makeAuthority(base, commonName)
	}
	return a, err
}

func readAuthority(base string) (*authority, error) {
	certPEM, keyPEM, err := readPair(base)
	if err != nil {
		return nil, err
	}
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("%s.crt: %w", base, err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s.key: %w", base, err)
	}
	return &authority{cert: cert, key: key, pem: certPEM}, nil
}

func makeAuthority(base, commonName string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate(commonName)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writePair(base, der, key); err != nil {
		return nil, err
	}
	return readAuthority(base)
}

// ensure keeps the certificate in <base>.crt and <base>.key when it is signed by this authority, says what id
// says and is good for some time, and issues a new one otherwise. issued reports the latter.
func (a *authority) ensure(base string, id identity) (issued bool, err error) {
	if a.fits(base, id, time.Now()) {
		return false, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, err
	}
	template := newTemplate(id.commonName)
	if id.organization != "" {
		template.Subject.Organization = []string{id.organization}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{id.usage}
	for _, name := range id.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return false, fmt.Errorf("issue %s.crt: %w", base, err)
	}
	return true, writePair(base, der, key)
}

func (a *authority) fits(base string, id identity, now time.Time) bool {
	certPEM, keyPEM, err := readPair(base)
	if err != nil {
		return false
	}
	cert, err := parseCertificate(certPEM)
	if err != nil || cert.CheckSignatureFrom(a.cert) != nil {
		return false
	}
	key, err := parseKey(keyPEM)
	if err != nil || !key.PublicKey.Equal(cert.PublicKey) {
		return false
	}
	wanted := slices.DeleteFunc([]string{id.organization}, func(s string) bool { return s == "" })
	if cert.Subject.CommonName != id.commonName || !slices.Equal(cert.Subject.Organization, wanted) || now.Add(renewBefore).After(cert.NotAfter) {
		return false
	}
	return !slices.ContainsFunc(id.names, func(name string) bool { return !says(cert, name) })
}

// says reports whether the certificate has just this name: wildcards do not count.
func says(cert *x509.Certificate, name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return slices.ContainsFunc(cert.IPAddresses, ip.Equal)
	}
	return slices.Contains(cert.DNSNames, name)
}

func newTemplate(commonName string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // the system has no randomness
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validity),
	}
}

// ensureSigningKey makes the key pair for service account tokens when there is none.
func ensureSigningKey(private, public string) error {
	text, err := os.ReadFile(private)
	var key *ecdsa.PrivateKey
	switch {
	case err == nil:
		if key, err = parseKey(text); err != nil {
			return fmt.Errorf("%s: %w", private, err)
		}
	case errors.Is(err, os.ErrNotExist):
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
		if err := writeKey(private, key); err != nil {
			return err
		}
	default:
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writeFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

func readPair(base string) (certPEM, keyPEM []byte, err error) {
	if certPEM, err = os.ReadFile(base + ".crt"); err != nil {
		return nil, nil, err
	}
	keyPEM, err = os.ReadFile(base + ".key")
	return certPEM, keyPEM, err
}

func writePair(base string, der []byte, key *ecdsa.PrivateKey) error {
	if err := writeKey(base+".key", key); err != nil {
		return err
	}
	return writeFile(base+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block found, want a certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block found, want an EC private key")
	}
	return x509.ParseECPrivateKey(block.Bytes)
}
