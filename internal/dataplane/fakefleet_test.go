package dataplane

import (
	"context"
	"errors"
	"sync"
	"time"
)

// envoy is a simulated proxy; its times are measured from the start.
type envoy struct {
	proxy
	converges time.Duration // when it takes up the new split; 0: it has it; <0: never
	from, to  time.Duration // when its pod runs; to 0: always
	notApp    bool          // has no route for the app
	err       error         // every read fails with it
	hangs     bool          // reads end only with their context
}

type fakeFleet struct {
	start   time.Time
	envoys  []envoy
	listErr func(since time.Duration) error

	mu     sync.Mutex
	reads  map[string]int
	active int
	most   int
	gone   []string
}

func newFakeFleet(envoys ...envoy) *fakeFleet {
	f := &fakeFleet{start: time.Now(), envoys: envoys, reads: map[string]int{}}
	for i := range f.envoys {
		f.envoys[i].uid = f.envoys[i].pod
		f.envoys[i].namespace = "mesh"
	}
	return f
}

func (f *fakeFleet) list(context.Context) ([]proxy, error) {
	since := time.Since(f.start)
	if f.listErr != nil {
		if err := f.listErr(since); err != nil {
			return nil, err
		}
	}
	var running []proxy
	for _, e := range f.envoys {
		if since >= e.from && (e.to == 0 || since < e.to) {
			running = append(running, e.proxy)
		}
	}
	return running, nil
}

func (f *fakeFleet) read(ctx context.Context, p proxy) (served, error) {
	f.mu.Lock()
	f.reads[p.pod]++
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
		case e.pod != p.pod:
			continue
		case e.to != 0 && since >= e.to:
			return served{}, errors.New("lost connection to the pod")
		case e.hangs:
			<-ctx.Done()
			return served{}, ctx.Err()
		case e.err != nil:
			return served{}, e.err
		case e.notApp:
			return served{}, nil
		case e.converges >= 0 && since >= e.converges:
			return served{host: true, mesh: !p.gateway, splits: []Split{{5000, 5000}}}, nil
		}
		return served{host: true, mesh: !p.gateway, splits: []Split{before}}, nil
	}
	return served{}, errors.New("no such proxy")
}

func (f *fakeFleet) forget(p proxy) { f.gone = append(f.gone, p.pod) }

func gateway(name string) proxy { return proxy{pod: name, gateway: true, ready: true} }
func sidecar(name string) proxy { return proxy{pod: name, ready: true} }

const notAtAll = -time.Second
