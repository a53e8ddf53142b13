//go:build e2e

package harness

import "testing"

// Long skips a test or a case in a short run (`make e2e`): another that is like it is run there, and `make e2e-long` runs all
// of them.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("another like it is run here; `make e2e-long` runs all")
	}
}
