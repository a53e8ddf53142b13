//go:build e2e

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/kube"
	"canary/test/load"
)

// LoadRun is a project under load by both paths.
type LoadRun struct {
	*Project
	T       *testing.T
	Client  *kube.Client
	Journal *load.Journal

	stop []func()
}

// NewLoadStack is a stack that releases the test server, not yet up; it is destroyed with the test.
func NewLoadStack(t *testing.T, images map[string]string) *Project {
	t.Helper()
	p := NewProject(t, "agents=1", "readinessPath=/ready", "drainSeconds=20", "stableImage="+images["a"], "canaryImage="+images["a"],
		"importImages="+strings.Join(slices.Sorted(maps.Values(images)), ","))
	t.Cleanup(func() { p.Destroy(t) })
	return p
}

// WithoutRetries turns outbound retries off in the whole mesh. Istio's inbound retry (twice, of a request that was not
// begun when the connection to the app was reset) is hard-coded and stays.
func (p *Project) WithoutRetries(t *testing.T) {
	t.Helper()
	p.Pulumi(t, "config", "set", "--path", "istioValues.istiod.meshConfig.defaultHttpRetryPolicy.attempts", "0")
}

// LoadImages are images of the test server: the tags differ, the content does not.
func LoadImages(t *testing.T, tags ...string) map[string]string {
	t.Helper()
	server := Archive(t, BuildProgram(t, "testserver"))
	images := map[string]string{}
	for _, tag := range tags {
		images[tag] = TestImage("load:" + tag)
		ImportImage(t, images[tag], server, "/testserver")
	}
	return images
}

// LoadRate is the short requests per second of each source.
func LoadRate(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv("LOAD_RATE")
	if text == "" {
		return 200
	}
	rate, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "LOAD_RATE")
	return rate
}

// StartLoad sends requests by both paths until finish, or until the test ends.
func (p *Project) StartLoad(t *testing.T, image string, target load.Target) *LoadRun {
	t.Helper()
	r := &LoadRun{Project: p, T: t, Client: p.Client(t), Journal: &load.Journal{}}
	logs, err := load.NewLogs([]byte(p.Kubeconfig(t)))
	require.NoError(t, err)

	r.background(func(ctx context.Context) error {
		logs.FollowProxies(ctx, r.Client, []string{AppName, MeshNamespace}, r.Journal.AddEnvoy)
		return nil
	})
	ingress, mesh := target, target
	ingress.URL = fmt.Sprintf("http://%s.%s.localhost:%d", AppName, AppName, p.Port)
	mesh.URL = "http://" + AppName
	r.background(func(ctx context.Context) error { return load.Generate(ctx, ingress, r.Journal.Add(load.Ingress)) })
	pod, err := load.StartPod(t.Context(), r.Client, logs, AppName, image, mesh, r.Journal.Add(load.Mesh))
	require.NoError(t, err)
	r.stop = append(r.stop, func() { require.NoError(t, pod.Stop(context.Background())) })

	r.Step("nothing changes")
	r.Sent(int(2 * target.Rate))
	require.Empty(t, r.Journal.Lost(), "a request fails although nothing changes")
	return r
}

// background runs a function until finish.
func (r *LoadRun) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var err error
	running.Go(func() { err = run(ctx) })
	end := sync.OnceFunc(func() { cancel(); running.Wait() })
	r.T.Cleanup(end)
	r.stop = append(r.stop, func() { end(); require.NoError(r.T, err) })
}

// Finish waits until what was under way at the last change has ended, and stops.
func (r *LoadRun) Finish(longest time.Duration) {
	r.T.Helper()
	changed := time.Now()
	r.Step("nothing changes any more")
	Eventually(r.T, longest+time.Minute, func(context.Context) error {
		if time.Since(changed) < longest || r.Journal.LastBegin().Before(changed) {
			return errors.New("requests from before the last change may be under way")
		}
		return nil
	})
	r.Journal.End()
	for i := len(r.stop) - 1; i >= 0; i-- {
		r.stop[i]()
	}
}

// Step names what happens from now on.
func (r *LoadRun) Step(name string, changes ...func()) {
	r.T.Helper()
	r.Journal.Begin(name)
	for _, change := range changes {
		start := time.Now()
		change()
		r.T.Logf("%s: %.1f s", name, time.Since(start).Seconds())
	}
}

// Sent waits until each source has sent so many requests more.
func (r *LoadRun) Sent(more int) {
	r.T.Helper()
	ingress, mesh := r.Journal.Requests(load.Ingress)+more, r.Journal.Requests(load.Mesh)+more
	Eventually(r.T, time.Minute, func(context.Context) error {
		i, m := r.Journal.Requests(load.Ingress), r.Journal.Requests(load.Mesh)
		if i < ingress || m < mesh {
			return fmt.Errorf("ingress %d requests of %d, mesh %d of %d", i, ingress, m, mesh)
		}
		return nil
	})
}

// Weigh moves the split.
func (r *LoadRun) Weigh(weight string) func() {
	return func() {
		r.T.Helper()
		r.Set(r.T, "canaryWeight", weight)
		r.Up(r.T)
	}
}

// Configure sets keys and values, and brings them up.
func (r *LoadRun) Configure(keysAndValues ...string) func() {
	return func() {
		r.T.Helper()
		for i := 0; i < len(keysAndValues); i += 2 {
			r.Set(r.T, keysAndValues[i], keysAndValues[i+1])
		}
		r.Up(r.T)
	}
}
