// Command testserver is the app that the end-to-end tests release: a user's image that knows nothing of Kubernetes. It
// handles no signal, so it dies at once when it is told to end. With -load it sends requests instead (see load.go).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"canary/internal/release"
	"canary/test/load"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve on")
	listenAfter := flag.Duration("listen-after", 0, "begin to serve after this time, as a program that has much to load does")
	crashAfter := flag.Duration("crash-after", 0, "exit with status 1 after this time (0: never)")
	fails := flag.Float64("fails", 0, "share of the answers that are 500: 0 to 1")
	delay := flag.Duration("delay", 0, "wait so long before each answer")
	subset := flag.String("subset", "", "name this subset in each answer as the stack's routes do, for routes that do not")
	var target load.Target
	flag.StringVar(&target.URL, "load", "", "send requests to this URL instead of serving, and write what became of them to stdout")
	flag.Float64Var(&target.Rate, "rate", 200, "with -load: requests per second")
	flag.DurationVar(&target.Timeout, "timeout", 0, "with -load: give a request up after this time (0: a long one)")
	long := flag.String("long", "", "with -load: paths of long requests, separated by commas")
	flag.Parse()

	if target.URL != "" {
		exit(sendLoad(context.Background(), target, *long))
	}
	if *crashAfter > 0 {
		time.AfterFunc(*crashAfter, func() { exit(fmt.Errorf("crashing, as asked for, after %v", *crashAfter)) })
	}
	host, err := os.Hostname()
	if err != nil {
		exit(err)
	}
	time.Sleep(*listenAfter)
	exit(http.ListenAndServe(*listen, newServer(&server{
		answer: map[string]string{"hostname": host, "subset": subsetOf(host)}, fails: *fails, delay: *delay, named: *subset,
	})))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type server struct {
	answer map[string]string
	fails  float64
	delay  time.Duration
	named  string
	sick   atomic.Bool
}

// newServer serves
//
//	/                    {"hostname", "subset"}
//	/slow?seconds=N      the same after N seconds
//	/stream?seconds=N    the same, written over N seconds
//	/work?seconds=N      the same after N seconds in which it keeps a CPU busy
//	/ready               200, always
//	/sick                from now on everything but /ready answers 500
//	/exit                exits with status 1
func newServer(s *server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.whileWell(s.echo))
	mux.HandleFunc("/slow", s.whileWell(s.slow))
	mux.HandleFunc("/stream", s.whileWell(s.stream))
	mux.HandleFunc("/work", s.whileWell(s.work))
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { s.sick.Store(true) })
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { exit(errors.New("exiting, as asked for")) })
	return mux
}

// subsetOf tells the subset by the name of the pod, NAME[-canary]-HASH-ID: an image has nothing else to go by.
func subsetOf(host string) string {
	parts := strings.Split(host, "-")
	if len(parts) >= 4 && parts[len(parts)-3] == "canary" {
		return "canary"
	}
	return "stable"
}

func (s *server) whileWell(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.named != "" {
			w.Header().Set(release.AnswerHeader(s.named), "yes")
		}
		if !sleep(r.Context(), s.delay) {
			return
		}
		if s.sick.Load() || rand.Float64() < s.fails {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_ = json.NewEncoder(w).Encode(s.answer)
			return
		}
		next(w, r)
	}
}

func (s *server) echo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.answer)
}

func (s *server) slow(w http.ResponseWriter, r *http.Request) {
	if seconds, ok := secondsOf(w, r); ok && sleep(r.Context(), seconds) {
		s.echo(w, r)
	}
}

// stream writes a piece every tenth of a second; the whole is one JSON document.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	seconds, ok := secondsOf(w, r)
	if !ok {
		return
	}
	const piece = 100 * time.Millisecond
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"hostname":%q,"subset":%q,"pieces":[0`, s.answer["hostname"], s.answer["subset"])
	flusher := http.NewResponseController(w)
	for i := 1; time.Duration(i)*piece <= seconds; i++ {
		if !sleep(r.Context(), piece) {
			return
		}
		_, _ = fmt.Fprintf(w, ",%d", i)
		_ = flusher.Flush()
	}
	_, _ = fmt.Fprintln(w, "]}")
}

func (s *server) work(w http.ResponseWriter, r *http.Request) {
	seconds, ok := secondsOf(w, r)
	if !ok {
		return
	}
	start := time.Now()
	for time.Since(start) < seconds {
		continue
	}
	s.echo(w, r)
}

func secondsOf(w http.ResponseWriter, r *http.Request) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	if err != nil || seconds < 0 {
		http.Error(w, "seconds: a number of at least 0 is expected", http.StatusBadRequest)
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// sleep reports whether the client was still there at the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
