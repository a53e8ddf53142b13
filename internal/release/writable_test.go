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

func TestCheckWritable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"taken":         {http.StatusOK, `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService"}`, ""},
		"not there yet": {http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no"}`, ""},
		"istiod is down": {
			http.StatusInternalServerError,
			`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500,"message":"Internal error occurred: failed calling webhook \"rev.validation.istio.io\": no endpoints available for service \"istiod\""}`,
			"the API server refuses every change of a VirtualService, because the webhook that checks it does not answer: " +
				`Internal error occurred: failed calling webhook "rev.validation.istio.io": no endpoints available for service "istiod"; ` +
				"check istiod (`kubectl get pods -A -l app=istiod`), then `pulumi up` again",
		},
		"no right": {
			http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"you may not"}`,
			"VirtualService app-example/app-example cannot be changed: you may not",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = fmt.Sprintf("%s %s %s", r.Method, r.URL, body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()

			err := CheckWritable(t.Context(), kubetest.Client(t, server), exampleApp)

			require.Equal(t, "PATCH /apis/networking.istio.io/v1/namespaces/app-example/virtualservices/app-example?dryRun=All {}", asked)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
		})
	}
}
