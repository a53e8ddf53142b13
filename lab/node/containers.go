package main

import (
	"context"
	"fmt"
)

// containerdConfig is in the format of containerd 1.6. Lowering a process's OOM score below that of its
// parent needs a capability that the machine may lack, hence restrict_oom_score_adj.
func (n *node) containerdConfig(r registries) string {
	return fmt.Sprintf(`version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
%s
# Layers that are given to containerd are for a moment nobody's.
[plugins."io.containerd.gc.v1.scheduler"]
  startup_delay = "60s"
  mutation_threshold = 1000
`, pauseImage, n.cniConfig(), n.registryHosts(), r.passwords())
}

// containers tells how far the node's containerd and its images are.
type containers struct {
	base chan struct{} // closed when it runs and has what every pod needs
	all  chan struct{} // closed when all preloaded images are there
}

func newContainers() containers {
	return containers{base: make(chan struct{}), all: make(chan struct{})}
}

// runContainers starts containerd and gives it the preloaded images: those in all/ on every node,
// those in agent/ where workloads run.
func (n *node) runContainers(ctx context.Context, c containers) error {
	if n.fresh {
		if err := forgetAddresses(n.cniState); err != nil {
			return err
		}
	}
	r, err := readRegistries(n.registries)
	if err != nil {
		return err
	}
	r.mirrorsOnly = n.mirrorsOnly
	if err := r.write(n.registryHosts()); err != nil {
		return err
	}
	// It may hold passwords.
	if err := writeFile(n.agent("etc/containerd/config.toml"), []byte(n.containerdConfig(r)), 0o600); err != nil {
		return err
	}
	if n.registry != "" {
		if err := addLine(n.hosts, n.registry); err != nil {
			return err
		}
	}
	if err := n.sup.start(ctx, n.containerdComponent()); err != nil {
		return err
	}
	n.sup.onStop(n.stopPods)
	if err := n.preload(ctx, "all"); err != nil {
		return err
	}
	close(c.base)
	if n.role == roleAgent || n.runsWorkloads() {
		if err := n.preload(ctx, "agent"); err != nil {
			return err
		}
	}
	close(c.all)
	return nil
}

// ctr is the command line of containerd's client, in the kubelet's namespace.
func (n *node) ctrCommand(args ...string) []string {
	return append([]string{n.ctr, "--address", n.containerdSocket(), "--namespace", "k8s.io"}, args...)
}

func waitFor(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
