package istiod

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"canary/internal/kubetest"
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
	require.Equal(t, []Record{
		{Proxy: "web-1.shop", Sent: nonce("9"), Acked: nonce("9"), Settled: true, Newest: 9},
		{Proxy: "gw.istio-system", Router: true, Sent: nonce("9"), Acked: nonce("8"), Newest: 9},
		{Proxy: "bad.shop", Sent: nonce("9"), Acked: nonce("8"), Refused: true, Newest: 9},
		{Proxy: "idle.istio-system", Router: true, Settled: true, Newest: 7},
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
	istiod := func(uid types.UID, phase corev1.PodPhase, container string, restarts int32) corev1.Pod {
		return corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "istio-system", Name: "istiod-" + string(uid), UID: uid},
			Status:     corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: container, RestartCount: restarts}}},
		}
	}
	require.Equal(t, []Process{
		{Key: "1/0", Namespace: "istio-system", Pod: "istiod-1"},
		{Key: "2/3", Namespace: "istio-system", Pod: "istiod-2"},
	}, processesOf([]corev1.Pod{
		istiod("1", corev1.PodRunning, "discovery", 0),
		istiod("2", corev1.PodRunning, "discovery", 3),
		istiod("3", corev1.PodPending, "discovery", 0),
		istiod("4", corev1.PodRunning, "other", 0),
	}))
}

func TestSplitID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][2]string{
		"web-1.shop": {"shop", "web-1"}, "a.b.c": {"c", "a.b"}, "odd": {"", "odd"},
	} {
		namespace, pod := SplitID(id)
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
	books := NewBooks(kubetest.API(t, map[string]string{"/api/v1/pods": pods}))
	defer books.Close()
	running, err := books.Processes(t.Context())
	require.NoError(t, err)
	require.Len(t, running, 1)
	l := books.pages(running[0])
	l.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", istiod.Listener.Addr().String())
	}}
	require.Same(t, l, books.pages(running[0]), "one kept connection")

	records, err := books.Open(t.Context(), running[0], "")
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, "/debug/syncz", asked)
	require.Positive(t, books.Bytes())
	_, err = books.Open(t.Context(), running[0], "shop")
	require.NoError(t, err)
	require.Equal(t, "/debug/syncz?namespace=shop", asked)

	status = http.StatusNotFound
	_, err = books.Open(t.Context(), running[0], "")
	require.EqualError(t, err, "istiod istio-system/istiod answers 404 Not Found to /debug/syncz")
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
	require.Empty(t, egress.Sent, "it watches no routes")
	require.True(t, egress.Router)
	require.True(t, ingress.Router)
	require.False(t, sidecar.Router)
	for _, r := range records[1:] {
		version, ok := r.Current()
		require.True(t, ok)
		require.True(t, r.Settled)
		require.LessOrEqual(t, version, r.Newest)
	}
}
