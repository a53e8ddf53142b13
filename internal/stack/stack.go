// Package stack reads what a stack of this project has put out, by the Pulumi
// CLI of the user.
package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"canary/internal/release"
)

// Outputs are the outputs of a stack.
type Outputs struct {
	// URL of the app through the ingress gateway.
	URL string
	// Hosts are all hosts of the app, that of the URL first; none when the stack was
	// updated last before it could have several.
	Hosts []string
	// Certificate of the app's hosts, in PEM; "" when the stack has none.
	Certificate string
	// Kubeconfig of the cluster; a secret.
	Kubeconfig Secret
	// Namespace and Name of the app, and so of its Service and VirtualService.
	Namespace, Name string
	// Split is the percentage of each subset.
	Split map[string]float64
	// Extras are what the app's routes do beside the split.
	Extras release.Extras
	// Existing says that the cluster is not the stack's own.
	Existing bool
}

// Secret does not show its content when it is printed.
type Secret []byte

// String hides the content.
func (Secret) String() string { return "[secret]" }

// GoString hides the content.
func (Secret) GoString() string { return "[secret]" }

// ErrNotUp marks a stack that has not all of its outputs.
var ErrNotUp = errors.New("the stack is not up")

// Read reads the outputs of a stack; name "" means the selected one. It runs
// `pulumi stack output` with the environment of this process, in its working
// folder, which must be in the project.
func Read(ctx context.Context, name string) (*Outputs, error) {
	out, err := run(ctx, name, "stack", "output", "--json", "--show-secrets", "--non-interactive")
	if err != nil {
		return nil, err
	}
	return parse(out)
}

// run runs the Pulumi CLI on a stack and gives what it prints.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if name != "" {
		args = append(args, "--stack", name)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "pulumi", args...)
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("pulumi is not on PATH: type `eval \"$(make -s env)\"` in the project's folder, or install the Pulumi CLI")
	}
	said := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "error: ")
	if said == "" {
		said = err.Error()
	}
	return nil, fmt.Errorf("`pulumi %s`: %s\n%s", strings.Join(args, " "), said, advice(said))
}

// advice says what to type after a failure of the Pulumi CLI, by what it said.
func advice(said string) string {
	has := func(part string) bool { return strings.Contains(said, part) }
	switch {
	case has("no Pulumi.yaml"), has("no Pulumi project"):
		return "change to the project's folder (where Pulumi.yaml is) and type it again"
	case has("no stack selected"):
		return "name a stack with --stack, or type `pulumi stack select`"
	case has("no stack named"):
		return "`pulumi stack ls` lists the stacks; `pulumi up` makes one"
	}
	return "if this shell is not set up for the project yet, type `eval \"$(make -s env)\"` in the project's folder"
}

func parse(data []byte) (*Outputs, error) {
	var raw struct {
		URL             string             `json:"url"`
		Hosts           []string           `json:"hosts"`
		Certificate     string             `json:"certificate"`
		Kubeconfig      string             `json:"kubeconfig"`
		VirtualService  string             `json:"virtualService"`
		ClusterProvider string             `json:"clusterProvider"`
		Split           map[string]float64 `json:"split"`
		Extras          release.Extras     `json:"extras"`
	}
	// The error of a decoder may quote what it reads, and that has secrets.
	if json.Unmarshal(data, &raw) != nil {
		return nil, errors.New("the stack's outputs are not those of this project: url, kubeconfig and virtualService are to be strings, hosts a list of them, and split numbers by subset")
	}
	var missing []string
	for _, output := range []struct{ name, value string }{
		{"url", raw.URL}, {"kubeconfig", raw.Kubeconfig}, {"virtualService", raw.VirtualService},
	} {
		if output.value == "" {
			missing = append(missing, output.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: it has no output %s; type `pulumi up`", ErrNotUp, strings.Join(missing, ", "))
	}
	namespace, name, ok := strings.Cut(raw.VirtualService, "/")
	if !ok || namespace == "" || name == "" {
		return nil, fmt.Errorf("the stack's output virtualService is %q, and NAMESPACE/NAME is expected", raw.VirtualService)
	}
	return &Outputs{
		URL: raw.URL, Hosts: raw.Hosts, Certificate: raw.Certificate, Kubeconfig: Secret(raw.Kubeconfig), Namespace: namespace, Name: name, Split: raw.Split, Extras: raw.Extras,
		Existing: raw.ClusterProvider == "existing",
	}, nil
}

// App is the app that the stack has put out; an error means that its URL is none.
func (o *Outputs) App() (release.App, error) {
	address, err := url.Parse(o.URL)
	if err != nil {
		return release.App{}, fmt.Errorf("the stack's output url: %w", err)
	}
	hosts := o.Hosts
	if len(hosts) == 0 {
		hosts = []string{address.Hostname()}
	}
	return release.App{Namespace: o.Namespace, Name: o.Name, Hosts: hosts, TLS: address.Scheme == "https", Extras: o.Extras}, nil
}
