package release

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/kubetest"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"annotations":{"canary/order":"pause"}}}`)
	}))
	defer server.Close()
	client := kubetest.Client(t, server)

	order, err := LiveOrder(t.Context(), client, exampleApp)
	require.NoError(t, err)
	require.Equal(t, "pause", order)
	require.NoError(t, WriteOrder(t.Context(), client, exampleApp, `{"word":"continue"}`))
	require.NoError(t, WriteOrder(t.Context(), client, exampleApp, ""))

	const path = "/apis/networking.istio.io/v1/namespaces/app-example/virtualservices/app-example"
	const patch = "PATCH " + path + "?fieldManager=canary-order application/merge-patch+json "
	require.Equal(t, []string{
		"GET " + path + "  ",
		patch + `{"metadata":{"annotations":{"canary/order":"{\"word\":\"continue\"}"}}}`,
		patch + `{"metadata":{"annotations":{"canary/order":null}}}`,
	}, asked)
}
