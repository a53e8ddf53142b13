package main

import (
	"slices"
	"strings"
	"testing"
)

func TestComponent(t *testing.T) {
	t.Parallel()
	const known = "kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler, kubectl, kubelet"
	for name, test := range map[string]struct {
		args []string
		name string
		rest []string
		err  string
	}{
		"by its own name":   {args: []string{"/bin/kubelet", "--v=2"}, name: "kubelet", rest: []string{"/bin/kubelet", "--v=2"}},
		"by first argument": {args: []string{"/bin/kube", "kubectl", "get"}, name: "kubectl", rest: []string{"kubectl", "get"}},
		"no component":      {args: []string{"kube"}, err: known},
		"unknown argument":  {args: []string{"kube", "kubeadm"}, err: `unknown component "kubeadm": it must be one of ` + known},
		"unknown own name":  {args: []string{"/bin/k3s", "kubelet"}, err: `unknown component "k3s": it must be one of ` + known},
		"a flag for a name": {args: []string{"kube", "--help"}, err: `unknown component "--help"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, rest, err := component(test.args)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error: got %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != test.name || !slices.Equal(rest, test.rest) {
				t.Errorf("got %s %q, want %s %q", got, rest, test.name, test.rest)
			}
		})
	}
}
