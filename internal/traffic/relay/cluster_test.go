package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/kubetest"
)

// TestClusterSpeaksToTheAPI checks what is sent to an API server and how its
// answers are taken.
func TestClusterSpeaksToTheAPI(t *testing.T) {
	t.Parallel()
	var created corev1.Pod
	var calls []string
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/namespaces/app/pods", func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.Method+" "+r.URL.RawQuery)
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_ = json.NewEncoder(w).Encode(corev1.PodList{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: []corev1.Pod{created},
			})
			return
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &created)
		created.UID = "1"
		_ = json.NewEncoder(w).Encode(created)
	})
	mux.HandleFunc("DELETE /api/v1/namespaces/app/pods/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		code := http.StatusOK
		if r.PathValue("name") == "gone" {
			code = http.StatusNotFound
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","code":%d,"reason":%q}`, code, map[int]string{404: "NotFound"}[code])
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	cluster := In(kubetest.Client(t, server))

	pod := podFor(options, "canary-requests-abc")
	stored, err := cluster.CreatePod(t.Context(), pod)
	require.NoError(t, err)
	require.EqualValues(t, "1", stored.UID)
	require.Equal(t, pod.Annotations, created.Annotations)
	require.Equal(t, pod.Spec.Volumes, created.Spec.Volumes)

	found, err := find(t.Context(), cluster, "app", pod.Name)
	require.NoError(t, err)
	require.Equal(t, pod.Name, found.Name)
	require.Equal(t, []string{"POST ", "GET labelSelector=app.kubernetes.io%2Fmanaged-by%3Dcanary-requests"}, calls)

	require.NoError(t, cluster.DeletePod(t.Context(), "app", pod.Name))
	require.NoError(t, cluster.DeletePod(t.Context(), "app", "gone"))
	require.NoError(t, cluster.Forward("app", pod.Name).Close())
}
