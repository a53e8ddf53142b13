package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/traffic"
)

func TestNewRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		result traffic.Result
		want   string
	}{
		"answer":     {traffic.Result{Status: 204}, ""},
		"redirect":   {traffic.Result{Status: 302}, "302"},
		"error":      {traffic.Result{Status: 503}, "503"},
		"no answer":  {traffic.Result{Err: io.EOF}, traffic.FailureClosed},
		"cut answer": {traffic.Result{Status: 200, Err: io.ErrUnexpectedEOF}, traffic.FailureClosed},
	} {
		require.Equal(t, c.want, newRecord(c.result, "").Failure, name)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lines := NewLines(&out)
	const n = 120
	for i := range n {
		lines.Add(Record{Start: int64(i)})
	}
	require.NoError(t, lines.Close())
	whole := strings.SplitAfter(out.String(), "\n")
	var starts []int64
	reader := func() *Reader {
		starts = nil
		return NewReader(func(r Record) { starts = append(starts, r.Start) })
	}
	read := func(r *Reader, from, to int) error {
		return r.Read(strings.NewReader(strings.Join(whole[from:to], "")))
	}
	requireAll := func() {
		t.Helper()
		require.Len(t, starts, n)
		for i, start := range starts {
			require.Equal(t, int64(i), start)
		}
	}
	require.NoError(t, read(reader(), 0, len(whole)))
	requireAll()

	pieces := reader()
	require.ErrorIs(t, read(pieces, 0, 2), errCut)
	require.ErrorIs(t, pieces.Read(strings.NewReader(whole[1]+whole[2][:len(whole[2])/2])), errCut)
	require.NoError(t, read(pieces, 1, len(whole)))
	requireAll()

	require.ErrorContains(t, read(reader(), 1, len(whole)), "0 records were read, and 50 were written before the next")
	require.ErrorContains(t, reader().Read(strings.NewReader(whole[0]+whole[3])), "it has 50 records, and 120 were written")
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
	defer cancel()
	var short, long int
	require.NoError(t, Generate(ctx, Target{URL: server.URL, Rate: 100, Long: LongPaths}, func(r Record) {
		require.Empty(t, r.Failure, r.Error)
		if r.Kind() == Long {
			long++
		} else {
			short++
		}
	}))
	require.Greater(t, short, 10)
	require.Equal(t, len(LongPaths), long)
}

func TestParseEnvoyLine(t *testing.T) {
	t.Parallel()
	const end = ` "-" 11 91 1 - "10.42.0.7" "canary-requests" "0b6c" "app-example" "10.42.1.5:8080" outbound|80|canary|app - - - - -`
	for name, c := range map[string]struct {
		text  string
		ok    bool
		flags string
	}{
		"ended well":    {`[2026-01-02T03:04:05.678Z] "POST / HTTP/1.1" 200 - via_upstream -` + end, false, ""},
		"reset":         {`[2026-01-02T03:04:05.678Z] "POST / HTTP/1.1" 503 UC upstream_reset -` + end, true, "UC"},
		"client went":   {`[2026-01-02T03:04:05.678Z] "POST /slow?seconds=5 HTTP/1.1" 0 DC downstream_remote_disconnect -` + end, true, "DC"},
		"cut off":       {`[2026-01-02T03:04:05.678Z] "POST / HTTP/1.1" 200 UC upstream_reset -` + end, true, "UC"},
		"no access log": {`2026-01-02T03:04:05Z info Envoy proxy is ready`, false, ""},
	} {
		line, ok := parseEnvoyLine("app/pod", c.text)
		require.Equal(t, c.ok, ok, name)
		if ok {
			require.Equal(t, c.flags, line.Flags, name)
			require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), line.Began, name)
		}
	}
}

// A failure belongs to the step in which it happened, a request to the one in which it was due.
func TestJournal(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	j := &Journal{steps: []Step{
		{Name: "first", Begin: begin, End: begin.Add(time.Second)},
		{Name: "second", Begin: begin.Add(time.Second), End: begin.Add(3 * time.Second)},
	}}
	at := func(after time.Duration) int64 { return begin.Add(after).UnixMicro() }
	j.Add(Ingress)(Record{Start: at(0), Latency: 1000, Status: 200, Subset: "stable"})
	j.Add(Ingress)(Record{Start: at(999 * time.Millisecond), Latency: 2000, Status: 503, Failure: "503"})
	j.Add(Mesh)(Record{Start: at(500 * time.Millisecond), Latency: 1_500_000, Path: "/slow?seconds=5", Failure: "connection closed", Error: "EOF"})
	j.Add(Mesh)(Record{Start: at(2 * time.Second), Latency: 3000, Status: 200, Subset: "canary"})
	j.AddEnvoy(EnvoyLine{Pod: "istio-system/gateway", Began: begin.Add(1001 * time.Millisecond), Path: "/", Code: "503", Flags: "UC", Details: "upstream_reset"})
	j.AddEnvoy(EnvoyLine{Pod: "istio-system/gateway", Began: begin.Add(2 * time.Second), Path: "/", Code: "503", Flags: "UH", Details: "no_healthy_upstream"})

	require.Equal(t, 4, j.Requests(""))
	require.Equal(t, 2, j.Requests(Mesh))
	require.Equal(t, begin.Add(2*time.Second), j.LastBegin().UTC())
	goldie.New(t).Assert(t, "journal", []byte(Table(j.Count())+"\n"+Describe(j.Lost(), 1)))
}
