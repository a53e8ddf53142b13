package prometheus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
	"canary/internal/release"
)

func TestService(t *testing.T) {
	t.Parallel()
	const (
		services = "/api/v1/namespaces/monitoring/services"
		pods     = "/api/v1/namespaces/monitoring/pods"
		list     = `{"kind":"ServiceList","apiVersion":"v1","items":[
			{"metadata":{"name":"prometheus"},"spec":{"selector":{"app":"prometheus"},"ports":[{"port":80,"targetPort":"web"},{"port":9090}]}},
			{"metadata":{"name":"elsewhere"},"spec":{"ports":[{"port":80}]}}]}`
		ready   = `{"metadata":{"name":"prometheus-0"},"spec":{"containers":[{"ports":[{"name":"web","containerPort":9091}]}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`
		waiting = `{"metadata":{"name":"prometheus-1"}}`
	)
	for _, tc := range []struct {
		name    string
		service service
		pod     string
		want    string
		port    int
	}{
		{"named port", service{"monitoring", "prometheus", 80}, ready, "", 9091},
		{"the same port", service{"monitoring", "prometheus", 9090}, ready, "", 9090},
		{"no pod", service{"monitoring", "prometheus", 80}, waiting, "Service monitoring/prometheus has no ready pod with its port 80: check its pods", 0},
		{"another port", service{"monitoring", "prometheus", 81}, ready, "Service monitoring/prometheus has no port 81 that leads to pods", 0},
		{"no selector", service{"monitoring", "elsewhere", 80}, ready, "Service monitoring/elsewhere has no port 80 that leads to pods", 0},
		{"no Service", service{"monitoring", "x", 80}, ready, "Service monitoring/x is not in the cluster: `kubectl get services -A` lists them", 0},
		{"no namespace", service{"x", "prometheus", 80}, ready, "list services in namespace x: not found", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			transport := &serviceTransport{service: tc.service, client: kubetest.API(t, map[string]string{
				services: list, pods: `{"kind":"PodList","apiVersion":"v1","items":[` + waiting + "," + tc.pod + `]}`,
			})}
			pod, port, err := transport.find(t.Context())
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "prometheus-0", pod)
			require.Equal(t, tc.port, port)
		})
	}
}

func TestServiceThatIsNotReached(t *testing.T) {
	t.Parallel()
	c, err := New(Source{Address: "monitoring/prometheus:80"}, Access{}, kubetest.API(t, nil), release.App{})
	require.NoError(t, err)
	defer c.Close()
	require.ErrorContains(t, startError(t, c), "Prometheus at monitoring/prometheus:80: ")
	require.ErrorContains(t, startError(t, c), "list services in namespace monitoring: not found; asked was time()")
	_, err = New(Source{Address: "x"}, Access{}, nil, release.App{})
	require.EqualError(t, err, `"x" is not NAMESPACE/SERVICE:PORT`)
}
