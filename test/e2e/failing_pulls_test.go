//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"canary/internal/kube"
	"canary/test/e2e/harness"
)

// TestFailingPulls releases canaries whose image the registry does not give, together with a weight that they must not get:
// up says whose fault that is and what to do, the split is not written, and traffic goes on as before.
func TestFailingPulls(t *testing.T) {
	harness.Long(t)
	p := harness.Shared(t)
	a := p.Example(t)
	serveRegistry(t, a.Client)
	p.RestoreAfter(t)
	p.SetAll(t, "stableImage="+harness.ImageGood, "containerPort=9000", "readinessPath=/ready", "startSeconds=30", "imagePullSecret="+pullSecret)
	p.Up(t)
	images := harness.ImagesByDigest
	const credentials = "the registry wants credentials for this image: check that `imagePullSecret` names a Secret which is for this registry and may pull from it"
	for _, pull := range []struct {
		name     string
		image    string
		password string // of the Secret that imagePullSecret names; "" when there is none
		says     string // "" where it's released
		advice   string
	}{{
		name:   "a tag that is not there",
		image:  "localhost:5000/testserver:none",
		says:   "not found",
		advice: "check the image's name and tag; a private registry needs `imagePullSecret`, an image that only this machine has needs `importImages`",
	}, {
		name:   "a digest that is not there",
		image:  "localhost:5000/testserver@sha256:" + strings.Repeat("0", 64),
		says:   "not found",
		advice: "check the image's name and tag; a private registry needs `imagePullSecret`, an image that only this machine has needs `importImages`",
	}, {
		name:   "no password",
		image:  images["private"],
		says:   "401 Unauthorized",
		advice: credentials,
	}, {
		name:     "a wrong password",
		image:    images["private"],
		password: "wrong",
		says:     "401 Unauthorized",
		advice:   credentials,
	}, {
		name:     "the right password",
		image:    images["private"],
		password: "right",
	}, {
		name:   "another platform",
		image:  images["foreign"],
		says:   "no match for platform in manifest",
		advice: "the image is not built for the platform of the nodes: build it for that, too (docker buildx build --platform)",
	}, {
		name:   "too many pulls",
		image:  images["limited"],
		says:   "429 Too Many Requests",
		advice: "the registry limits pulls: wait, or log in by `imagePullSecret`",
	}, {
		name:   "an error of the registry",
		image:  images["failing"],
		says:   "500 Internal Server Error",
		advice: "the registry, or the way to it, is in trouble: run the same again, or ask who runs it",
	}, {
		name:   "broken off in the middle",
		image:  images["breaking"],
		says:   "EOF",
		advice: "the registry, or the way to it, is in trouble: run the same again, or ask who runs it",
	}, {
		name:  "slow",
		image: images["slow"],
	}, {
		name:   "a certificate that no node trusts",
		image:  untrusted(t, a.Client) + "/testserver:1",
		says:   "certificate signed by unknown authority",
		advice: "the nodes do not trust the registry: check its certificate, and how the nodes' container runtime is set up for it",
	}, {
		name:   "nobody answers",
		image:  "localhost:1/testserver:1",
		says:   "connection refused",
		advice: "the nodes cannot reach the registry: check that it runs, its name and port in the image's name, and the network",
	}, {
		name:   "an unknown name",
		image:  "registry.invalid/testserver:1",
		says:   "no such host",
		advice: "the nodes cannot resolve the registry's name: check it in the image's name, and the nodes' DNS",
	}} {
		t.Run(pull.name, func(t *testing.T) {
			t.Cleanup(func() {
				p.SetAll(t, "canaryImage=", "canaryWeight=0")
				p.Up(t)
			})
			version := harness.SplitVersion(t, a.Client, a.Namespace, a.Name)
			p.SetAll(t, "canaryImage="+pull.image, "canaryWeight=50")
			if pull.password != "" {
				makePullSecret(t, a.Client, a.Namespace, pull.password)
			}
			if pull.says == "" {
				p.Up(t)
				a.RequireIngress(t, 50)
				return
			}
			result := p.Attempt(t, harness.UpArgs...)
			require.NotZero(t, result.Code, result.All)
			message := harness.LineWith(result.All, "subset canary:")
			t.Logf("exit code %d after %.1f s: %s", result.Code, result.Took.Seconds(), message)
			require.Regexp(t, `the split stays 100/0: subset canary: 0 of 1 pods ready: pod \S+: container app: (ErrImagePull|ImagePullBackOff): .*`+
				regexp.QuoteMeta(pull.says)+`.*; `+regexp.QuoteMeta(pull.advice)+`$`, message)
			require.Equal(t, version, harness.SplitVersion(t, a.Client, a.Namespace, a.Name), "the split was written")
			a.RequireIngress(t, 0)
		})
	}
}

// untrusted is the address at which a node serves TLS with a certificate of the cluster's own authority.
func untrusted(t *testing.T, c *kube.Client) string {
	t.Helper()
	endpoints, err := harness.Objects(c, harness.EndpointSlices, "default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	var found discoveryv1.EndpointSlice
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(endpoints.Object, &found))
	return fmt.Sprintf("%s:%d", found.Endpoints[0].Addresses[0], *found.Ports[0].Port)
}

const pullSecret = "e2e-pull"

// makePullSecret makes the Secret with a password for the test's registry, until the test is over.
func makePullSecret(t *testing.T, c *kube.Client, namespace, password string) {
	t.Helper()
	harness.Make(t, c, harness.SecretResource, namespace, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": pullSecret}, "type": "kubernetes.io/dockerconfigjson",
		"stringData": map[string]any{".dockerconfigjson": fmt.Sprintf(`{"auths": {"localhost:5000": {"auth": %q}}}`,
			base64.StdEncoding.EncodeToString([]byte("e2e:"+password)))},
	})
}
