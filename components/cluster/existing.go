package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// loadKubeconfig gives a kubeconfig with one context, its current one, and that context's name. pathOrContent is the
// path of a file ("~" is the user's home, other paths are relative to the project's folder) or the text itself. An empty
// contextName means the current context. Files that it refers to are put into it, so that it can be kept as one secret.
func loadKubeconfig(pathOrContent, contextName string) (text, context string, err error) {
	if strings.TrimSpace(pathOrContent) == "" {
		return "", "", errors.New(`kubeconfig is empty, and an existing cluster needs it (the user's own is not taken unasked): ` +
			`pulumi config set kubeconfig ~/.kube/config`)
	}
	source, loaded, err := readKubeconfig(pathOrContent)
	if err != nil {
		return "", "", err
	}

	context = contextName
	if context == "" {
		context = loaded.CurrentContext
	}
	if context == "" {
		return "", "", fmt.Errorf("%s has no current-context: choose one of its contexts (%s): pulumi config set context NAME",
			source, contextNames(loaded))
	}
	if _, ok := loaded.Contexts[context]; !ok {
		return "", "", fmt.Errorf("%s has no context %q: allowed are %s: pulumi config set context NAME",
			source, context, contextNames(loaded))
	}

	loaded.CurrentContext = context
	out, err := selfContained(loaded)
	if err != nil {
		return "", "", fmt.Errorf("%s, context %q: %w", source, context, err)
	}
	return string(out), context, nil
}

// selfContained writes the current context of a kubeconfig with nothing in it that depends on where it was read from.
func selfContained(c *api.Config) ([]byte, error) {
	if err := clientcmd.ResolveLocalPaths(c); err != nil {
		return nil, err
	}
	if err := clientcmd.ConfirmUsable(*c, c.CurrentContext); err != nil {
		return nil, err
	}
	if err := api.MinifyConfig(c); err != nil {
		return nil, err
	}
	if err := api.FlattenConfig(c); err != nil {
		return nil, err
	}
	return clientcmd.Write(*c)
}

// readKubeconfig also says what was read, for messages; never the text, which is secret.
func readKubeconfig(pathOrContent string) (source string, loaded *api.Config, err error) {
	if isContent(pathOrContent) {
		source = "the kubeconfig in the stack's configuration"
		if loaded, err = clientcmd.Load([]byte(pathOrContent)); err != nil {
			// The cause can quote the text.
			return "", nil, fmt.Errorf("%s is not a kubeconfig: expected YAML or JSON of kind Config", source)
		}
		return source, loaded, nil
	}

	path, err := expandHome(pathOrContent)
	if err != nil {
		return "", nil, err
	}
	source = fmt.Sprintf("kubeconfig %q", pathOrContent)
	loaded, err = clientcmd.LoadFromFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("%s: there is no such file: set the path of one: pulumi config set kubeconfig PATH", source)
	case errors.Is(err, fs.ErrPermission):
		return "", nil, fmt.Errorf("%s: it may not be read by this user", source)
	case err != nil:
		return "", nil, fmt.Errorf("%s is not a kubeconfig: expected a file of kind Config", source)
	}
	return source, loaded, nil
}

// isContent tells a kubeconfig's text from a path.
func isContent(pathOrContent string) bool {
	return strings.Contains(pathOrContent, "\n") || strings.HasPrefix(strings.TrimSpace(pathOrContent), "{")
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("kubeconfig %q: find the home folder: %w", path, err)
	}
	return filepath.Join(home, strings.TrimPrefix(path, "~")), nil
}

func contextNames(c *api.Config) string {
	if len(c.Contexts) == 0 {
		return "it has none"
	}
	return strings.Join(slices.Sorted(maps.Keys(c.Contexts)), ", ")
}
