package main

import (
	"context"
	"encoding/csv"
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

const localServer = "https://127.0.0.1:" + apiPort

// runServer runs the control plane, and this machine as a node. It returns when ctx ends,
// or when it cannot go on.
func (n *node) runServer(ctx context.Context) error {
	p, err := n.openPKI()
	if err != nil {
		return err
	}
	if err := n.writeCredentials(p); err != nil {
		return err
	}
	holder, err := certificateUser(n.tls("supervisor"))
	if err != nil {
		return err
	}
	client, err := newAPI(localServer, p.server.pem, holder)
	if err != nil {
		return err
	}

	work, ctx := errgroup.WithContext(ctx)
	c := newContainers()
	work.Go(func() error { return n.runContainers(ctx, c) })
	work.Go(func() error {
		if err := n.sup.start(ctx, n.etcdComponent()); err != nil {
			return err
		}
		if err := n.sup.start(ctx, n.apiServerComponent(client)); err != nil {
			return err
		}
		t := trust{ServerCA: string(p.server.pem), ClientCA: string(p.client.pem)}
		publish := func(ctx context.Context) error { return publishTrust(ctx, client, t, n.token) }
		if err := n.sup.await(ctx, "the cluster's first objects", publish); err != nil {
			return err
		}
		for _, c := range []component{n.controllerManagerComponent(), n.schedulerComponent()} {
			if err := n.sup.start(ctx, c); err != nil {
				return err
			}
		}
		work.Go(func() error { return n.join(ctx, client, c, n.agent("kube-proxy.kubeconfig")) })
		n.serve(ctx, work, client)
		n.log.Info("k3s is up and running") // k3d waits for these words, then starts the agents
		return nil
	})
	return work.Wait()
}

// serve starts what the server does for the cluster beside the control plane.
func (n *node) serve(ctx context.Context, work *errgroup.Group, client *api) {
	if !slices.Contains(n.disabled, "servicelb") {
		work.Go(func() error {
			n.reconcile(ctx, "addresses of LoadBalancer Services", client, []string{servicesPath, nodesPath}, func(ctx context.Context) error {
				return syncLoadBalancers(ctx, client)
			})
			return nil
		})
	}
	work.Go(func() error { return n.keepManifests(ctx) })
	if !slices.Contains(n.disabled, "coredns") {
		work.Go(func() error {
			n.reconcile(ctx, "names of nodes in the cluster's DNS", client, []string{nodesPath, dnsConfigsPath}, func(ctx context.Context) error {
				return syncNodeHosts(ctx, client)
			})
			return nil
		})
	}
}

// labelServer gives the server's node its role. A kubelet may not do so itself.
func (n *node) labelServer(ctx context.Context, client *api) error {
	return client.merge(ctx, nodesPath+"/"+n.name, map[string]any{
		"metadata": map[string]any{"labels": map[string]string{"node-role.kubernetes.io/control-plane": "true"}},
	})
}

// writeCredentials writes the files by which the components know each other.
func (n *node) writeCredentials(p pki) error {
	for _, c := range []struct {
		certificate string
		paths       []string
	}{
		{"admin", slices.DeleteFunc([]string{n.kubeconfig, n.kubeconfigOutput}, func(s string) bool { return s == "" })},
		{"supervisor", []string{n.cred("supervisor")}},
		{"controller", []string{n.cred("controller")}},
		{"scheduler", []string{n.cred("scheduler")}},
		{"kube-proxy", []string{n.agent("kube-proxy.kubeconfig")}},
		{"kubelet", []string{n.agent("kubelet.kubeconfig")}},
	} {
		u, err := certificateUser(n.tls(c.certificate))
		if err != nil {
			return err
		}
		if err := writeKubeconfig(localServer, p.server.pem, u, c.paths...); err != nil {
			return err
		}
	}
	if err := copyFile(n.tls("client-ca.crt"), n.agent("client-ca.crt")); err != nil {
		return err
	}
	tokens, err := tokenFile(n.token)
	if err != nil {
		return err
	}
	return writeFile(n.tls("tokens.csv"), tokens, os.FileMode(0o600))
}

// tokenFile is the API server's list of tokens: the one by which agents join.
func tokenFile(token string) ([]byte, error) {
	var text strings.Builder
	w := csv.NewWriter(&text)
	err := w.Write([]string{token, "k3s-lab-agent", "k3s-lab-agent", joiners})
	w.Flush()
	return []byte(text.String()), errors.Join(err, w.Error())
}
