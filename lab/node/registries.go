package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// registries is k3s's registries.yaml, which k3d writes before the node starts: where images are pulled from.
// Rewrites of names are not in it, since they need k3s's own containerd.
type registries struct {
	Mirrors map[string]struct {
		Endpoints []string `json:"endpoint"`
	} `json:"mirrors"`
	Configs map[string]registry `json:"configs"`

	// mirrorsOnly is k3s's --disable-default-registry-endpoint.
	mirrorsOnly bool
}

// registry is how one is talked to.
type registry struct {
	Auth registryAuth `json:"auth"`
	TLS  registryTLS  `json:"tls"`
}

type registryAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identity_token"`
}

type registryTLS struct {
	CA         string `json:"ca_file"`
	Cert       string `json:"cert_file"`
	Key        string `json:"key_file"`
	SkipVerify bool   `json:"insecure_skip_verify"`
}

// readRegistries reads the file; a node without one pulls from where images are named after.
func readRegistries(file string) (registries, error) {
	var r registries
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = yaml.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// write puts what containerd reads at each pull into folder: one hosts.toml for each registry. Last of all
// a mirrored one is asked itself, unless mirrorsOnly.
func (r registries) write(folder string) error {
	hosts := slices.Collect(maps.Keys(r.Mirrors))
	for host, config := range r.Configs {
		if config.TLS != (registryTLS{}) {
			hosts = append(hosts, host)
		}
	}
	for _, host := range hosts {
		name := host
		if host == "*" {
			name = "_default"
		}
		if err := writeFile(filepath.Join(folder, name, "hosts.toml"), []byte(r.hostsFile(host)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r registries) hostsFile(host string) string {
	var text strings.Builder
	endpoints := r.Mirrors[host].Endpoints
	if tls := r.Configs[host].TLS; tls != (registryTLS{}) {
		fmt.Fprintf(&text, "server = %q\n%s\n", "https://"+host, tls.lines())
	} else if r.mirrorsOnly && len(endpoints) > 0 {
		// Without a server containerd asks the registry itself.
		url, tls := r.endpoint(endpoints[0])
		fmt.Fprintf(&text, "server = %q\n%s\n", url, tls.lines())
	}
	for _, endpoint := range endpoints {
		url, tls := r.endpoint(endpoint)
		fmt.Fprintf(&text, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n%s\n", url, tls.lines())
	}
	return text.String()
}

// endpoint gives a mirror's URL, and how that is talked to.
func (r registries) endpoint(text string) (url string, tls registryTLS) {
	_, address, found := strings.Cut(text, "://")
	if !found {
		address, text = text, "https://"+text
	}
	address, _, _ = strings.Cut(address, "/")
	return text, r.Configs[address].TLS
}

func (t registryTLS) lines() string {
	var text strings.Builder
	if t.CA != "" {
		fmt.Fprintf(&text, "  ca = %q\n", t.CA)
	}
	if t.Cert != "" {
		fmt.Fprintf(&text, "  client = [[%q, %q]]\n", t.Cert, t.Key)
	}
	if t.SkipVerify {
		text.WriteString("  skip_verify = true\n")
	}
	return text.String()
}

// passwords is the part of containerd's configuration for registries that ask who is there.
func (r registries) passwords() string {
	var text strings.Builder
	for _, host := range slices.Sorted(maps.Keys(r.Configs)) {
		a := r.Configs[host].Auth
		if cmp.Or(a.Username, a.Password, a.Auth, a.IdentityToken) == "" {
			continue
		}
		fmt.Fprintf(&text, `
    [plugins."io.containerd.grpc.v1.cri".registry.configs.%q.auth]
      username = %q
      password = %q
      auth = %q
      identitytoken = %q
`, host, a.Username, a.Password, a.Auth, a.IdentityToken)
	}
	return text.String()
}
