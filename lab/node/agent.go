package main

import (
	"context"
	"os"

	"golang.org/x/sync/errgroup"
)

// runAgent joins the server's cluster. It returns when ctx ends, or when it cannot go on.
func (n *node) runAgent(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	c := newContainers()
	work.Go(func() error { return n.runContainers(ctx, c) })
	work.Go(func() error {
		var t trust
		fetch := func(ctx context.Context) (err error) {
			t, err = fetchTrust(ctx, n.url, n.token)
			return err
		}
		if err := n.sup.await(ctx, "the server "+n.url, fetch); err != nil {
			return err
		}
		if err := writeFile(n.agent("client-ca.crt"), []byte(t.ClientCA), 0o644); err != nil {
			return err
		}
		// The token serves until the kubelet has a certificate, and kube-proxy always.
		holder := user{Token: n.token}
		if err := writeKubeconfig(n.url, []byte(t.ServerCA), holder, n.agent("join.kubeconfig")); err != nil {
			return err
		}
		client, err := newAPI(n.url, []byte(t.ServerCA), holder)
		if err != nil {
			return err
		}
		return n.join(ctx, client, c, n.agent("join.kubeconfig"))
	})
	return work.Wait()
}

// copyFile copies a file that anybody may read.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, text, 0o644)
}
