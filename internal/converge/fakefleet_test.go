package converge

import (
	"context"
	"errors"
	"sync"
	"time"

	"canary/internal/envoy"
	"canary/internal/mesh"
	"canary/internal/release"
)

// fakeEnvoy is a simulated proxy; its times are measured from the start.
type fakeEnvoy struct {
	envoy.Proxy
	converges time.Duration // when it takes up the new split; 0: it has it; <0: never
	from, to  time.Duration // when its pod runs; to 0: always
	notApp    bool          // has no route for the app
	serves    *envoy.Routes // what it serves all the time; nil: by the above
	err       error         // every read fails with it
	hangs     bool          // reads end only with their context
}

type fakeFleet struct {
	start   time.Time
	envoys  []fakeEnvoy
	listErr func(since time.Duration) error
	others  mesh.Others

	mu     sync.Mutex
	reads  map[string]int
	active int
	most   int
	gone   []string
	asked  int // for others
}

func newFakeFleet(envoys ...fakeEnvoy) *fakeFleet {
	f := &fakeFleet{start: time.Now(), envoys: envoys, reads: map[string]int{}}
	for i := range f.envoys {
		f.envoys[i].UID = f.envoys[i].Pod
		f.envoys[i].Namespace = "mesh"
	}
	return f
}

func (f *fakeFleet) List(context.Context) ([]envoy.Proxy, error) {
	since := time.Since(f.start)
	if f.listErr != nil {
		if err := f.listErr(since); err != nil {
			return nil, err
		}
	}
	var running []envoy.Proxy
	for _, e := range f.envoys {
		if since >= e.from && (e.to == 0 || since < e.to) {
			running = append(running, e.Proxy)
		}
	}
	return running, nil
}

func (f *fakeFleet) Routes(ctx context.Context, p envoy.Proxy) (envoy.Routes, error) {
	f.mu.Lock()
	f.reads[p.Pod]++
	f.active++
	f.most = max(f.most, f.active)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.active--
		f.mu.Unlock()
	}()
	time.Sleep(5 * time.Millisecond)
	since := time.Since(f.start)
	for _, e := range f.envoys {
		switch {
		case e.Pod != p.Pod:
			continue
		case e.to != 0 && since >= e.to:
			return envoy.Routes{}, errors.New("lost connection to the pod")
		case e.hangs:
			<-ctx.Done()
			return envoy.Routes{}, ctx.Err()
		case e.err != nil:
			return envoy.Routes{}, e.err
		case e.notApp:
			return envoy.Routes{}, nil
		case e.serves != nil:
			return *e.serves, nil
		case e.converges >= 0 && since >= e.converges:
			return envoy.Routes{Host: true, Mesh: !p.Gateway, Splits: []release.Split{{Stable: 5000, Canary: 5000}}}, nil
		}
		return envoy.Routes{Host: true, Mesh: !p.Gateway, Splits: []release.Split{before}}, nil
	}
	return envoy.Routes{}, errors.New("no such proxy")
}

func (f *fakeFleet) Forget(p envoy.Proxy) { f.gone = append(f.gone, p.Pod) }

func (f *fakeFleet) Others(context.Context) mesh.Others {
	f.asked++
	return f.others
}

func gateway(name string) envoy.Proxy { return envoy.Proxy{Pod: name, Gateway: true, Ready: true} }
func sidecar(name string) envoy.Proxy { return envoy.Proxy{Pod: name, Ready: true} }

const notAtAll = -time.Second
