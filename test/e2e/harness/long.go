//go:build e2e

package harness

import "testing"

// Long skips a test or a case in a short run (`make e2e`), which has an hour on two cores, with everything that it builds:
// `make e2e-long` runs all of them.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left to `make e2e-long`")
	}
}
