// Program cutoff runs as one more container of a pod, with the right to change
// the pod's network: the pod cannot reach an address any more, until somebody asks
// for /restore.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func main() {
	log.SetFlags(0)
	address := flag.String("address", "", "IP address to cut off")
	listen := flag.String("listen", "", "address to serve on")
	flag.Parse()
	route, err := blackhole(*address)
	if err != nil {
		log.Fatalf("cutoff: %v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/restore", func(w http.ResponseWriter, _ *http.Request) {
		if err := netlink.RouteDel(route); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	log.Fatal(http.ListenAndServe(*listen, mux))
}

func blackhole(address string) (*netlink.Route, error) {
	ip := net.ParseIP(address)
	if ip == nil {
		return nil, fmt.Errorf("%q is no IP address", address)
	}
	bits := 8 * net.IPv6len
	if v4 := ip.To4(); v4 != nil {
		ip, bits = v4, 8*net.IPv4len
	}
	route := &netlink.Route{Dst: &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}, Type: unix.RTN_BLACKHOLE}
	return route, netlink.RouteAdd(route)
}
