package main

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// pki are the server's authorities. Each signs for one purpose, as in k3s: a certificate
// that identifies a client can then never be taken for a server's or for the front proxy's.
type pki struct {
	server, client, requestHeader *authority
}

// openPKI makes or keeps the server's authorities and the certificates of its components. What exists is
// kept, so that a cluster survives stops; a certificate that lacks one of the given names, such as an
// address that the container got at this start, is issued anew.
func (n *node) openPKI() (pki, error) {
	var p pki
	var problems []error
	open := func(name string) *authority {
		a, err := openAuthority(n.tls(name+"-ca"), "k3s-"+name+"-ca")
		if err != nil {
			problems = append(problems, fmt.Errorf("authority %s: %w", name, err))
		}
		return a
	}
	p.server, p.client, p.requestHeader = open("server"), open("client"), open("request-header")
	if len(problems) > 0 {
		return p, errors.Join(problems...)
	}
	for name, c := range map[string]struct {
		by *authority
		id identity
	}{
		"kube-apiserver": {p.server, identity{
			commonName: "kube-apiserver", usage: x509.ExtKeyUsageServerAuth,
			names: append([]string{
				"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain,
				"localhost", "127.0.0.1", apiServiceIP, n.name, n.ip,
			}, n.tlsSANs...),
		}},
		"apiserver-kubelet": {p.client, clientIdentity("system:apiserver", "system:masters")},
		"admin":             {p.client, clientIdentity("system:admin", "system:masters")},
		"supervisor":        {p.client, clientIdentity("system:k3s-supervisor", "system:masters")},
		"kube-proxy":        {p.client, clientIdentity("system:kube-proxy", "")},
		"controller":        {p.client, clientIdentity("system:kube-controller-manager", "")},
		"scheduler":         {p.client, clientIdentity("system:kube-scheduler", "")},
		"kubelet":           {p.client, clientIdentity("system:node:"+n.name, "system:nodes")},
		"auth-proxy":        {p.requestHeader, clientIdentity(frontProxy, "")},
	} {
		issued, err := c.by.ensure(n.tls(name), c.id)
		if err != nil {
			problems = append(problems, err)
		} else if issued && len(c.id.names) > 0 {
			n.log.Info("issued the certificate of "+name, "for", c.id.names)
		}
	}
	problems = append(problems, ensureSigningKey(n.tls("service.key"), n.tls("service.pub")))
	return p, errors.Join(problems...)
}

// frontProxy is who may pass on identities in request headers.
const frontProxy = "system:auth-proxy"

func clientIdentity(user, group string) identity {
	return identity{commonName: user, organization: group, usage: x509.ExtKeyUsageClientAuth}
}
