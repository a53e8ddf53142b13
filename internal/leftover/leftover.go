// Package leftover removes the files that the Kubernetes provider leaves behind.
//
// Each time it is configured, so in every preview, update, refresh and destroy, the provider (v4) writes the kubeconfig
// that it was given, with the client's key, to a new file kubeconfig<digits> in the folder for temporary files. It never
// removes it. Only resources of its type Chart (helm.sh/v4) read the file, and this project has none: it can go as soon
// as it is there.
package leftover

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
)

// name is what os.CreateTemp makes of "kubeconfig".
var name = regexp.MustCompile(`^kubeconfig[0-9]+$`)

// Remove removes the provider's copies of a kubeconfig from a folder: files of this user that have such a name and the
// mode that the provider gives them, and say what the kubeconfig says. Copies of an earlier run go, too. It goes on
// after an error.
func Remove(folder, kubeconfig string) error {
	wanted, err := canonical([]byte(kubeconfig))
	if err != nil {
		return nil //nolint:nilerr // the provider writes no file either
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("look for copies of the kubeconfig: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !name.MatchString(entry.Name()) || !isOwn(entry) {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		if content, err := os.ReadFile(path); err == nil {
			if got, err := canonical(content); err == nil && bytes.Equal(got, wanted) {
				errs = append(errs, remove(path))
			}
		}
	}
	return errors.Join(errs...)
}

// canonical is a kubeconfig as this program writes it. The provider does not copy the text that it was given, it writes
// what it read in it, with another version of the same library: the texts need not be the same.
func canonical(kubeconfig []byte) ([]byte, error) {
	loaded, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, err
	}
	return clientcmd.Write(*loaded)
}

// isOwn tells whether a file is a regular one of this user and for this user alone.
func isOwn(entry fs.DirEntry) bool {
	const mode = 0o600 // any bit beside the permissions is that of a link, a folder, a pipe
	info, err := entry.Info()
	if err != nil || info.Mode() != mode {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// remove removes a file that another update may have removed in the meantime.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a copy of the kubeconfig: %w", err)
	}
	return nil
}
