package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHostsTakeTurnsAndFailedOnesComeLast(t *testing.T) {
	t.Parallel()
	targets := newTargets(port{80, "tcp"}, []string{"a", "b", "c"})
	now := time.Now()
	require.Equal(t, []string{"a", "b", "c"}, targets.order(now))
	require.Equal(t, []string{"b", "c", "a"}, targets.order(now))
	targets.report("c", errors.New("refused"))
	require.Equal(t, []string{"a", "b", "c"}, targets.order(now))
	require.Equal(t, []string{"a", "b", "c"}, targets.order(now))
	require.Equal(t, []string{"b", "c", "a"}, targets.order(now.Add(2*failTime)))
	targets.report("c", nil)
	require.Equal(t, []string{"c", "a", "b"}, targets.order(now))
	targets.set([]string{"d"})
	require.Equal(t, []string{"d"}, targets.order(now))
}

func TestResolverRemembersForAShortTime(t *testing.T) {
	t.Parallel()
	asked := 0
	r := newResolver()
	r.lookup = func(context.Context, string) ([]string, error) {
		asked++
		if asked == 3 {
			return nil, errors.New("no such host")
		}
		return []string{"10.0.0.1", "10.0.0.2"}, nil
	}
	for range 3 {
		address, err := r.resolve(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "10.0.0.1", address)
	}
	require.Equal(t, 1, asked)
	r.forget("a")
	r.keep = 0
	_, err := r.resolve(t.Context(), "a")
	require.NoError(t, err)
	_, err = r.resolve(t.Context(), "a")
	require.ErrorContains(t, err, "no such host")
	require.Equal(t, 3, asked)
}
