package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	roleServer = "server"
	roleAgent  = "agent"
)

// options are k3s's arguments and environment variables, as far as they have a meaning here.
type options struct {
	role             string // roleServer or roleAgent
	url              string // of the server to join; K3S_URL
	token            string // K3S_TOKEN
	kubeconfigOutput string // where to put a copy of the kubeconfig; K3S_KUBECONFIG_OUTPUT, "" = nowhere
	registry         string // address and names, as in a hosts file, of a registry with the images that else are preloaded; LAB_REGISTRY

	taints        []taint
	labels        []string            // key=value, put on the node when it registers
	tlsSANs       []string            // further names and addresses in the API server's certificate
	disabled      []string            // packaged components not to deploy
	mirrorsOnly   bool                // a mirrored registry is not asked itself
	componentArgs map[string][]string // further arguments by component, like "kubelet": {"--v=4"}
	ignored       []string            // arguments without a meaning here
}

// taint is a node's taint.
type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// flags maps each known flag to what its value does. --<component>-arg is understood besides.
var flags = map[string]func(*options, string) error{
	"node-taint": func(o *options, v string) error {
		t, err := parseTaint(v)
		o.taints = append(o.taints, t)
		return err
	},
	"node-label": func(o *options, v string) error {
		o.labels = append(o.labels, v)
		if key, _, ok := strings.Cut(v, "="); !ok || key == "" {
			return fmt.Errorf("%q, want key=value", v)
		}
		return nil
	},
	"tls-san": func(o *options, v string) error { o.tlsSANs = append(o.tlsSANs, splitList(v)...); return nil },
	"disable": func(o *options, v string) error { o.disabled = append(o.disabled, splitList(v)...); return nil },
	"disable-default-registry-endpoint": func(o *options, v string) (err error) {
		o.mirrorsOnly, err = strconv.ParseBool(v)
		return err
	},
	"token":            func(o *options, v string) error { o.token = v; return nil },
	"server":           func(o *options, v string) error { o.url = v; return nil },
	"write-kubeconfig": func(o *options, v string) error { o.kubeconfigOutput = v; return nil },
}

// components are those whose arguments can be added to.
var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}

// parseOptions reads the arguments after `k3s` and the environment. All problems are in the one error;
// a flag that is not known is no problem, since k3s has many that change nothing here.
func parseOptions(args []string, getenv func(string) string) (options, error) {
	o := options{
		url: getenv("K3S_URL"), token: getenv("K3S_TOKEN"), kubeconfigOutput: getenv("K3S_KUBECONFIG_OUTPUT"), registry: getenv("LAB_REGISTRY"),
		componentArgs: map[string][]string{},
	}
	if len(args) == 0 || (args[0] != roleServer && args[0] != roleAgent) {
		return o, fmt.Errorf("the first argument is %q, want %s, %s or kubectl", strings.Join(args[:min(1, len(args))], ""), roleServer, roleAgent)
	}
	o.role, args = args[0], args[1:]

	var problems []error
	for len(args) > 0 {
		argument := args[0]
		args = args[1:]
		if !strings.HasPrefix(argument, "-") {
			o.ignored = append(o.ignored, argument)
			continue
		}
		name, value, joined := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		set := setter(name)
		// An unknown flag's value is recognised by not being a flag itself.
		if !joined && len(args) > 0 && (set != nil || !strings.HasPrefix(args[0], "-")) {
			value, args = args[0], args[1:]
			argument += " " + value
		}
		if set == nil {
			o.ignored = append(o.ignored, argument)
		} else if err := set(&o, value); err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", name, err))
		}
	}
	if o.token == "" {
		problems = append(problems, errors.New("no token: set K3S_TOKEN"))
	}
	if o.role == roleAgent && !strings.HasPrefix(o.url, "https://") {
		problems = append(problems, fmt.Errorf("the server's address is %q: set K3S_URL to https://<server>:6443", o.url))
	}
	return o, errors.Join(problems...)
}

func setter(flag string) func(*options, string) error {
	if set := flags[flag]; set != nil {
		return set
	}
	component, ok := strings.CutSuffix(flag, "-arg")
	if !ok || !slices.Contains(components, component) {
		return nil
	}
	return func(o *options, v string) error {
		o.componentArgs[component] = append(o.componentArgs[component], "--"+strings.TrimLeft(v, "-"))
		return nil
	}
}

func splitList(v string) []string {
	return slices.DeleteFunc(strings.Split(v, ","), func(s string) bool { return s == "" })
}

// parseTaint reads key=value:effect or key:effect.
func parseTaint(text string) (taint, error) {
	effects := []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
	pair, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	if key == "" || !slices.Contains(effects, effect) {
		return taint{}, fmt.Errorf("%q, want key=value:effect with an effect of %s", text, strings.Join(effects, ", "))
	}
	return taint{Key: key, Value: value, Effect: effect}, nil
}

// runsWorkloads reports whether pods without special tolerations may run on this node.
func (o options) runsWorkloads() bool {
	return !slices.ContainsFunc(o.taints, func(t taint) bool { return t.Effect != "PreferNoSchedule" })
}
