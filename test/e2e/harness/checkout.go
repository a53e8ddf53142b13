//go:build e2e

package harness

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// userKubeconfig stands for the user's own kubeconfig, which nothing may change.
const userKubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: mine\n"

// Checkout is a copy of the project's files, as a user has it: with its own state and passphrase in .canary. All
// stacks of a run share it, so that the program is built once.
type Checkout struct {
	Root string // everything of the run, removed at its end
	Dir  string // the project's folder
	Home string // .canary in it
	Env  []string
}

var theCheckout = struct {
	sync.Once
	*Checkout
}{}

// TheOneCheckout is the copy that all stacks of the run share.
func TheOneCheckout(t *testing.T) *Checkout {
	t.Helper()
	theCheckout.Do(func() { theCheckout.Checkout = newCheckout(t) })
	if theCheckout.Checkout == nil {
		t.Fatal("the checkout could not be copied: see the test that tried")
	}
	return theCheckout.Checkout
}

func newCheckout(t *testing.T) *Checkout {
	t.Helper()
	root, err := os.MkdirTemp("", "canary-e2e-") //nolint:usetesting // it outlives the test that needs it first
	require.NoError(t, err)
	leaveBehind(func() error { return os.RemoveAll(root) })
	c := &Checkout{Root: root, Dir: filepath.Join(root, "canary")}
	c.Home = filepath.Join(c.Dir, ".canary")
	c.CopyFiles(t)

	for _, dir := range []string{c.Home, c.Tmp()} {
		require.NoError(t, os.MkdirAll(dir, 0o700))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(c.Home, "state"), 0o755))
	passphrase := filepath.Join(c.Home, "passphrase")
	require.NoError(t, os.WriteFile(passphrase, []byte(rand.Text()+"\n"), 0o600))
	require.NoError(t, os.WriteFile(c.userKubeconfig(), []byte(userKubeconfig), 0o600))
	c.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PULUMI_CONFIG_PASSPHRASE=") || strings.HasPrefix(kv, "CANARY_")
	})
	c.Env = append(c.Env,
		"PULUMI_BACKEND_URL=file://"+filepath.Join(c.Home, "state")+"?metadata=skip", "PULUMI_CONFIG_PASSPHRASE_FILE="+passphrase,
		"PULUMI_SKIP_UPDATE_CHECK=true", "KUBECONFIG="+c.userKubeconfig(), "TMPDIR="+c.Tmp())
	c.Env = slices.Clip(c.Env) // tests append to it
	return c
}

// Tmp is where what the tools write for the moment lands, so that it can be looked at.
func (c *Checkout) Tmp() string { return filepath.Join(c.Root, "tmp") }

func (c *Checkout) userKubeconfig() string { return filepath.Join(c.Root, "user-kubeconfig") }

// Passphrase encrypts the secrets of the state.
func (c *Checkout) Passphrase(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Home, "passphrase"))
	require.NoError(t, err)
	return strings.TrimSpace(string(b))
}

// CopyFiles copies the files that Git knows or would know.
func (c *Checkout) CopyFiles(t *testing.T) {
	t.Helper()
	source := sourceRoot(t)
	files := Run(t, source, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimRight(files, "\x00"), "\x00") {
		from, to := filepath.Join(source, name), filepath.Join(c.Dir, name)
		b, err := os.ReadFile(from)
		if os.IsNotExist(err) {
			continue // removed in the work tree, not yet in the index
		}
		require.NoError(t, err)
		info, err := os.Stat(from)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, b, info.Mode()))
	}
}

func sourceRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	return root
}

// StackFile is what a new stack's file starts with; the tests need nothing of it where registries can be reached.
func StackFile(t *testing.T) []byte {
	t.Helper()
	file := os.Getenv("E2E_STACK_FILE")
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(sourceRoot(t), file))
	require.NoError(t, err, "E2E_STACK_FILE is relative to the project's folder")
	return b
}

// NewName gives names that no other run and no other test of this run has.
var NewName = func() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("e2e-%d-%d", os.Getpid(), n)
	}
}()
