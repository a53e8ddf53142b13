package dataplane

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kube"
)

const uuid = "4f0c6c5e-9d0f-4b8e-8a6c-0a4b1c2d3e4f"

func TestPushVersion(t *testing.T) {
	t.Parallel()
	for nonce, want := range map[string]uint64{
		"2026-01-02T03:04:05Z/17" + uuid:      17,
		"2026-01-02T03:04:05+02:00/9" + uuid:  9,
		"2026-01-02T03:04:05-07:00/10" + uuid: 10,
		uuid:                                  0, // from before the first push
		"":                                    0,
		"17":                                  0,
		"2026-01-02T03:04:05Z/" + uuid:        0,
		"2026-01-02T03:04:05Z/0" + uuid:       0,
		"2026-01-02T03:04:05Z/x" + uuid:       0,
	} {
		got, ok := pushVersion(nonce)
		require.Equal(t, want > 0, ok, nonce)
		if ok {
			require.Equal(t, want, got, nonce)
		}
	}
}

func entry(id, proxyType, sent, acked, lastError string) string {
	nonce := func(version string) string {
		if version == "" {
			return ""
		}
		return "2026-01-02T03:04:05Z/" + version + uuid
	}
	routes := ""
	if sent != "" {
		routes = `,"` + routeType + `":{"sent":"` + nonce(sent) + `","acked":"` + nonce(acked) + `","sentTime":"2026-01-02T03:04:05Z","lastError":"` + lastError + `"}`
	}
	return `{"cluster_id":"Kubernetes","proxy":"` + id + `","proxy_type":"` + proxyType + `","istio_version":"1.31.4","resources":{` +
		`"type.googleapis.com/envoy.config.cluster.v3.Cluster":{"sent":"` + nonce("7") + `","acked":"` + nonce("7") + `"}` + routes + `}}`
}

func TestParseBook(t *testing.T) {
	t.Parallel()
	nonce := func(version string) string { return "2026-01-02T03:04:05Z/" + version + uuid }
	got, err := parseBook(strings.NewReader("[" + strings.Join([]string{
		entry("web-1.shop", "sidecar", "9", "9", ""),
		entry("gw.istio-system", "router", "9", "8", ""),
		entry("bad.shop", "sidecar", "9", "8", "no such cluster"),
		entry("idle.istio-system", "router", "", "", ""),
		entry("zt.istio-system", "ztunnel", "", "", ""),
		entry("wp.shop", "waypoint", "9", "9", ""),
	}, ",") + "]\n"))
	require.NoError(t, err)
	require.Equal(t, []record{
		{proxy: "web-1.shop", sent: nonce("9"), acked: nonce("9"), settled: true, newest: 9},
		{proxy: "gw.istio-system", router: true, sent: nonce("9"), acked: nonce("8"), newest: 9},
		{proxy: "bad.shop", sent: nonce("9"), acked: nonce("8"), refused: true, newest: 9},
		{proxy: "idle.istio-system", router: true, settled: true, newest: 7},
	}, got)

	empty, err := parseBook(strings.NewReader("[]"))
	require.NoError(t, err)
	require.Empty(t, empty)
	for _, book := range []string{"", "{}", "[", "[{}", `[{"proxy":1}]`, "404 page not found"} {
		_, err := parseBook(strings.NewReader(book))
		require.ErrorContains(t, err, "book: ", book)
	}
}

func TestProcessesOf(t *testing.T) {
	t.Parallel()
	istiod := func(uid types.UID, phase, container string, restarts int) kube.Pod {
		return kube.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istiod-" + string(uid), UID: uid},
			Status:     kube.PodStatus{Phase: phase, ContainerStatuses: []kube.ContainerStatus{{Name: container, RestartCount: restarts}}},
		}
	}
	require.Equal(t, []process{
		{key: "1/0", namespace: "istio-system", pod: "istiod-1"},
		{key: "2/3", namespace: "istio-system", pod: "istiod-2"},
	}, processesOf([]kube.Pod{
		istiod("1", kube.PodRunning, "discovery", 0),
		istiod("2", kube.PodRunning, "discovery", 3),
		istiod("3", kube.PodPending, "discovery", 0),
		istiod("4", kube.PodRunning, "other", 0),
	}))
}

func TestSplitID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][2]string{
		"web-1.shop": {"shop", "web-1"}, "a.b.c": {"c", "a.b"}, "odd": {"", "odd"},
	} {
		namespace, pod := splitID(id)
		require.Equal(t, want, [2]string{namespace, pod})
	}
}

func TestBooksOfACluster(t *testing.T) {
	t.Parallel()
	status, asked := http.StatusOK, ""
	istiod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		w.WriteHeader(status)
		_, _ = w.Write([]byte("[" + entry("web-1.shop", "sidecar", "9", "9", "") + "]"))
	}))
	defer istiod.Close()
	const pods = `{"apiVersion":"v1","kind":"PodList","items":[
		{"metadata":{"namespace":"istio-system","name":"istiod","uid":"1"},"status":{"phase":"Running","containerStatuses":[{"name":"discovery"}]}}]}`
	books := newClusterBooks(fakeAPI(t, map[string]string{"/api/v1/pods": pods}))
	defer books.close()
	running, err := books.processes(t.Context())
	require.NoError(t, err)
	require.Len(t, running, 1)
	l := books.link(running[0])
	l.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", istiod.Listener.Addr().String())
	}}
	require.Same(t, l, books.link(running[0]), "one kept connection")

	records, err := books.open(t.Context(), running[0], "")
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, "/debug/syncz", asked)
	require.Positive(t, books.bytes.Load())
	_, err = books.open(t.Context(), running[0], "shop")
	require.NoError(t, err)
	require.Equal(t, "/debug/syncz?namespace=shop", asked)

	status = http.StatusNotFound
	_, err = books.open(t.Context(), running[0], "")
	require.EqualError(t, err, "istiod istio-system/istiod answers 404 Not Found to /debug/syncz")
}

func TestFloor(t *testing.T) {
	t.Parallel()
	known := process{key: "known"}
	for name, tc := range map[string]struct {
		before Before
		floor  uint64
		known  bool
	}{
		"nothing known":    {},
		"book was read":    {Before{running: map[string]bool{"known": true}, floors: map[string]uint64{"known": 7}}, 7, true},
		"book was not":     {Before{running: map[string]bool{"known": true}}, 0, false},
		"began since then": {Before{running: map[string]bool{"other": true}}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !tc.before.taken() {
				return
			}
			floor, ok := tc.before.floor(known)
			require.Equal(t, tc.floor, floor)
			require.Equal(t, tc.known, ok)
		})
	}
	require.False(t, (*Before)(nil).taken())
	require.False(t, new(Before).taken())
}

// TestParseBookOfIstiod reads what istiod 1.31 really wrote.
func TestParseBookOfIstiod(t *testing.T) {
	t.Parallel()
	book, err := os.Open("testdata/books/istiod.json")
	require.NoError(t, err)
	defer func() { _ = book.Close() }()
	records, err := parseBook(book)
	require.NoError(t, err)
	require.Len(t, records, 3)
	egress, ingress, sidecar := records[0], records[1], records[2]
	require.Empty(t, egress.sent, "it watches no routes")
	require.True(t, egress.router)
	require.True(t, ingress.router)
	require.False(t, sidecar.router)
	for _, r := range records[1:] {
		version, ok := r.current()
		require.True(t, ok)
		require.True(t, r.settled)
		require.LessOrEqual(t, version, r.newest)
	}
}
