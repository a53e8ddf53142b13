package converge

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

// TestManyProxiesAreReallyThere lets meshes do what they like and checks the
// one promise: when the wait ends, every proxy serves the split.
func TestManyProxiesAreReallyThere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			f := randomMesh(random)
			c := newConvergence(f, exampleApp, after, nil)
			c.consult(f, beforeWrite(t, f), written)
			_, err := c.wait(t.Context(), time.Minute)
			require.NoError(t, err, "seed %d", seed)
			for _, p := range f.proxies {
				require.True(t, p.serves(f.since()).Equal(after), "seed %d: %s", seed, p.Pod)
			}
		})
	}
}

// randomMesh has up to three istiods that push the old split, then the new one,
// again and again, at their own pace, to proxies that take their own time.
func randomMesh(random *rand.Rand) *fakeMesh {
	f := newFakeMesh()
	upTo := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	istiods := 1 + random.IntN(3)
	type push struct {
		at      time.Duration
		version int
		split   release.Split
	}
	pushes := make([][]push, istiods)
	for i := range istiods {
		f.istiods = append(f.istiods, istiodRun{key: fmt.Sprint(i)})
		version := random.IntN(50) + 1
		pushes[i] = []push{{longAgo, version, before}}
		old := random.IntN(3)
		var now time.Duration
		for n := range old + 1 + random.IntN(4) {
			now += upTo(300 * time.Millisecond)
			version++
			split := before
			if n >= old {
				split = after
			}
			pushes[i] = append(pushes[i], push{now, version, split})
		}
	}
	for n := range 17 + random.IntN(40) {
		istiod := random.IntN(istiods)
		c := connection{process: fmt.Sprint(istiod), from: longAgo}
		var free time.Duration
		for _, p := range pushes[istiod] {
			d := delivery{version: p.version, split: p.split, sent: max(p.at, free) + upTo(50*time.Millisecond)}
			d.applied = d.sent + upTo(50*time.Millisecond)
			d.acked = d.applied + upTo(50*time.Millisecond)
			if p.at == longAgo {
				d.sent, d.applied, d.acked = longAgo, longAgo, longAgo
			} else {
				free = d.sent // the next may be sent before this one is acknowledged
				if random.IntN(20) == 0 {
					free += time.Second
				}
			}
			c.deliveries = append(c.deliveries, inOrder(c.deliveries, d))
		}
		p := pod(fmt.Sprintf("p%d", n), c)
		p.Gateway = n == 0
		p.outside = n > 0 && random.IntN(5) == 0
		f.add(p)
	}
	return f
}

// inOrder keeps a stream in order: a push is applied after the one before.
func inOrder(earlier []delivery, d delivery) delivery {
	if len(earlier) > 0 {
		last := earlier[len(earlier)-1]
		d.sent = max(d.sent, last.sent+time.Microsecond)
		d.applied = max(d.applied, last.applied+time.Microsecond, d.sent+time.Microsecond)
		d.acked = max(d.acked, last.acked+time.Microsecond, d.applied+time.Microsecond)
	}
	return d
}
