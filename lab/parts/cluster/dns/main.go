// Command dns is CoreDNS with only the plugins that the lab uses: the full set
// brings in the SDKs of several clouds.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// A query goes through the plugins in this order, whatever the Corefile's own
	// order is. It is CoreDNS's order without the plugins left out; a directive
	// that is not listed is an error.
	dnsserver.Directives = []string{"errors", "health", "ready", "cache", "hosts", "kubernetes", "forward"}
	coremain.Run()
}
