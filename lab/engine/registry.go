package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"canary/lab/image"
)

// Registry has the images of pods under their public names, over TLS: whoever takes its address for that of the public
// registries pulls as from those.
type Registry struct {
	// Program is the registry's, Data its folder, Run holds its process id.
	Program, Data, Run string
	// Address is an IP address and port of this machine.
	Address string
}

func (r *Registry) process() *process {
	return &process{name: "registry", pidFile: filepath.Join(r.Run, "registry.pid"), mark: r.file("config.yml")}
}

func (r *Registry) file(name string) string { return filepath.Join(r.Data, name) }

// Certificate is the file of the certificate that clients have to trust.
func (r *Registry) Certificate() string { return r.file("cert.pem") }

// Start starts the registry unless it runs, and gives it the images of some layouts. It returns the hosts in their names.
func (r *Registry) Start(ctx context.Context, layouts ...string) (hosts []string, err error) {
	images := map[string]v1.Image{}
	for _, dir := range layouts {
		found, err := image.ReadLayout(dir)
		if err != nil {
			return nil, err
		}
		maps.Copy(images, found)
	}
	hosts, err = registryHosts(slices.Collect(maps.Keys(images)))
	if err != nil {
		return nil, err
	}
	if err := r.run(ctx, hosts); err != nil {
		return nil, err
	}
	return hosts, r.push(ctx, images)
}

// registryHosts are those that are asked for images with the names.
func registryHosts(images []string) ([]string, error) {
	var hosts []string
	for _, image := range images {
		tag, err := name.NewTag(image)
		if err != nil {
			return nil, err
		}
		host := tag.RegistryStr()
		hosts = append(hosts, host)
		if host == name.DefaultRegistry {
			hosts = append(hosts, "registry-1.docker.io") // which engines ask
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

func (r *Registry) run(ctx context.Context, hosts []string) error {
	if _, alive := r.process().id(); alive {
		return nil
	}
	if err := os.MkdirAll(r.Data, 0o700); err != nil {
		return err
	}
	// Nodes that were made before trust the certificate that is there.
	if _, err := os.Stat(r.Certificate()); err != nil {
		if err := r.writeCertificate(hosts); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`version: 0.1
log: {accesslog: {disabled: true}, level: warn}
storage: {filesystem: {rootdirectory: %q}}
http: {addr: %q, tls: {certificate: %q, key: %q}}
`, r.file("images"), r.Address, r.Certificate(), r.file("key.pem"))
	if err := os.WriteFile(r.file("config.yml"), []byte(config), 0o600); err != nil {
		return err
	}
	log := r.file("registry.log")
	exited, err := r.process().start(log, r.Program, "serve", r.file("config.yml"))
	if err != nil {
		return err
	}
	return waitFor(ctx, 10*time.Second, exited, r.answers, "registry on "+r.Address, log)
}

func (r *Registry) answers() bool {
	c, err := net.Dial("tcp", r.Address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Stop stops the registry.
func (r *Registry) Stop(ctx context.Context) error { return r.process().stop(ctx, 5*time.Second) }

// push writes what the registry does not have yet.
func (r *Registry) push(ctx context.Context, images map[string]v1.Image) error {
	transport, err := r.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	for text, img := range images {
		tag, err := name.NewTag(text)
		if err != nil {
			return err
		}
		if err := remote.Write(tag, img, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(authn.Anonymous)); err != nil {
			return fmt.Errorf("push %s to %s: %w", text, r.Address, err)
		}
	}
	return nil
}

// transport reaches the registry by every name that its certificate has.
func (r *Registry) transport() (*http.Transport, error) {
	certificate, err := os.ReadFile(r.Certificate())
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.Address)
		},
	}, nil
}

// writeCertificate makes one for the hosts that is its own authority.
func (r *Registry) writeCertificate(hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "canary lab registry"}, DNSNames: hosts,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(r.file("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(r.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o644))
}
