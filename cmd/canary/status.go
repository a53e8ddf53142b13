package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/kube"
	"canary/internal/mesh"
	"canary/internal/readiness"
	"canary/internal/release"
	"canary/internal/stack"
)

// exitDiffers is status's exit code when something is not as configured.
const exitDiffers = 1

// view is what status sees of the cluster.
type view interface {
	Split(ctx context.Context) (release.Split, error)
	Subsets(ctx context.Context) ([]readiness.SubsetStatus, error)
	Proxies(ctx context.Context, want release.Split) ([]converge.ProxyStatus, error)
	Changes(ctx context.Context, objects []drift.Object) ([]drift.Change, error)
	// Faults are those of Istio itself.
	Faults(ctx context.Context, releases mesh.Releases) ([]string, error)
	Close()
}

func openView(kubeconfig stack.Secret, app release.App) (view, error) {
	client, err := clientOf(kubeconfig)
	if err != nil {
		return nil, err
	}
	return clusterView{View: converge.NewView(client, app), client: client, app: app}, nil
}

// clusterView looks at the cluster itself.
type clusterView struct {
	*converge.View
	client *kube.Client
	app    release.App
}

func (v clusterView) Split(ctx context.Context) (release.Split, error) {
	return release.LiveSplit(ctx, v.client, v.app)
}

func (v clusterView) Subsets(ctx context.Context) ([]readiness.SubsetStatus, error) {
	return readiness.Subsets(ctx, v.client, v.app)
}

func (v clusterView) Changes(ctx context.Context, objects []drift.Object) ([]drift.Change, error) {
	return drift.Find(ctx, v.client, objects)
}

func (v clusterView) Faults(ctx context.Context, releases mesh.Releases) ([]string, error) {
	return mesh.Faults(ctx, v.client, v.app, releases)
}

type statusCommand struct {
	env       environment
	output    string
	stackName string
	watch     bool
}

func newStatus(env environment) *cobra.Command {
	s := &statusCommand{env: env}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the split that is configured and what each proxy serves",
		Long: `Show the split that is configured and what each proxy serves.

Side by side: the split that the stack's last update was for, the split of the
app's VirtualService, what every proxy of the cluster really does with requests
for the app (read from its Envoy), and the pods and the image of each subset. What
somebody else changed in the stack's objects is told, too, and what of Istio itself
keeps new pods from their sidecars or ingress traffic out: a gateway or istiod
scaled to nothing, a webhook that is gone or whose injector does not answer.

A proxy without a route for the app does not serve it, and is not counted. A
proxy that cannot be read counts as one that differs, unless its pod is ending
or starting.

With --watch it goes on until Ctrl-C: on a terminal the picture is drawn anew,
elsewhere each change is one line (with --output json, one object).

Exit codes: 0 all agree and the wanted pods are ready, 1 something differs,
3 wrong usage or cannot look. With --watch they are those of the last look.`,
		Example: `  canary status
  canary status --watch
  canary status --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(s.output); err != nil {
				return fmt.Errorf("%w; `canary status --help` lists what is allowed", err)
			}
			return s.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&s.watch, "watch", false, "look again and again until Ctrl-C")
	flags.StringVar(&s.output, "output", outputTable, "table or json")
	flags.StringVar(&s.stackName, "stack", "", "Pulumi stack (default: the selected one)")
	return cmd
}

func (s *statusCommand) run(ctx context.Context) error {
	wrote, err := s.read(ctx)
	if err != nil {
		return err
	}
	outputs := wrote.outputs
	app, err := outputs.App()
	if err != nil {
		return err
	}
	v, err := s.env.view(outputs.Kubeconfig, app)
	if err != nil {
		return err
	}
	defer v.Close()
	first, err := look(ctx, v, wrote)
	if err != nil {
		return err
	}
	if s.watch {
		return s.follow(ctx, v, wrote, first)
	}
	write := first.table
	if s.output == outputJSON {
		write = first.json
	}
	if err := write(s.env.stdout); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return first.exit()
}

// update is the stack's last one: what it put out, and what it wrote.
type update struct {
	outputs *stack.Outputs
	record  *stack.Record
}

// read asks the CLI for both at the same time.
func (s *statusCommand) read(ctx context.Context) (*update, error) {
	var last update
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		last.outputs, err = s.env.outputs(ctx, s.stackName)
		return err
	})
	group.Go(func() (err error) {
		last.record, err = s.env.written(ctx, s.stackName)
		return err
	})
	return &last, group.Wait()
}

// look gathers everything once.
func look(ctx context.Context, v view, last *update) (*status, error) {
	outputs := last.outputs
	configured, err := configuredSplit(outputs)
	if err != nil {
		return nil, err
	}
	result := &status{VirtualService: outputs.Namespace + "/" + outputs.Name, Configured: weights(configured), Extras: outputs.Extras}
	want := configured
	live, liveErr := v.Split(ctx)
	switch {
	case liveErr == nil:
		want, result.Live = live, new(weights(live))
	case !noSplit(liveErr):
		return nil, liveErr
	default:
		result.LiveProblem = liveErr.Error()
	}
	subsets, err := v.Subsets(ctx)
	if err != nil {
		return nil, err
	}
	proxies, err := v.Proxies(ctx, want)
	if err != nil {
		return nil, err
	}
	changes, err := v.Changes(ctx, last.record.Objects)
	if err != nil {
		return nil, err
	}
	faults, err := v.Faults(ctx, last.record.Releases)
	if err != nil {
		return nil, err
	}
	result.add(want, subsets, proxies)
	result.judge(configured, live, liveErr)
	result.causes(changes, faults)
	return result, nil
}

// configuredSplit is the split of the stack's output; decimals become parts of
// ten thousand.
func configuredSplit(outputs *stack.Outputs) (release.Split, error) {
	const parts = 100
	round := func(percent float64) int32 { return int32(percent*parts + 0.5) }
	split := release.Split{Stable: round(outputs.Split[release.Stable]), Canary: round(outputs.Split[release.Canary])}
	if split.Stable < 0 || split.Canary < 0 || split.Stable+split.Canary != 100*parts {
		return split, fmt.Errorf("the stack's output split is %v, and percentages of stable and canary are expected; type `pulumi up`", outputs.Split)
	}
	return split, nil
}

// noSplit reports whether the VirtualService could be asked for, and has none.
func noSplit(err error) bool {
	return errors.Is(err, release.ErrNoSplit) || apierrors.IsNotFound(err)
}
