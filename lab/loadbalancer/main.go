package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	valuesFile = "/etc/confd/values.yaml"
	interval   = 100 * time.Millisecond
	// grace is short: k3d stops the nodes only after this container.
	grace = 500 * time.Millisecond
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmsgprefix)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	// Dials in progress may end by themselves while connections are given their grace.
	b := newBalancer(context.WithoutCancel(ctx), newResolver())
	log.Printf("waiting for %s", valuesFile)
	watchFile(ctx, valuesFile, interval, func(text []byte) { reload(b, text) })
	log.Print("stopping")
	b.stop(grace)
}

// reload puts a new text of the values file into force, or says why it is not.
func reload(b *balancer, text []byte) {
	c, err := parseConfig(text)
	if err != nil {
		log.Printf("%s is not taken over: %v", valuesFile, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	if err := b.apply(c); err != nil {
		log.Printf("%s is not wholly in force: %v", valuesFile, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	var ports []string
	for p, hosts := range c.hosts {
		ports = append(ports, p.String()+" → "+strings.Join(hosts, ", "))
	}
	slices.Sort(ports)
	// k3d waits for the first words.
	log.Printf("start worker processes: %s", strings.Join(ports, "; "))
}

func inode(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
