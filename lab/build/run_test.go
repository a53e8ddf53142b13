package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// part makes a part that counts how often it is made and writes one file.
func part(name string, made *int, needs ...string) *Part {
	return &Part{Name: name, Needs: needs, Make: func(_ context.Context, r *Recipe) error {
		*made++
		for _, need := range needs {
			if _, err := os.Stat(filepath.Join(r.Of(need), "result")); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(r.Out, "result"), []byte(name), 0o644)
	}}
}

func TestBuildMakesEachPartOnce(t *testing.T) {
	t.Parallel()
	var base, top int
	parts := []*Part{part("base", &base), part("top", &top, "base")}
	cache := t.TempDir()
	for range 2 {
		b := Builder{Cache: cache, Progress: &bytes.Buffer{}}
		dirs, err := b.Build(t.Context(), parts)
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dirs["top"], "result"))
	}
	require.Equal(t, 1, base)
	require.Equal(t, 1, top)
}

func TestBuildMakesAgainWhatItsInputsChange(t *testing.T) {
	t.Parallel()
	var base, top int
	source := filepath.Join(t.TempDir(), "source.go")
	parts := []*Part{part("base", &base), part("top", &top, "base")}
	parts[0].Sources = []string{source}
	cache := t.TempDir()
	for _, content := range []string{"package a", "package b"} {
		require.NoError(t, os.WriteFile(source, []byte(content), 0o644))
		b := Builder{Cache: cache, Progress: &bytes.Buffer{}}
		_, err := b.Build(t.Context(), parts)
		require.NoError(t, err)
	}
	require.Equal(t, 2, base)
	require.Equal(t, 2, top, "a part is made again when a part that it needs is")
}

func TestBuildGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	var base, top int
	broken := part("top", &top, "base")
	broken.Make = func(context.Context, *Recipe) error { return errors.New("out of paint") }
	cache, progress := t.TempDir(), &bytes.Buffer{}

	b := Builder{Cache: cache, Progress: progress}
	_, err := b.Build(t.Context(), []*Part{part("base", &base), broken})
	require.ErrorContains(t, err, "part top: out of paint")
	require.ErrorContains(t, err, filepath.Join(cache, "top.log"))

	b = Builder{Cache: cache, Progress: progress}
	_, err = b.Build(t.Context(), []*Part{part("base", &base), part("top", &top, "base")})
	require.NoError(t, err)
	require.Equal(t, 1, base, "the finished part is kept")
	require.Equal(t, 1, top)
	require.Contains(t, progress.String(), "1 of 2 parts to build: top")
}

func TestBuildStopsWhenAsked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var never int
	first := &Part{Name: "first", Make: func(ctx context.Context, _ *Recipe) error {
		cancel()
		return ctx.Err()
	}}
	b := Builder{Cache: t.TempDir(), Progress: &bytes.Buffer{}}
	_, err := b.Build(ctx, []*Part{first, part("second", &never, "first")})
	require.ErrorContains(t, err, "the build was stopped")
	require.Zero(t, never)
}

func TestPartsNeedOnlyEarlierParts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range Parts("lab", Names{}) {
		for _, need := range p.Needs {
			require.Truef(t, seen[need], "part %s needs %s, which does not come before it", p.Name, need)
		}
		seen[p.Name] = true
	}
}
