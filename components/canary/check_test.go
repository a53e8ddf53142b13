package canary

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options map[string]string
		want    string
	}{
		"nothing": {},
		"allowed": {options: map[string]string{"pod": `{"spec":{"priorityClassName":"high"}}`}},
		"both subsets": {
			options: map[string]string{"pod": `{"spec":{"hostNetwork":true}}`},
			want: `1 problem in the stack's configuration:
  pod: spec.hostNetwork: a pod on the node's network gets no sidecar`,
		},
		"each its own": {
			options: map[string]string{"pod": `{"spec":{"hostNetwork":true}}`, "canaryPod": `{"metadata":{"labels":{"app.kubernetes.io/name":"x"}}}`},
			want: `2 problems in the stack's configuration:
  pod: spec.hostNetwork: a pod on the node's network gets no sidecar
  canaryPod: metadata.labels[app.kubernetes.io/name]: it cannot be set here: it selects the app's pods`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Check(configuration(t, tc.options))
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.want)
		})
	}
}
