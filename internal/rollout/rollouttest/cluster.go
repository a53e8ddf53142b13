// Package rollouttest has a cluster for tests of what a rollout does.
package rollouttest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/mesh"
	"canary/internal/release"
)

// Cluster is a rollout.Cluster that answers at once with what its fields say, and
// writes down what it was asked.
type Cluster struct {
	// InForce is the split of the VirtualService, unless there is SplitErr.
	InForce  release.Split
	SplitErr error
	AuthorAs string
	WriteErr error
	ReadyErr map[string]error // by subset
	Ready    map[string]int   // number of pods by subset

	GatewayErr error
	// NamespaceErr is what is wrong with the namespace, and Notes are what else is to be
	// known of it.
	NamespaceErr error
	Notes        mesh.Notes
	// There are objects that exist, as their String says.
	There []string
	// Changed is what somebody else changed.
	Changed []drift.Change
	// Off is why the ingress gateway wants no pods.
	Off     string
	WarmErr error
	LookAs  *converge.Before
	// BlockedBy is what makes requests to the canary fail.
	BlockedBy   string
	ConvergeAs  converge.Converged
	ConvergeErr error

	// ConvergedWith is what Converge was given.
	ConvergedWith *converge.Before
	// Readings is how often Live was asked.
	Readings int

	mu    sync.Mutex
	calls []string
}

// Calls are what the cluster was asked so far, and what was noted.
func (c *Cluster) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Note adds a line to the calls.
func (c *Cluster) Note(format string, values ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, values...))
}

// Written is what the VirtualService says from now on.
func (c *Cluster) Written(split release.Split) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.InForce, c.SplitErr = split, nil
}

// Live is InForce as of AuthorAs, or SplitErr; it is counted.
func (c *Cluster) Live(context.Context) (release.Live, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Readings++
	return release.Live{Split: c.InForce, By: c.AuthorAs}, c.SplitErr
}

// CheckWritable fails with WriteErr.
func (c *Cluster) CheckWritable(context.Context) error { return c.WriteErr }

// Write puts the split in force, or fails with WriteErr.
func (c *Cluster) Write(_ context.Context, _ release.Live, split release.Split) error {
	c.Note("roll back to %s", split.Short())
	if c.WriteErr != nil {
		return c.WriteErr
	}
	c.Written(split)
	return nil
}

// AnyReady is true for a subset without ReadyErr.
func (c *Cluster) AnyReady(_ context.Context, subset string) (bool, error) {
	return c.ReadyErr[subset] == nil, nil
}

// WaitReady fails with the ReadyErr of a subset.
func (c *Cluster) WaitReady(_ context.Context, pods map[string]release.Pods, report func(string)) error {
	c.Note("ready %v", pods)
	report("waiting")
	for subset := range pods {
		if err := c.ReadyErr[subset]; err != nil {
			return err
		}
	}
	return nil
}

// ReadyPods are Ready.
func (c *Cluster) ReadyPods(context.Context) (map[string]int, error) { return c.Ready, nil }

// AtLeast is noted.
func (c *Cluster) AtLeast(_ context.Context, subset string, pods int) error {
	c.Note("at least %d of %s", pods, subset)
	return nil
}

// CheckGateway fails with GatewayErr.
func (c *Cluster) CheckGateway(_ context.Context, label string) error {
	c.Note("gateway %s", label)
	return c.GatewayErr
}

// Exists reports whether the object is There.
func (c *Cluster) Exists(_ context.Context, object drift.Object) (bool, error) {
	return slices.Contains(c.There, object.String()), nil
}

// NamespaceThere fails with NamespaceErr.
func (c *Cluster) NamespaceThere(context.Context) error { return c.NamespaceErr }

// CheckNamespace is Notes or NamespaceErr.
func (c *Cluster) CheckNamespace(_ context.Context, pod map[string]string) (mesh.Notes, error) {
	c.Note("namespace for pods %v", pod)
	return c.Notes, c.NamespaceErr
}

// Changes are Changed.
func (c *Cluster) Changes(context.Context, []drift.Object) ([]drift.Change, error) {
	return c.Changed, nil
}

// GatewayOff is Off.
func (c *Cluster) GatewayOff(context.Context, string) (string, error) { return c.Off, nil }

// Warm fails with WarmErr.
func (c *Cluster) Warm(_ context.Context, timeout time.Duration, report func(string)) error {
	c.Note("warm within %v", timeout)
	report("waiting")
	return c.WarmErr
}

// Look is LookAs.
func (c *Cluster) Look(context.Context) *converge.Before { return c.LookAs }

// Converge is ConvergeAs or ConvergeErr.
func (c *Cluster) Converge(_ context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	c.Note("converge %s within %v", split.Short(), timeout)
	report("waiting")
	c.ConvergedWith = before
	return c.ConvergeAs, c.ConvergeErr
}

// Blocked is BlockedBy, under a split that gives the canary requests.
func (c *Cluster) Blocked(_ *converge.Before, split release.Split) string {
	if split.Canary == 0 {
		return ""
	}
	return c.BlockedBy
}

// ConvergeRoutes is Converge under another name.
func (c *Cluster) ConvergeRoutes(_ context.Context, before *converge.Before, split release.Split, timeout time.Duration, report func(string)) (converge.Converged, error) {
	c.Note("converge routes %s within %v", split.Short(), timeout)
	report("waiting")
	c.ConvergedWith = before
	return c.ConvergeAs, c.ConvergeErr
}
