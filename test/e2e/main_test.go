//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"canary/test/e2e/harness"
)

// TestMain removes what an earlier run that was killed left, runs the tests, and removes what they share.
func TestMain(m *testing.M) {
	start := time.Now()
	err := harness.RemoveLeftovers()
	code := 1
	if err == nil {
		code = m.Run()
	}
	if err := errors.Join(err, harness.CleanUp()); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	fmt.Printf("e2e: all of it took %.0f s\n", time.Since(start).Seconds())
	os.Exit(code)
}
