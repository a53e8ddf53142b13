package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeAPI is an API server of fixed answers that notes what is written.
type fakeAPI struct {
	mu      sync.Mutex
	answers map[string]string // by path
	writes  []string          // method, path and body, without the query
	headers []http.Header
	events  chan string // of watches
}

func newFakeAPI(t *testing.T, answers map[string]string) (*fakeAPI, *api) {
	t.Helper()
	f := &fakeAPI{answers: answers, events: make(chan string)}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, &api{server: server.URL, token: "secret", http: server.Client()}
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.headers = append(f.headers, r.Header)
	if r.Method != http.MethodGet {
		var body any
		_ = json.NewDecoder(r.Body).Decode(&body)
		text, _ := json.Marshal(body)
		f.writes = append(f.writes, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, text))
		f.mu.Unlock()
		return
	}
	answer, ok := f.answers[r.URL.Path]
	f.mu.Unlock()
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"kind":"Status","message":"it is not there"}`))
	case r.URL.Query().Get("watch") == "true":
		w.WriteHeader(http.StatusOK)
		for {
			w.(http.Flusher).Flush()
			select {
			case event := <-f.events:
				_, _ = w.Write([]byte(event))
			case <-r.Context().Done():
				return
			}
		}
	default:
		_, _ = w.Write([]byte(answer))
	}
}

func (f *fakeAPI) written() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.writes...)
}

const twoNodes = `{"metadata":{"resourceVersion":"7"},"items":[
	{"metadata":{"name":"server-0"},"spec":{"podCIDR":"10.42.0.0/24"},"status":{"addresses":[{"type":"Hostname","address":"server-0"},{"type":"InternalIP","address":"172.18.0.3"}]}},
	{"metadata":{"name":"agent-0"},"spec":{"podCIDR":"10.42.1.0/24"},"status":{"addresses":[{"type":"InternalIP","address":"172.18.0.2"}]}},
	{"metadata":{"name":"agent-1"},"spec":{},"status":{}}]}`

func nodesOf(t *testing.T, text string) []nodeObject {
	t.Helper()
	var list struct{ Items []nodeObject }
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	return list.Items
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestAPI(t *testing.T) {
	t.Parallel()
	f, client := newFakeAPI(t, map[string]string{"/readyz": "ok", nodesPath + "/a": `{"metadata":{"name":"a"}}`})
	require.NoError(t, client.get(t.Context(), "/readyz", nil))
	o, err := client.node(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "a", o.Metadata.Name)
	_, err = client.node(t.Context(), "b")
	require.EqualError(t, err, "GET /api/v1/nodes/b: status 404: it is not there")
	var status *statusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 404, status.code)

	require.NoError(t, client.apply(t.Context(), "/x", map[string]string{"a": "b"}))
	require.NoError(t, client.merge(t.Context(), "/y", map[string]string{"c": "d"}))
	require.Equal(t, []string{`PATCH /x {"a":"b"}`, `PATCH /y {"c":"d"}`}, f.written())
	require.Equal(t, "Bearer secret", f.headers[0].Get("Authorization"))
	require.Equal(t, "application/apply-patch+yaml", f.headers[3].Get("Content-Type"))
	require.Equal(t, "application/merge-patch+json", f.headers[4].Get("Content-Type"))
}

func TestReconcileLooksAfterEachChangeAndFailure(t *testing.T) {
	t.Parallel()
	f, client := newFakeAPI(t, map[string]string{nodesPath: twoNodes})
	var log lockedBuffer
	n := testNode(t, nil)
	n.log = newLogger(&log)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	looks := make(chan int, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		count := 0
		n.reconcile(ctx, "things", client, []string{nodesPath}, func(context.Context) error {
			count++
			looks <- count
			if count == 1 {
				return fmt.Errorf("the first look fails")
			}
			return nil
		})
	}()
	require.Equal(t, 1, <-looks)
	require.Equal(t, 2, <-looks)
	for range 3 { // of which the beginning of the watch may have caused one
		f.events <- `{"type":"MODIFIED"}`
		select {
		case <-looks:
		case <-time.After(resync / 2):
			require.Fail(t, "an event has led to no look")
		}
	}
	cancel()
	<-done
	require.Contains(t, log.String(), `what=things error="the first look fails"`)
	require.Contains(t, log.String(), "works again")
}

func TestTrust(t *testing.T) {
	t.Parallel()
	f, client := newFakeAPI(t, map[string]string{})
	require.NoError(t, publishTrust(t.Context(), client, trust{ServerCA: "server", ClientCA: "client"}, "secret"))
	published := f.written()
	require.Len(t, published, 7)
	var configMap struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(published[0], "PATCH "+trustPath+" ")), &configMap))
	require.NotContains(t, published[0], "secret")
	require.Contains(t, published[1], `"resourceNames":["k3s-lab-trust"]`)

	for name, c := range map[string]struct {
		answer, token, err string
	}{
		"with the token":          {answer: fmt.Sprintf(`{"data":%s}`, configMap.Data), token: "secret"},
		"with another token":      {answer: fmt.Sprintf(`{"data":%s}`, configMap.Data), token: "other", err: "not sealed with this node's K3S_TOKEN"},
		"another authority":       {answer: strings.ReplaceAll(fmt.Sprintf(`{"data":%s}`, configMap.Data), `"server"`, `"forged"`), token: "secret", err: "not sealed"},
		"authorities are swapped": {answer: `{"data":{"server-ca.crt":"client","client-ca.crt":"server","seal":"` + trust{ServerCA: "server", ClientCA: "client"}.seal("secret") + `"}}`, token: "secret", err: "not sealed"},
		"no seal":                 {answer: `{"data":{"server-ca.crt":"server"}}`, token: "secret", err: "not sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, client := newFakeAPI(t, map[string]string{trustPath: c.answer})
			got, err := fetchTrust(t.Context(), client.server, c.token)
			require.Empty(t, f.headers[0].Get("Authorization"), "a stranger gets no token")
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "server", got.ServerCA)
			require.Equal(t, "client", got.ClientCA)
		})
	}
	_, err := fetchTrust(t.Context(), client.server, "secret")
	require.ErrorContains(t, err, "404")
}

func TestLoadBalancersGetTheNodesAddresses(t *testing.T) {
	t.Parallel()
	f, client := newFakeAPI(t, map[string]string{
		nodesPath: twoNodes,
		servicesPath: `{"items":[
			{"metadata":{"name":"new","namespace":"a"},"spec":{"type":"LoadBalancer"}},
			{"metadata":{"name":"stale","namespace":"a"},"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"172.18.0.9"}]}}},
			{"metadata":{"name":"right","namespace":"a"},"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"172.18.0.2"},{"ip":"172.18.0.3"}]}}},
			{"metadata":{"name":"foreign","namespace":"a"},"spec":{"type":"LoadBalancer","loadBalancerClass":"x"}},
			{"metadata":{"name":"plain","namespace":"a"},"spec":{"type":"ClusterIP"}}]}`,
	})
	require.NoError(t, syncLoadBalancers(t.Context(), client))
	const body = ` {"status":{"loadBalancer":{"ingress":[{"ip":"172.18.0.2"},{"ip":"172.18.0.3"}]}}}`
	require.Equal(t, []string{
		"PATCH /api/v1/namespaces/a/services/new/status" + body,
		"PATCH /api/v1/namespaces/a/services/stale/status" + body,
	}, f.written())
}

func TestMergeNodeHosts(t *testing.T) {
	t.Parallel()
	nodes := nodesOf(t, twoNodes)
	for name, c := range map[string]struct{ hosts, want string }{
		"empty": {"", "172.18.0.2 agent-0\n172.18.0.3 server-0\n"},
		"k3d's names are kept": {
			"172.18.0.1 host.k3d.internal alias\n172.18.0.3 server-0\n172.18.0.4 serverlb\n",
			"172.18.0.1 host.k3d.internal alias\n172.18.0.4 serverlb\n172.18.0.2 agent-0\n172.18.0.3 server-0\n",
		},
		"addresses that changed": {
			"172.18.0.9 agent-0\n172.18.0.8 server-0 other\n\n",
			"172.18.0.8 other\n172.18.0.2 agent-0\n172.18.0.3 server-0\n",
		},
		"nothing to change": {"172.18.0.2 agent-0\n172.18.0.3 server-0\n", "172.18.0.2 agent-0\n172.18.0.3 server-0\n"},
	} {
		require.Equal(t, c.want, mergeNodeHosts(c.hosts, nodes), name)
	}
	require.Empty(t, mergeNodeHosts("", nil))
}

func TestSyncNodeHosts(t *testing.T) {
	t.Parallel()
	f, client := newFakeAPI(t, map[string]string{nodesPath: twoNodes})
	require.NoError(t, syncNodeHosts(t.Context(), client), "nothing to do before the DNS is deployed")
	f.answers[dnsConfigPath] = `{"data":{"NodeHosts":"172.18.0.1 host.k3d.internal\n"}}`
	require.NoError(t, syncNodeHosts(t.Context(), client))
	require.Equal(t, []string{`PATCH ` + dnsConfigPath + ` {"data":{"NodeHosts":"172.18.0.1 host.k3d.internal\n172.18.0.2 agent-0\n172.18.0.3 server-0\n"}}`}, f.written())
	f.answers[dnsConfigPath] = `{"data":{"NodeHosts":"172.18.0.2 agent-0\n172.18.0.3 server-0\n"}}`
	require.NoError(t, syncNodeHosts(t.Context(), client))
	require.Len(t, f.written(), 1)
}

func TestWantedRoutes(t *testing.T) {
	t.Parallel()
	require.Equal(t, []route{{"10.42.1.0/24", "172.18.0.2"}}, wantedRoutes(nodesOf(t, twoNodes), "server-0"))
	require.Equal(t, []route{{"10.42.1.0/24", "172.18.0.2"}, {"10.42.3.0/24", "172.18.0.5"}},
		parseRoutes([]byte("10.42.1.0/24 via 172.18.0.2 dev eth0 \n10.42.0.2 dev veth1 scope host \n10.42.3.0/24 via 172.18.0.5 dev eth0 proto 79\n")))
}

func TestReadySince(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 12, 0, 0, 700e6, time.UTC)
	for name, c := range map[string]struct {
		conditions string
		want       bool
	}{
		"ready now":               {`[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T12:00:00Z"}]`, true},
		"said before this start":  {`[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T11:59:59Z"}]`, false},
		"not ready":               {`[{"type":"Ready","status":"False","lastHeartbeatTime":"2026-01-01T12:00:05Z"}]`, false},
		"nothing said":            {`[]`, false},
		"another condition first": {`[{"type":"DiskPressure","status":"False","lastHeartbeatTime":null},{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T12:00:05Z"}]`, true},
	} {
		var o nodeObject
		require.NoError(t, json.Unmarshal([]byte(`{"status":{"conditions":`+c.conditions+`}}`), &o), name)
		require.Equal(t, c.want, o.readySince(began), name)
	}
}
