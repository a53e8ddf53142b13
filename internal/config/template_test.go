package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"
)

// What "pulumi new" makes of the project's files under another name is configuration of that name, and works as it is.
func TestTemplateUnderAnotherName(t *testing.T) {
	t.Parallel()
	published(t)
	template, made := t.TempDir(), t.TempDir()
	for _, file := range []string{projectFile, stackFile} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(template, filepath.Base(file)), content, 0o600))
	}
	require.NoError(t, workspace.CopyTemplateFiles(template, made, false, "shop", "A shop"))
	// The rest of what it does with them, in its own words.
	project, err := workspace.LoadProject(filepath.Join(made, "Pulumi.yaml"))
	require.NoError(t, err)
	project.Name, project.Template = "shop", nil
	require.NoError(t, project.Save(filepath.Join(made, "Pulumi.yaml")))

	project, err = workspace.LoadProject(filepath.Join(made, "Pulumi.yaml"))
	require.NoError(t, err)
	all, values := map[string]string{}, map[string]string{}
	for key, value := range stackConfig(t, project, filepath.Join(made, "Pulumi.dev.yaml")) {
		require.Equal(t, "shop", key.Namespace())
		all[key.String()], values[key.Name()] = value, value
	}
	require.Contains(t, values, "canaryWeight")
	require.Empty(t, ofOtherProjects(all, "shop", "dev"))
	_, err = Parse(values)
	require.NoError(t, err)
}
