package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kubeconfig []byte
		context    string
		want       string
	}{
		"empty":           {[]byte("\n"), "", "kubeconfig is empty: give the content of a kubeconfig file"},
		"not yaml":        {[]byte("{"), "", "kubeconfig cannot be read: "},
		"no current":      {kubeconfig("https://127.0.0.1:1", "b", "a"), "", "kubeconfig has no current context: name one of its contexts (a, b)"},
		"unknown context": {kubeconfig("https://127.0.0.1:1", "b", "a"), "x", `kubeconfig has no context "x": it has a, b`},
		"no contexts":     {kubeconfig("https://127.0.0.1:1"), "x", `kubeconfig has no context "x": it has none`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(tc.kubeconfig, tc.context)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestPods(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":%q}}]}`, r.URL.Path+"?"+r.URL.RawQuery)
	}))
	defer server.Close()
	c, err := New(kubeconfig(server.URL, "a"), "a")
	require.NoError(t, err)
	require.Equal(t, server.URL, c.Server())

	pods, err := c.Pods(t.Context(), "app", "a=b")
	require.NoError(t, err)
	require.Equal(t, "/api/v1/namespaces/app/pods?labelSelector=a%3Db", pods[0].Name)
	pods, err = c.Pods(t.Context(), "", "")
	require.NoError(t, err)
	require.Equal(t, "/api/v1/pods?", pods[0].Name)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.URL.Path+"?"+r.URL.RawQuery)
	}))
	defer server.Close()
	c, err := New(kubeconfig(server.URL, "a"), "a")
	require.NoError(t, err)
	lines, err := c.Logs(t.Context(), "app", "pod", "main", true, 3)
	require.NoError(t, err)
	require.Equal(t, "/api/v1/namespaces/app/pods/pod/log?container=main&previous=true&tailLines=3", lines)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		url := fmt.Sprintf("https://127.0.0.1:%d", closedPort(t))
		c, err := New(kubeconfig(url, "a"), "a")
		require.NoError(t, err)
		want := "cluster not reachable at " + url + " (connection refused): is it stopped? `make up` restarts or remakes a k3d cluster"
		_, err = c.Pods(t.Context(), "", "")
		require.ErrorContains(t, err, want)
		_, err = c.Dynamic().Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).List(t.Context(), metav1.ListOptions{})
		require.ErrorContains(t, err, want)
		forward := c.Forward("mesh", "proxy")
		defer func() { _ = forward.Close() }()
		_, err = forward.DialContext(15000)(t.Context(), "tcp", "")
		require.ErrorContains(t, err, want)
		var unreachable *UnreachableError
		require.ErrorAs(t, err, &unreachable)
		require.False(t, IsPermanent(err))
	})
	t.Run("foreign certificate", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		c, err := New(kubeconfig(server.URL, "a"), "a")
		require.NoError(t, err)
		_, err = c.Pods(t.Context(), "", "")
		require.ErrorContains(t, err, "is not the one of the kubeconfig")
		require.True(t, IsPermanent(err))
	})
	t.Run("caller gave up", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
		defer server.Close()
		defer close(stop)
		c, err := newForConfig(&rest.Config{Host: server.URL})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = c.Pods(ctx, "", "")
		var unreachable *UnreachableError
		require.NotErrorAs(t, err, &unreachable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestIsPermanent(t *testing.T) {
	t.Parallel()
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"forbidden":    {apierrors.NewForbidden(pods, "", errors.New("no")), true},
		"unauthorized": {apierrors.NewUnauthorized("who"), true},
		"busy":         {apierrors.NewTooManyRequests("later", 1), false},
		"internal":     {apierrors.NewInternalError(errors.New("etcd")), false},
		"unreachable":  {&UnreachableError{Err: errNoAnswer}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, IsPermanent(fmt.Errorf("list: %w", tc.err)))
		})
	}
}
