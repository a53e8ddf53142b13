//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/test/e2e/harness"
)

// TestOtherEngine types what a user may type while docker talks to another engine than the one that the cluster lives on,
// as with another checkout's environment or on another machine with the same backend: everything is refused by name, and
// nothing is lost, neither of the cluster nor of the state.
func TestOtherEngine(t *testing.T) {
	p := harness.Shared(t)
	resources := p.Resources(t)

	away := *p
	checkout := *p.Checkout
	folder := t.TempDir()
	const docker = `#!/bin/sh
case $1 in
  info) echo 'OTHER-1 elsewhere' ;;
  ps) ;;
  *) PATH=${PATH#*:} exec docker "$@" ;;
esac
`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "docker"), []byte(docker), 0o700))
	checkout.Env = append(slices.Clone(p.Env), "PATH="+folder+":"+os.Getenv("PATH"))
	away.Checkout = &checkout

	const refused = `: it lives on the Docker engine \S+ of the host \S+, and docker here talks to OTHER-1 elsewhere: ` +
		`nothing was changed or removed\. .*FORGET_ENGINE=\S+ pulumi destroy`
	for _, command := range []struct {
		name string
		run  func() harness.Outcome
	}{
		{"make up", func() harness.Outcome { return away.MakeUp(t) }},
		{"pulumi destroy", func() harness.Outcome { return away.Attempt(t, harness.DestroyArgs...) }},
	} {
		o := command.run()
		t.Logf("%s: exit code %d after %.1f s: %s", command.name, o.Code, o.Took.Seconds(), harness.LineWith(o.All, "it lives on"))
		require.NotZero(t, o.Code, o.All)
		require.Regexp(t, `cluster `+p.Cluster+refused, o.All)
		require.ElementsMatch(t, resources, p.Resources(t), "the state")
	}
	p.VerifyNoChanges(t)
	p.Example(t).RequireIngress(t, 0)
}
