// Command kube holds the Kubernetes components of the lab's nodes in one static
// binary, because most of each is code that all of them share. It runs the
// component whose name it is called by, or which its first argument names.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of API requests
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric of the version
	"k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// binary is the name under which the first argument names the component.
const binary = "kube"

// components makes each component's command, by the name of its own binary.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 cmd.NewDefaultKubectlCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name, args, err := component(os.Args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", binary, err)
		os.Exit(2)
	}
	// kubectl reads os.Args already when its command is made.
	os.Args = args
	os.Exit(cli.Run(components[name]()))
}

// component returns the name of the component that args, a program's name and
// arguments, ask for, and the arguments that it would have as a binary of its own.
func component(args []string) (name string, rest []string, err error) {
	name, rest = filepath.Base(args[0]), args
	known := strings.Join(slices.Sorted(maps.Keys(components)), ", ")
	if name == binary {
		if len(args) == 1 {
			return "", nil, errors.New("no component named: the first argument must be one of " + known)
		}
		name, rest = args[1], args[1:]
	}
	if _, ok := components[name]; !ok {
		return "", nil, fmt.Errorf("unknown component %q: it must be one of %s", name, known)
	}
	return name, rest, nil
}
