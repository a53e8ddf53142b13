package canary

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"canary/internal/config"
	"canary/internal/podpatch"
	"canary/internal/release"
)

// Check tells what of a configuration, each of whose keys is right by itself, would break
// the release: what `pod` and `canaryPod` make of the pods.
func Check(cfg *config.Config) error {
	var lines []string
	stable, canary := subsetsOf(cfg)
	for _, s := range []subset{stable, canary} {
		template, err := podTemplate(cfg, s)
		if err != nil {
			return err
		}
		merged, err := podpatch.Apply(*template, s.patches...)
		if err != nil {
			return fmt.Errorf("pods of subset %s: %w", s.name, err)
		}
		for _, problem := range podpatch.Check(*template, merged) {
			line := "pod: " + problem.String()
			if s.name == release.Canary {
				if slices.Contains(lines, line) {
					continue
				}
				line = "canaryPod: " + problem.String()
			}
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	plural := "s"
	if len(lines) == 1 {
		plural = ""
	}
	return errors.New(fmt.Sprintf("%d problem%s in the stack's configuration:\n  ", len(lines), plural) + strings.Join(lines, "\n  "))
}
