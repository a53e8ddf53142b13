package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"canary/internal/promotion"
	"canary/internal/stack"
)

// listener is a program elsewhere: it refuses what its answer says.
type listener struct {
	url string

	mu     sync.Mutex
	bodies []string
}

func listen(t *testing.T, answer func(body string) (status int, words string)) *listener {
	t.Helper()
	l := new(listener)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		l.bodies = append(l.bodies, string(body))
		l.mu.Unlock()
		status, words := answer(string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, words)
	}))
	t.Cleanup(server.Close)
	l.url = server.URL + "/services/secret-path?token=secret-query"
	return l
}

func taken(string) (int, string) { return http.StatusOK, "" }

// everything is what a promotion leaves behind in a stack.
func everything(t *testing.T, f *fakeStack) string {
	t.Helper()
	all, err := json.Marshal([]any{f.settings, f.history, f.messages})
	require.NoError(t, err)
	return string(all)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	asJSON, inSlack := listen(t, taken), listen(t, taken)
	f := &fakeStack{settings: settings("stableImage", "shop:1")}
	code, all := runOn(t, f, "promote", "--image", "shop:2", "--steps", "100", "--bake", "0", "--webhook", asJSON.url)
	require.Zero(t, code, all)
	require.Len(t, asJSON.bodies, 6)
	require.JSONEq(t, `{"time":"2026-11-27T12:00:00Z","app":"shop/web","promotion":"dn5z5yo9qtc0","image":"shop:2","what":"done",
		"stage":"100 % of the requests go to the canary","weight":"100","text":"shop/web, shop:2: done: 100 % of the requests go to the canary"}`, asJSON.bodies[2])

	f = &fakeStack{settings: settings("stableImage", "shop:1")}
	order := ""
	code, all = runWith(t, f, &order, map[string]string{envWebhook: inSlack.url + " " + asJSON.url},
		"promote", "--image", "shop:2", "--steps", "100", "--bake", "0", "--webhook-format", "slack")
	require.Zero(t, code, all)
	require.Len(t, asJSON.bodies, 12)
	require.JSONEq(t, `{"text":"shop/web, shop:2: begins; the canary gets 100 % of the requests"}`, inSlack.bodies[0])
	require.JSONEq(t, `{"text":"shop/web, shop:2: promoted: stable has it, and gets all requests"}`, inSlack.bodies[5])
	require.NotContains(t, all+everything(t, f), "secret")
}

// Nobody answers, and the promotion is made all the same.
func TestWebhookOfNobody(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	for _, output := range []string{"table", "json"} {
		t.Run(output, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeStack{settings: settings("stableImage", "shop:1")}
				code, all := runOn(t, f, "promote", "--image", "shop:2", "--steps", "100", "--bake", "0", "--output", output, "--webhook", nobody.URL+"/secret-path")
				require.Zero(t, code, all)
				require.Contains(t, all, "a webhook was not told: "+nobody.URL+" did not answer: dial tcp")
				require.NotContains(t, all+everything(t, f), "secret")
			})
		})
	}
}

func TestGateURL(t *testing.T) {
	t.Parallel()
	gate := listen(t, func(body string) (int, string) {
		if strings.Contains(body, `"what":"before step"`) {
			return http.StatusForbidden, "no secret-path in a change freeze\nmore"
		}
		return http.StatusNoContent, ""
	})
	f := &fakeStack{settings: settings("stableImage", "shop:1")}
	code, all := runOn(t, f, "promote", "--image", "shop:2", "--steps", "100", "--bake", "0", "--max-hold", "0", "--gate-url", gate.url)
	require.Equal(t, exitHeld, code, all)
	host, _, _ := strings.Cut(gate.url, "/services")
	require.Contains(t, all, "held at 0 %: within 0s the gate did not let it go on (before step: 100 % of the requests go to the canary): "+
		host+" said 403 Forbidden: no [hidden] in a change freeze\n`canary promote --resume`")
	require.NotContains(t, all+everything(t, f), "secret")
	require.JSONEq(t, `{"time":"2026-11-27T12:00:00Z","app":"shop/web","promotion":"dn5z5yo9qtc0","image":"shop:2","what":"before step",
		"stage":"100 % of the requests go to the canary","weight":"100","text":"shop/web, shop:2: may this begin: 100 % of the requests go to the canary?"}`, gate.bodies[0])

	// Its record does not let it be resumed without a gate, on whatever machine.
	record := f.record(t)
	require.True(t, record.Gated)
	record.By = promotion.Runner{User: "ann", Host: "elsewhere", Process: 7}
	f.last["promotion"] = stack.Value{Text: record.String()}
	code, all = runOn(t, f, "promote", "--resume")
	require.Equal(t, exitCannot, code)
	require.Contains(t, all, "canary: the promotion began with a gate, whose URL is kept nowhere: give --gate-url or CANARY_GATE_URL again")
	order, open := "", listen(t, taken)
	code, all = runWith(t, f, &order, map[string]string{envGateURL: open.url}, "promote", "--resume")
	require.Zero(t, code, all)
	require.Len(t, open.bodies, 2)
}

