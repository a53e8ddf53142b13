package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"canary/lab/build"
)

// packages maps each command that the lab calls to the Debian package that brings it.
var packages = []struct{ command, pkg string }{
	{"dockerd", "docker.io"}, {"docker", "docker.io"}, {"runc", "runc"}, {"iptables", "iptables"},
	{"ip", "iproute2"}, {"debootstrap", "debootstrap"}, {"python3", "python3-pip"},
}

// installPackages brings what the lab needs of the system through the system's package manager.
func (l *lab) installPackages(ctx context.Context) error {
	var missing []string
	for _, p := range packages {
		if _, err := exec.LookPath(p.command); err != nil {
			missing = append(missing, p.pkg)
		}
	}
	if exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() != nil {
		missing = append(missing, "python3-pip")
	}
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing: %s: the lab installs them on Debian and Ubuntu; install them by hand here", names)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s: the lab needs root, for these packages and for its Docker engine: run it as root", names)
	}
	l.say("installing %s", names)
	for _, args := range [][]string{{"update"}, append([]string{"install", "--yes", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet=2"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// installTools puts the commands that the product calls into the project's own folder.
func (l *lab) installTools(parts map[string]string) error {
	bin := filepath.Join(l.project, ".canary", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for name, from := range map[string]string{
		"pulumi":             filepath.Join(parts["pulumi"], "pulumi"),
		"pulumi-language-go": filepath.Join(parts["language-go"], "pulumi-language-go"),
		"k3d":                filepath.Join(parts["k3d"], "k3d"),
		"kubectl":            filepath.Join(parts["cluster"], "kube"),
	} {
		if err := link(from, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// link makes to the same file as from: a hard link, or a copy where the file systems differ. A symbolic
// link would not do: the Pulumi CLI looks for its language host beside the file that it really is.
func link(from, to string) error {
	if a, err := os.Stat(from); err == nil {
		if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
			return nil
		}
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// installPlugins installs the resource plugins as `pulumi plugin install` does for users, once per build of them.
func (l *lab) installPlugins(ctx context.Context, dir string) error {
	home := filepath.Join(l.project, ".canary", "pulumi")
	mark := filepath.Join(home, filepath.Base(dir)+".installed")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	for plugin, version := range build.Plugins() {
		l.say("installing plugin %s %s", plugin, version)
		cmd := exec.CommandContext(ctx, filepath.Join(l.project, ".canary", "bin", "pulumi"),
			"plugin", "install", "resource", plugin, version, "--reinstall", "--file", filepath.Join(dir, plugin))
		cmd.Env = append(os.Environ(), "PULUMI_HOME="+home, "PULUMI_SKIP_UPDATE_CHECK=true")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install plugin %s %s: %w\n%s", plugin, version, err, out)
		}
	}
	return os.WriteFile(mark, nil, 0o644)
}

// writeStackFile copies the lab's stack file to the project. What the user has set there since stays.
func (l *lab) writeStackFile() error {
	const name = "Pulumi.lab.yaml"
	type stack map[string]any
	read := func(file string) (stack, error) {
		s := stack{}
		b, err := os.ReadFile(file)
		if err != nil {
			return s, err
		}
		return s, yaml.Unmarshal(b, &s)
	}
	mine, err := read(filepath.Join(l.project, "lab", name))
	if err != nil {
		return err
	}
	to := filepath.Join(l.project, name)
	theirs, err := read(to)
	if errors.Is(err, os.ErrNotExist) {
		b, err := os.ReadFile(filepath.Join(l.project, "lab", name))
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: remove it, and it is made again", to, err)
	}
	config, _ := theirs["config"].(map[string]any)
	if config == nil {
		config = map[string]any{}
	}
	project, err := read(filepath.Join(l.project, "Pulumi.yaml"))
	if err != nil {
		return err
	}
	wanted, _ := mine["config"].(map[string]any)
	for key, value := range wanted {
		// "pulumi config set" writes the project's name in front of every key. Of a key in both forms Pulumi would read
		// either.
		if full := fmt.Sprintf("%v:%s", project["name"], key); config[full] != nil {
			key = full
		}
		config[key] = value
	}
	theirs["config"] = config
	b, err := yaml.Marshal(theirs)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
