//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingToDo is a second up: it changes no resource and touches no object.
func TestNothingToDo(t *testing.T) {
	p := shared(t)
	c := p.client(t)
	before := versions(t, c, "app-example")
	p.up(t)
	require.Empty(t, p.changes(t))
	require.Equal(t, before, versions(t, c, "app-example"))
	p.verifyNoChanges(t)
}

// TestCanaryImageWithoutTraffic releases another image to a canary that has no traffic yet: stable and the split stay
// as they are, and the new pods serve when the split moves to them.
func TestCanaryImageWithoutTraffic(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	version := splitVersion(t, a.client, a.namespace, a.name)
	stable := podsOf(t, a.client, a.namespace, a.name, "stable")

	p.set(t, "canaryImage", imageNext)
	p.up(t)
	require.Equal(t, version, splitVersion(t, a.client, a.namespace, a.name), "the split was written")
	require.Equal(t, names(stable), names(podsOf(t, a.client, a.namespace, a.name, "stable")))
	canary := ready(podsOf(t, a.client, a.namespace, a.name, "canary"))
	require.Len(t, canary, 1)
	require.Equal(t, imageNext, canary[0].Spec.Containers[0].Image)
	a.requireIngress(t, 0)

	p.set(t, "canaryWeight", "50")
	p.up(t)
	a.requireSplit(t, 50)
}

// TestReplicas changes the number of pods of both subsets; up returns when they are ready.
func TestReplicas(t *testing.T) {
	p := shared(t)
	p.restoreAfter(t)
	a := p.example(t)
	for _, want := range []struct{ stable, canary int }{{2, 3}, {1, 0}} {
		p.setAll(t, fmt.Sprintf("stableReplicas=%d", want.stable), fmt.Sprintf("canaryReplicas=%d", want.canary))
		p.up(t)
		require.Len(t, ready(podsOf(t, a.client, a.namespace, a.name, "stable")), want.stable)
		require.Len(t, ready(podsOf(t, a.client, a.namespace, a.name, "canary")), want.canary)
	}
	a.requireSplit(t, 0)
}
