//go:build e2e

package harness

import (
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

// Secrets are texts that must not be seen, by what they are.
type Secrets map[string]string

// SecretsIn are the credentials of a kubeconfig, as they are written there and as they are used.
func SecretsIn(t *testing.T, kubeconfig string) Secrets {
	t.Helper()
	loaded, err := clientcmd.Load([]byte(kubeconfig))
	require.NoError(t, err)
	found := Secrets{}
	for _, user := range loaded.AuthInfos {
		if key := string(user.ClientKeyData); key != "" {
			// One line is enough, and the first one is the same for every key.
			found["client key"] = strings.Split(key, "\n")[1]
			encoded := base64.StdEncoding.EncodeToString(user.ClientKeyData)
			found["client-key-data"] = encoded[len(encoded)/2:]
		}
		if user.Token != "" {
			found["token"] = user.Token
		}
	}
	require.NotEmpty(t, found)
	return found
}

// In names the secrets that a text has in it.
func (s Secrets) In(text string) []string {
	var found []string
	for name, secret := range s {
		if strings.Contains(text, secret) {
			found = append(found, name)
		}
	}
	return found
}

// Everything concerns every file.
func Everything(fs.FileInfo) bool { return true }

// ReadableByOthers concerns files that other users may read.
func ReadableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o044 != 0 }

// KubeconfigsIn names the kubeconfigs in a folder.
func KubeconfigsIn(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "kubeconfig*"))
	require.NoError(t, err)
	return found
}

// InFiles names the files under a folder that have a secret in them.
func (s Secrets) InFiles(t *testing.T, root string, concerned func(fs.FileInfo) bool) []string {
	t.Helper()
	var found []string
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || !concerned(info) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, name := range s.In(string(b)) {
			found = append(found, path+": "+name)
		}
		return nil
	}))
	t.Logf("%d files looked at in %s", files, filepath.Base(root))
	return found
}
