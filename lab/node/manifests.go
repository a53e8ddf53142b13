package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed coredns.yaml metrics-server.yaml
var packaged embed.FS

// stageManifests writes the packaged manifests that are neither disabled nor there already. One that is there
// holds what k3d has written into it, which outlives a stop.
func (n *node) stageManifests() error {
	for name, image := range map[string]string{"coredns": coreDNSImage, "metrics-server": metricsServerImage} {
		path := filepath.Join(n.manifests(), name+".yaml")
		if slices.Contains(n.disabled, name) || exists(path) {
			continue
		}
		text, err := packaged.ReadFile(name + ".yaml")
		if err != nil {
			return err
		}
		filled := strings.NewReplacer("%IMAGE%", image, "%ADDRESS%", dnsServiceIP, "%DOMAIN%", domain).Replace(string(text))
		if err := writeFile(path, []byte(filled), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// keepManifests applies the files of the manifests folder, and each again when it changes, until ctx ends.
func (n *node) keepManifests(ctx context.Context) error {
	if err := n.stageManifests(); err != nil {
		return err
	}
	f := folder{path: n.manifests(), apply: func(file string) error {
		line := n.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager="+fieldManager, "--validate=ignore", "--filename="+file)
		_, err := run(ctx, nil, line...)
		return err
	}}
	failure, deployed := "", slices.Contains(n.disabled, "coredns")
	for ctx.Err() == nil {
		err := f.sync()
		switch {
		case ctx.Err() != nil:
		case err != nil && err.Error() != failure:
			failure = err.Error()
			n.log.Warn("manifests will be applied again", "error", err)
		case err == nil && !deployed:
			// k3d waits for these words before it writes its names into the manifest.
			n.log.Info("Cluster dns configmap has been set successfully")
			deployed = true
		}
		sleep(ctx, time.Second)
	}
	return nil
}

// folder is a folder of manifests.
type folder struct {
	path    string
	apply   func(file string) error
	applied map[string][sha256.Size]byte // by file
}

// sync applies each file that is new or has changed since it was applied. Files are told apart by
// their content: Docker's copies carry no time. One that failed is tried again by the next call.
func (f *folder) sync() error {
	if f.applied == nil {
		f.applied = map[string][sha256.Size]byte{}
	}
	var problems []error
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		files, err := filepath.Glob(filepath.Join(f.path, pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			sum := sha256.Sum256(text)
			if f.applied[file] == sum {
				continue
			}
			if err := f.apply(file); err != nil {
				problems = append(problems, err)
				continue
			}
			f.applied[file] = sum
		}
	}
	return errors.Join(problems...)
}
