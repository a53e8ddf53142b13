//go:build e2e

package e2e

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

// loadRun is a project under load by both paths.
type loadRun struct {
	*project
	t       *testing.T
	client  *kube.Client
	journal *load.Journal

	stop []func()
}

// newLoadStack is a stack that releases the test server, not yet up; it is destroyed with the test.
func newLoadStack(t *testing.T, images map[string]string) *project {
	t.Helper()
	p := newProject(t, "agents=1", "readinessPath=/ready", "drainSeconds=20", "stableImage="+images["a"], "canaryImage="+images["a"],
		"importImages="+strings.Join(slices.Sorted(maps.Values(images)), ","))
	t.Cleanup(func() { p.destroy(t) })
	return p
}

// withoutRetries turns outbound retries off in the whole mesh. Istio's inbound retry (twice, of a request that was not
// begun when the connection to the app was reset) is hard-coded and stays.
func (p *project) withoutRetries(t *testing.T) {
	t.Helper()
	p.pulumi(t, "config", "set", "--path", "istioValues.istiod.meshConfig.defaultHttpRetryPolicy.attempts", "0")
}

// loadImages are images of the test server: the tags differ, the content does not.
func loadImages(t *testing.T, tags ...string) map[string]string {
	t.Helper()
	server := archive(t, buildProgram(t, "testserver"))
	images := map[string]string{}
	for _, tag := range tags {
		images[tag] = testImage("load:" + tag)
		importImage(t, images[tag], server, "/testserver")
	}
	return images
}

// loadRate is the short requests per second of each source.
func loadRate(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv("LOAD_RATE")
	if text == "" {
		return 200
	}
	rate, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, "LOAD_RATE")
	return rate
}

// startLoad sends requests by both paths until finish, or until the test ends.
func (p *project) startLoad(t *testing.T, image string, target load.Target) *loadRun {
	t.Helper()
	r := &loadRun{project: p, t: t, client: p.client(t), journal: &load.Journal{}}
	logs, err := load.NewLogs([]byte(p.kubeconfig(t)))
	require.NoError(t, err)

	r.background(func(ctx context.Context) error {
		logs.FollowProxies(ctx, r.client, []string{appName, meshNamespace}, r.journal.AddEnvoy)
		return nil
	})
	ingress, mesh := target, target
	ingress.URL = fmt.Sprintf("http://%s.%s.localhost:%d", appName, appName, p.port)
	mesh.URL = "http://" + appName
	r.background(func(ctx context.Context) error { return load.Generate(ctx, ingress, r.journal.Add(load.Ingress)) })
	pod, err := load.StartPod(t.Context(), r.client, logs, appName, image, mesh, r.journal.Add(load.Mesh))
	require.NoError(t, err)
	r.stop = append(r.stop, func() { require.NoError(t, pod.Stop(context.Background())) })

	r.step("nothing changes")
	r.sent(int(2 * target.Rate))
	require.Empty(t, r.journal.Lost(), "a request fails although nothing changes")
	return r
}

// background runs a function until finish.
func (r *loadRun) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var err error
	running.Go(func() { err = run(ctx) })
	end := sync.OnceFunc(func() { cancel(); running.Wait() })
	r.t.Cleanup(end)
	r.stop = append(r.stop, func() { end(); require.NoError(r.t, err) })
}

// finish waits until what was under way at the last change has ended, and stops.
func (r *loadRun) finish(longest time.Duration) {
	r.t.Helper()
	changed := time.Now()
	r.step("nothing changes any more")
	eventually(r.t, longest+time.Minute, func(context.Context) error {
		if time.Since(changed) < longest || r.journal.LastBegin().Before(changed) {
			return errors.New("requests from before the last change may be under way")
		}
		return nil
	})
	r.journal.End()
	for i := len(r.stop) - 1; i >= 0; i-- {
		r.stop[i]()
	}
}

// step names what happens from now on.
func (r *loadRun) step(name string, changes ...func()) {
	r.t.Helper()
	r.journal.Begin(name)
	for _, change := range changes {
		start := time.Now()
		change()
		r.t.Logf("%s: %.1f s", name, time.Since(start).Seconds())
	}
}

// sent waits until each source has sent so many requests more.
func (r *loadRun) sent(more int) {
	r.t.Helper()
	ingress, mesh := r.journal.Requests(load.Ingress)+more, r.journal.Requests(load.Mesh)+more
	eventually(r.t, time.Minute, func(context.Context) error {
		i, m := r.journal.Requests(load.Ingress), r.journal.Requests(load.Mesh)
		if i < ingress || m < mesh {
			return fmt.Errorf("ingress %d requests of %d, mesh %d of %d", i, ingress, m, mesh)
		}
		return nil
	})
}

// weigh moves the split.
func (r *loadRun) weigh(weight string) func() {
	return func() {
		r.t.Helper()
		r.set(r.t, "canaryWeight", weight)
		r.up(r.t)
	}
}

// configure sets keys and values, and brings them up.
func (r *loadRun) configure(keysAndValues ...string) func() {
	return func() {
		r.t.Helper()
		for i := 0; i < len(keysAndValues); i += 2 {
			r.set(r.t, keysAndValues[i], keysAndValues[i+1])
		}
		r.up(r.t)
	}
}
