package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"canary/lab/build"
	"canary/lab/engine"
)

// lab knows the folders of one checkout's lab.
type lab struct {
	project  string
	cache    string
	run      string
	names    build.Names
	engine   *engine.Engine
	progress io.Writer
}

func newLab(project string, progress io.Writer) (*lab, error) {
	project, err := filepath.Abs(project)
	if err != nil {
		return nil, err
	}
	names, err := readNames(filepath.Join(project, "internal", "pins", "pins.env"))
	if err != nil {
		return nil, err
	}
	cache := os.Getenv("CANARY_LAB_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no folder for the cache: %w: set CANARY_LAB_CACHE", err)
		}
		cache = filepath.Join(user, "canary-lab")
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(project)))[:8]
	run := filepath.Join("/run", "canary-lab-"+id)
	return &lab{
		project: project, cache: cache, run: run, names: names, progress: progress,
		engine: &engine.Engine{Data: filepath.Join(cache, "engine-"+id), Run: run, Bridge: engine.NewBridge(id)},
	}, nil
}

// readNames reads the image names and versions that the product asks for from its own pins.
func readNames(file string) (build.Names, error) {
	f, err := os.Open(file)
	if err != nil {
		return build.Names{}, err
	}
	defer f.Close()
	pins := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			pins[key] = strings.Trim(value, `"'`)
		}
	}
	n := build.Names{
		K3sImage: pins["K3S_IMAGE"], K3dVersion: pins["K3D_VERSION"], IstioHub: pins["ISTIO_HUB"],
		IstioVersion: pins["ISTIO_VERSION"], NginxImage: pins["NGINX_IMAGE"], RegistryImage: pins["REGISTRY_IMAGE"], PulumiVersion: pins["PULUMI_VERSION"],
	}
	if n.K3sImage == "" || n.K3dVersion == "" || n.IstioHub == "" || n.IstioVersion == "" || n.NginxImage == "" || n.RegistryImage == "" || n.PulumiVersion == "" {
		return build.Names{}, fmt.Errorf("%s lacks one of K3S_IMAGE, K3D_VERSION, ISTIO_HUB, ISTIO_VERSION, NGINX_IMAGE, REGISTRY_IMAGE, PULUMI_VERSION", file)
	}
	return n, nil
}

func (l *lab) build(ctx context.Context) (map[string]string, error) {
	if err := l.installPackages(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.cache, 0o755); err != nil {
		return nil, err
	}
	b := build.Builder{Cache: l.cache, Progress: l.progress}
	return b.Build(ctx, build.Parts(filepath.Join(l.project, "lab"), l.names))
}

func (l *lab) start(ctx context.Context) error {
	parts, err := l.build(ctx)
	if err != nil {
		return err
	}
	l.engine.Runc = filepath.Join(parts["node"], "runc")
	l.say("starting the engine at %s", l.engine.Host())
	if err := l.engine.Start(ctx); err != nil {
		return err
	}
	if err := l.engine.Load(ctx, filepath.Join(parts["images"], "engine"), func(s string) { l.say("%s", s) }); err != nil {
		return err
	}
	if err := l.nodeImage(ctx, parts); err != nil {
		return err
	}
	charts := l.charts(parts["charts"])
	if err := charts.Start(ctx); err != nil {
		return err
	}
	if err := l.installTools(parts); err != nil {
		return err
	}
	if err := l.installPlugins(ctx, parts["plugins"]); err != nil {
		return err
	}
	return l.writeStackFile()
}

// nodeImage gives the engine the node image that was built, which has the images of pods; with LAB_REGISTRY=1 one that
// pulls them from a registry.
func (l *lab) nodeImage(ctx context.Context, parts map[string]string) error {
	images := parts["images"]
	id, err := os.ReadFile(filepath.Join(images, "engine", build.ArchiveName(l.names.K3sImage)+".id"))
	if err != nil {
		return err
	}
	if os.Getenv("LAB_REGISTRY") != "1" {
		return l.engine.Tag(ctx, string(id), l.names.K3sImage)
	}
	registry := l.registry(filepath.Join(parts["registry"], "registry"))
	l.say("starting the registry at %s", registry.Address)
	hosts, err := registry.Start(ctx, filepath.Join(images, "pods", "all"), filepath.Join(images, "pods", "agent"))
	if err != nil {
		return err
	}
	return l.engine.Extend(ctx, string(id), l.names.K3sImage, "LAB_REGISTRY", l.engine.Bridge.IP()+" "+strings.Join(hosts, " "), registry.Certificate())
}

func (l *lab) stop(ctx context.Context, purge bool) error {
	err := errors.Join(l.charts("").Stop(ctx), l.registry("").Stop(ctx), l.engine.Stop(ctx))
	if err == nil && purge {
		err = l.engine.Purge()
	}
	return err
}

func (l *lab) env(w io.Writer) error {
	for _, kv := range append(build.GoEnv(), "DOCKER_HOST="+l.engine.Host()) {
		key, value, _ := strings.Cut(kv, "=")
		if _, err := fmt.Fprintf(w, "export %s='%s'\n", key, strings.ReplaceAll(value, "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) charts(dir string) *engine.Charts {
	return &engine.Charts{Run: l.run, Log: filepath.Join(l.engine.Data, "charts.log"), Dir: dir}
}

func (l *lab) registry(program string) *engine.Registry {
	return &engine.Registry{Program: program, Data: filepath.Join(l.engine.Data, "registry"), Run: l.run, Address: l.engine.Bridge.IP() + ":443"}
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, "lab: "+format+"\n", args...)
}
