package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"canary/internal/podpatch"
)

const podAllowed = "a pod template of Kubernetes as an object, or the path of a YAML file with one"

// pod sets a patch of the pods, given in place or as a file's path.
func pod(field func(*Config) **podpatch.Patch) func(*Config, string) error {
	return func(c *Config, value string) error {
		text := []byte(value)
		if !strings.HasPrefix(strings.TrimSpace(value), "{") {
			var err error
			if text, err = readFile(value); err != nil {
				return err
			}
		}
		patch, problems := podpatch.Parse(text)
		*field(c) = patch
		if len(problems) > 0 {
			return podError(problems)
		}
		return nil
	}
}

// readFile reads the file that a value names.
func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if reason := new(fs.PathError); errors.As(err, &reason) {
		err = reason.Err // the message has the path already
	}
	if err != nil {
		return nil, fmt.Errorf("which cannot be read: %w", err)
	}
	return text, nil
}

// podError are the problems of one pod template.
type podError []podpatch.Problem

// Error is all of them.
func (e podError) Error() string {
	texts := make([]string, len(e))
	for i, problem := range e {
		texts[i] = problem.String()
	}
	return strings.Join(texts, "; ")
}