func TestWrongURLs(t *testing.T) {
	t.Parallel()
	order := ""
	code, all := runWith(t, &fakeStack{}, &order, map[string]string{envGateURL: "secret"},
		"promote", "--image", "shop:2", "--webhook", "hooks.example.com/secret", "--webhook-format", "teams")
	require.Equal(t, exitCannot, code)
	require.Equal(t, "canary: --webhook: it is no URL such as https://HOST/PATH; CANARY_GATE_URL: it is no URL such as https://HOST/PATH; "+
		"--webhook-format is \"teams\", allowed are json, slack; `canary promote --help` lists what is allowed\n", all)
}

func TestOrders(t *testing.T) {
	t.Parallel()
	elsewhere := promotion.Runner{User: "ann", Host: "elsewhere", Process: 7}
	gone := promotion.Me()
	gone.Process = 1 << 30
	for _, tc := range []struct {
		name, args string
		by         promotion.Runner
		code       int
		want       string
		order      string
	}{
		{"pause", "--pause", elsewhere, 0, "the promotion of shop:2 by ann on elsewhere (process 7) begins no further stage until `canary promote --continue`; its canary is judged on", "pause"},
		{"continue", "--continue --stack dev", elsewhere, 0, "the promotion of shop:2 by ann on elsewhere (process 7) goes on", "continue"},
		{"abort", "--abort", elsewhere, 0, "rolling back: aborted by " + promotion.Me().String(), "abort"},
		{
			"for programs", "--pause --output json", elsewhere, 0,
			`{"time":"2026-11-27T12:00:00Z","stage":"pause","reason":"the promotion of shop:2 by ann on elsewhere (process 7) begins no further stage`, "pause",
		},
		{"wrong output", "--pause --output x", elsewhere, exitCannot, `--output is "x", allowed are table, json`, ""},
		{"gone", "--pause", gone, exitCannot, "was interrupted: `canary promote --resume` goes on with it, and `canary promote --abort` ends it", ""},
		{"abort what is gone", "--abort", gone, 0, "done after 0.0 s: all requests go to stable", "abort"},
		{"two", "--pause --continue", elsewhere, exitCannot, "--pause is for a promotion that runs; beside it only --stack and --output are allowed", ""},
		{"with a plan", "--abort --image shop:3", elsewhere, exitCannot, "--abort is for a promotion that runs; beside it only --stack and --output are allowed", ""},
		{"none", "--pause", promotion.Runner{}, exitCannot, "no promotion is under way: `canary promote --image IMAGE` begins one", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, order := &fakeStack{settings: settings("canaryWeight", "50")}, ""
			if tc.by != (promotion.Runner{}) {
				f.last = settings("canaryWeight", "50", "promotion", underWay(tc.by))
			}
			code, all := runWith(t, f, &order, nil, append([]string{"promote"}, strings.Fields(tc.args)...)...)
			require.Equal(t, tc.code, code, all)
			require.Contains(t, all, tc.want)
			if tc.order == "" {
				require.Empty(t, order)
				return
			}
			var written promotion.Order
			require.NoError(t, json.Unmarshal([]byte(order), &written))
			require.Equal(t, "a", written.Promotion)
			require.Equal(t, tc.order, string(written.Word))
			if tc.order == "abort" {
				require.Equal(t, "0", f.settings["canaryWeight"].Text)
				require.Equal(t, "aborted by "+promotion.Me().String(), f.record(t).Failed, "the stack says why")
			}
		})
	}
}

// A person answers at the terminal.
func TestManual(t *testing.T) {
	t.Parallel()
	keyboard, hands, err := os.Pipe()
	require.NoError(t, err)
	defer hands.Close()
	p := &promoteCommand{env: environment{keyboard: keyboard}, output: outputTable}
	require.Nil(t, p.answers(&promotion.Record{}), "nobody is asked")
	record := &promotion.Record{Plan: promotion.Plan{Manual: true}}
	answers := p.answers(record)
	for answered := false; !answered; {
		_, err = io.WriteString(hands, "yes\n")
		require.NoError(t, err)
		select {
		case answer := <-answers:
			require.Equal(t, "yes", answer)
			answered = true
		case <-time.After(time.Millisecond):
		}
	}
	require.NoError(t, hands.Close())
	require.Eventually(t, func() bool {
		_, open := <-answers
		return !open
	}, time.Minute, time.Millisecond)
	p.output = outputJSON
	require.Nil(t, p.answers(record), "the question would not be seen")
}
