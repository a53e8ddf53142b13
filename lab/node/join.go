package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// node is this machine.
type node struct {
	options
	layout
	name, ip string
	fresh    bool // this is the first start since the container started
	began    time.Time
	log      *slog.Logger
	sup      *supervisor
}

// newNode reads what the machine is.
func newNode(o options, l layout, log *slog.Logger) (*node, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	ip, err := nodeAddress()
	if err != nil {
		return nil, err
	}
	// The run folder is gone with the container's processes.
	mark := filepath.Join(l.run, "started")
	_, err = os.Stat(mark)
	n := &node{
		options: o, layout: l, name: strings.ToLower(name), ip: ip, fresh: err != nil,
		began: time.Now(), log: log, sup: newSupervisor(log, l.logs),
	}
	return n, writeFile(mark, nil, 0o644)
}

// join makes this machine a node of the cluster, and says so once pods can run on it.
// It then keeps the routes to other nodes' pods, until ctx ends.
func (n *node) join(ctx context.Context, client *api, c containers, proxyKubeconfig string) error {
	config, err := n.kubeletConfig()
	if err != nil {
		return err
	}
	if err := writeFile(n.agent("etc/kubelet.yaml"), config, 0o644); err != nil {
		return err
	}
	if err := waitFor(ctx, c.base); err != nil {
		return err
	}
	if err := n.sup.start(ctx, n.kubeletComponent()); err != nil {
		return err
	}
	// kube-proxy ends when the node's address changes, and the address that
	// the cluster knows is at first the one before the last stop.
	var own nodeObject
	registered := func(ctx context.Context) (err error) {
		if own, err = client.node(ctx, n.name); err == nil && (own.address() != n.ip || own.Spec.PodCIDR == "") {
			err = fmt.Errorf("node has address %q and pod network %q, want address %s and a pod network", own.address(), own.Spec.PodCIDR, n.ip)
		}
		return err
	}
	if err := n.sup.await(ctx, "this node's registration", registered); err != nil {
		return err
	}
	if n.role == roleServer {
		label := func(ctx context.Context) error { return n.labelServer(ctx, client) }
		if err := n.sup.await(ctx, "this node's label", label); err != nil {
			return err
		}
	}
	network, err := podNetwork(own.Spec.PodCIDR)
	if err != nil {
		return err
	}
	if err := errors.Join(openPodNetwork(ctx), writeFile(filepath.Join(n.cniConfig(), "10-k3s-lab.conflist"), network, 0o644)); err != nil {
		return err
	}
	if err := n.sup.start(ctx, n.kubeProxyComponent(proxyKubeconfig)); err != nil {
		return err
	}
	go func() {
		ready := func(ctx context.Context) error {
			o, err := client.node(ctx, n.name)
			if err == nil && !o.readySince(n.began) {
				err = errors.New("the node is not ready")
			}
			return err
		}
		if n.sup.await(ctx, "this node to be ready", ready) == nil && waitFor(ctx, c.all) == nil {
			n.log.Info("Successfully registered node " + n.name) // k3d waits for these words
		}
	}()
	n.reconcile(ctx, "routes to pods of other nodes", client, []string{nodesPath}, func(ctx context.Context) error {
		return n.syncRoutes(ctx, client)
	})
	return nil
}
