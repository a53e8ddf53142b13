package canary

import (
	"fmt"
	"slices"

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
		template := podTemplate(cfg, s, "any") // that it stays is what counts, not what it is
		merged, err := podpatch.Apply(template, s.patches...)
		if err != nil {
			return fmt.Errorf("pods of subset %s: %w", s.name, err)
		}
		for _, problem := range podpatch.Check(template, merged) {
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
	return config.Problems(lines)
}
