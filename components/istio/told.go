package istio

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"canary/internal/hooks"
	"canary/internal/kube"
	"canary/internal/readiness"
)

// imageAdvice is what to do about an image of Istio's that cannot be pulled.
const imageAdvice = "check `istioHub` and `istioTag`; an image that only this machine has needs `importImages`"

// explainer tells why the pods of a release do not get ready, until the context ends.
type explainer func(ctx context.Context, kubeconfig, contextName, release string, tell func(line string))

func explainInCluster(ctx context.Context, kubeconfig, contextName, release string, tell func(line string)) {
	client, err := kube.New([]byte(kubeconfig), contextName)
	if err != nil {
		return // the provider says so, too
	}
	readiness.Explain(ctx, client, namespace, "app="+release, imageAdvice, tell)
}

// told tells beside a resource, while a release is written, why its pods do not get ready: Helm waits for them in
// silence, and says in the end that its time is over.
func (a *Args) told(ctx *pulumi.Context, beside pulumi.Resource) (pulumi.ResourceOption, error) {
	explain := a.explain
	if explain == nil {
		explain = explainInCluster
	}
	kubeconfig := hooks.Value(ctx, a.Kubeconfig)
	return a.register(ctx).AroundWrite("pods of Istio", func(release string) (end func()) {
		watching, end := context.WithCancel(ctx.Context()) //nolint:gosec // the hook after the write calls it
		go func() {
			text, err := kubeconfig()
			if err != nil {
				return
			}
			explain(watching, text, a.Context, release, func(line string) {
				_ = ctx.Log.Warn(fmt.Sprintf("release %s is waited for, at most %v, and %s", release, releaseTimeoutSeconds*time.Second, line),
					&pulumi.LogArgs{Resource: beside})
			})
		}()
		return end
	})
}
