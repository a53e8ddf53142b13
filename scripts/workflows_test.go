package scripts

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Every action is pinned by commit, with its version for people; nothing has rights that it does not ask for; no job
// runs for hours.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	uses := regexp.MustCompile(`(?m)^[ -]+uses: (.*)$`)
	pinned := regexp.MustCompile(`^actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, action := range uses.FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, pinned, action[1], file)
		}
		var workflow struct {
			Permissions *map[string]string
			Jobs        map[string]struct {
				Permissions map[string]string
				Timeout     int `json:"timeout-minutes"`
			}
		}
		require.NoError(t, yaml.Unmarshal(text, &workflow), file)
		require.NotNil(t, workflow.Permissions, file)
		require.Empty(t, *workflow.Permissions, "%s: rights are given to jobs", file)
		require.NotEmpty(t, workflow.Jobs, file)
		for name, job := range workflow.Jobs {
			require.NotEmpty(t, job.Permissions, "%s: %s", file, name)
			require.Positive(t, job.Timeout, "%s: %s", file, name)
		}
	}
}
