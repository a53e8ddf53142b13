package istio

import (
	"context"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"canary/internal/config"
	"canary/internal/pulumitest"
)

// Why pods do not get ready is looked for while a release is written, and no longer.
func TestTold(t *testing.T) {
	t.Parallel()
	hooks := recordedHooks{}
	watched, over := make(chan string, 2), make(chan struct{})
	cfg, err := config.Parse(nil)
	require.NoError(t, err)
	_, err = pulumitest.Run(func(ctx *pulumi.Context) error {
		_, err := New(ctx, "istio", &Args{
			Config: cfg.Istio, Kubeconfig: pulumi.String("a kubeconfig"), Context: "a context", fetch: nothing, hooks: hooks.register,
			explain: func(ctx context.Context, kubeconfig, contextName, release string, _ func(string)) {
				watched <- kubeconfig + ", " + contextName + ", " + release
				<-ctx.Done()
				close(over)
			},
		})
		if err != nil {
			return err
		}
		write := &pulumi.ResourceHookArgs{Name: "istiod"}
		require.NoError(t, hooks["pods of Istio: before"](write))
		require.Equal(t, "a kubeconfig, a context, istiod", <-watched)
		select {
		case <-over:
			t.Error("it ends before the release is written")
		default:
		}
		require.NoError(t, hooks["pods of Istio: after"](write))
		<-over
		return nil
	})
	require.NoError(t, err)
}
