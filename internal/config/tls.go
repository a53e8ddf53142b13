package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TLS is how the ingress gateway serves the app's hosts: over HTTPS when there is a
// certificate, else over HTTP alone.
type TLS struct {
	// Certificate is a chain in PEM, the app's own certificate first, and Key its private
	// key in PEM. Key is secret: keep it out of output, and mark it before it enters the state.
	Certificate, Key string
	// Secret is the name of a Secret in Istio.Namespace that has them instead.
	Secret string
	// Ends is when the certificate ends; zero with Secret.
	Ends time.Time
}

// On reports whether the hosts are served over HTTPS.
func (t TLS) On() bool { return t.Certificate != "" || t.Secret != "" }

// endsSoon is how long before its end a certificate is spoken of.
const endsSoon = 14 * 24 * time.Hour

const pemAllowed = "in PEM, or the path of a file with it"

// pem is the rule of what is given in PEM, in place or as a file's path.
func pem(what string, field func(*Config) *string) rule {
	return rule{what + " " + pemAllowed, func(c *Config, value string) error {
		if !strings.HasPrefix(strings.TrimSpace(value), "-----BEGIN ") {
			text, err := readFile(value)
			if err != nil {
				return err
			}
			value = string(text)
		}
		*field(c) = value
		return nil
	}}
}

// checkTLS checks that certificate, key and hosts belong together. That a certificate has
// ended is no problem of the configuration: nobody changed it, and it must not hold a
// roll back up.
func (p *parser) checkTLS() {
	t := &p.config.TLS
	if !p.good("tlsCertificate", "tlsKey", "tlsSecret") {
		return
	}
	const remove = "pulumi config rm "
	switch {
	case t.Secret != "" && t.Certificate != "":
		p.refuse("tlsSecret", " with tlsCertificate", remove+"tlsSecret")
	case t.Certificate != "" && t.Key == "":
		p.refuse("tlsKey", " with tlsCertificate", "pulumi config set --secret tlsKey < key.pem")
	case t.Key != "" && t.Certificate == "":
		p.refuse("tlsKey", " without tlsCertificate", remove+"tlsKey")
	case t.Certificate != "":
		p.checkPair(t)
	}
}

func (p *parser) checkPair(t *TLS) {
	pair, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.Key))
	if err != nil {
		// Such an error tells what is missing or does not fit, and nothing of the key.
		p.refuse("tlsCertificate", " that is no pair with tlsKey ("+strings.TrimPrefix(err.Error(), "tls: ")+")", "")
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		p.refuse("tlsCertificate", " that cannot be read ("+err.Error()+")", "")
		return
	}
	t.Ends = leaf.NotAfter
	others := slices.DeleteFunc(slices.Clone(p.config.Hosts), func(host string) bool { return leaf.VerifyHostname(host) == nil })
	if len(others) > 0 && p.good("name", "namespace", "host") {
		names := cmp.Or(strings.Join(leaf.DNSNames, ", "), "no DNS name")
		p.refuse("tlsCertificate", fmt.Sprintf(" that is for %s, and not for host %s", names, p.showAll(mustFind("host"), others)), "")
	}
}

// Warnings are what to know about a configuration that is right: that its certificate has
// ended, or is about to.
func (c *Config) Warnings(now time.Time) []string {
	left := c.TLS.Ends.Sub(now)
	of := fmt.Sprintf("the certificate of %s", strings.Join(c.Hosts, ", "))
	switch {
	case c.TLS.Ends.IsZero() || left > endsSoon:
		return nil
	case left <= 0:
		return []string{fmt.Sprintf("%s has ended on %s, and clients refuse it: set another as tlsCertificate and tlsKey", of, c.TLS.Ends.UTC().Format(time.DateOnly))}
	}
	return []string{fmt.Sprintf("%s ends on %s, in %d days: set another as tlsCertificate and tlsKey before", of, c.TLS.Ends.UTC().Format(time.DateOnly), int(left.Hours()/24))}
}
