//go:build e2e && bench

package e2e

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/pins"
	"canary/test/bench"
	"canary/test/delay"
	"canary/test/e2e/harness"
)

// oneWay is how long a byte is under way to the API server of a far cluster, and back.
const oneWay = 25 * time.Millisecond

// apiServerOfK3d is the address in the kubeconfig of a k3d cluster.
var apiServerOfK3d = regexp.MustCompile(`https://((?:127\.0\.0\.1|0\.0\.0\.0):\d+)`)

// relayCharts leads the stack to its chart repository through a server that can be shut.
func relayCharts(t *testing.T, p *harness.Project) *httptest.Server {
	t.Helper()
	repository := pins.IstioChartRepository
	if o := p.Attempt(t, "config", "get", "istioChartRepository"); o.Code == 0 {
		repository = strings.TrimSpace(o.All)
	}
	upstream, err := url.Parse(repository)
	require.NoError(t, err)
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) }})
	t.Cleanup(server.Close)
	p.Set(t, "istioChartRepository", server.URL)
	return server
}

// measureFar measures changes of the weight and updates without a change with the API server far away: the kubeconfig in
// the state leads through a delay line. The chart repository is cut off.
func (m *measurement) measureFar(t *testing.T, f *bench.Figures, charts *httptest.Server) {
	t.Helper()
	charts.Close()
	near := m.Pulumi(t, "stack", "export", "--show-secrets")
	found := apiServerOfK3d.FindStringSubmatch(near)
	require.NotNil(t, found, "the state has the kubeconfig of a k3d cluster")
	line, err := delay.New(strings.Replace(found[1], "0.0.0.0", "127.0.0.1", 1), oneWay)
	require.NoError(t, err)
	defer line.Close()
	state := filepath.Join(t.TempDir(), "state.json")
	use := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(state, []byte(text), 0o600))
		m.Pulumi(t, "stack", "import", "--file", state)
	}
	use(strings.ReplaceAll(near, "https://"+found[1], "https://"+line.Addr()))
	defer func() {
		use(near)
		m.Up(t)
	}()
	m.Up(t) // takes up the address

	const each = 5
	var gains, losses, noops []time.Duration
	change := func(weight string) time.Duration {
		start := time.Now()
		m.Set(t, "canaryWeight", weight)
		m.Up(t)
		return time.Since(start)
	}
	change("10")
	for range each {
		gains = append(gains, change("50"))
		losses = append(losses, change("10"))
		start := time.Now()
		m.Up(t)
		noops = append(noops, time.Since(start))
	}
	where := "with 25 ms each way to the API server, and no way to the chart repository"
	f.AtMost(2.3, "farChangeSeconds", bench.Median(gains), "changeP50Seconds from 10 to 50 percent "+where)
	f.Add("farRollBackSeconds", bench.Median(losses), "the same from 50 to 10 percent")
	f.Add("farNoopUpSeconds", bench.Median(noops), "noopUpSeconds "+where)
}
