//go:build e2e

package harness

import "testing"

// Long skips a case in a short run (`make e2e`): one like it is run there, and `make e2e-long` runs all of them.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("one of many of its kind: `make e2e-long` runs them all")
	}
}
