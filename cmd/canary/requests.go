package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canary/internal/pins"
	"canary/internal/release"
	"canary/internal/stack"
	"canary/internal/traffic"
	"canary/internal/traffic/relay"
	"canary/internal/traffic/report"
)

// Exit codes of requests, besides exitCannot.
const (
	exitOutside = 1
	exitFailed  = 2
)

const (
	fromIngress = "ingress"
	fromMesh    = "mesh"

	maxCount = 10_000_000
	minRate  = 0.01
	maxRate  = 100_000

	// maxRelayLifetime bounds what a very slow run asks of the cluster.
	maxRelayLifetime = 7 * 24 * time.Hour
)

type requests struct {
	env environment
	*progress

	count       int
	from        string
	concurrency int
	rate        float64
	path        string
	timeout     time.Duration
	output      string
	stackName   string
	relayImage  string

	grpc bool // what the app speaks
}

func newRequests(env environment) *cobra.Command {
	r := &requests{env: env, progress: &progress{terminal: env.terminal}}
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "Send requests and compare the answers per subset with the split",
		Long: `Send requests and compare the answers per subset with the split.

The expected share of each subset is read from the app's VirtualService in the
cluster. The counts are within the bound unless a right split would give such
counts less often than once in 10 000 runs (exact binomial bound, confidence
99.99 %). At 0 % and 100 % a single answer from the wrong subset is outside.

Which subset answered is told by the proxy that routed the request, whatever the
app is: the requests carry the header ` + release.AskHeader + `, and answers to such
requests have one that names the subset. When one is missing, the verdict is
"cannot tell".

Requests are GET. None is sent twice and no redirect is followed. A request
has failed when it has no whole answer or a status of 400 or above. With protocol
grpc each is a call with an empty message, of gRPC's health check or the method
at --path; it has failed with another status than OK and Unimplemented, by which
a server says that it has no such method.

Ingress traffic goes to the stack's url, so of several hosts to the first; a
certificate that the stack has given its hosts is trusted, whoever has signed it.
On an existing cluster a host below .localhost leads nowhere, so there it goes
through a port-forward to one pod of the ingress gateway. Mesh traffic is sent by
a pod with a sidecar, which is made for the run in the app's namespace and
removed after.

Exit codes: 0 within the bound, 1 outside, 2 requests failed, 3 wrong usage,
cannot run, or cannot tell.`,
		Example: `  canary requests
  canary requests --from mesh --count 1000
  canary requests --rate 50 --count 3000 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.validate(cmd); err != nil {
				return fmt.Errorf("%w; `canary requests --help` lists what is allowed", err)
			}
			err := r.run(cmd.Context())
			r.clear()
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&r.count, "count", 100, "requests to send")
	flags.StringVar(&r.from, "from", fromIngress, "where requests come from: ingress or mesh")
	flags.IntVar(&r.concurrency, "concurrency", 10, "requests under way at once; the next one is sent when one is answered")
	flags.Float64Var(&r.rate, "rate", 0, "requests per second, sent on time whatever the answers do (0: as fast as --concurrency allows)")
	flags.StringVar(&r.path, "path", "/", "path to ask for; with protocol grpc /PACKAGE.SERVICE/METHOD")
	flags.DurationVar(&r.timeout, "timeout", traffic.DefaultTimeout, "longest time of one request")
	flags.StringVar(&r.output, "output", outputTable, "table or json")
	flags.StringVar(&r.stackName, "stack", "", "Pulumi stack (default: the selected one)")
	flags.StringVar(&r.relayImage, "relay-image", "", "nginx image of the pod that sends mesh traffic (default: the example app's)")
	return cmd
}

func (r *requests) validate(cmd *cobra.Command) error {
	var problems []string
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if r.count < 1 || r.count > maxCount {
		refuse("--count is %d, allowed is 1 to %d", r.count, maxCount)
	}
	if r.from != fromIngress && r.from != fromMesh {
		refuse("--from is %q, allowed are ingress, mesh", r.from)
	}
	if r.concurrency < 1 || r.concurrency > traffic.DefaultMaxInFlight {
		refuse("--concurrency is %d, allowed is 1 to %d", r.concurrency, traffic.DefaultMaxInFlight)
	}
	if r.rate != 0 && !(r.rate >= minRate && r.rate <= maxRate) { // also refuses NaN
		refuse("--rate is %v, allowed is 0, and %v to %d", r.rate, minRate, maxRate)
	}
	if r.rate > 0 && cmd.Flags().Changed("concurrency") {
		refuse("--concurrency and --rate exclude each other: with --rate, requests are sent on time and not when others are answered")
	}
	if !strings.HasPrefix(r.path, "/") {
		refuse("--path is %q, and has to start with /", r.path)
	}
	if r.timeout <= 0 {
		refuse("--timeout is %v, allowed is a time above 0 such as 500ms or 10s", r.timeout)
	}
	if err := checkOutput(r.output); err != nil {
		refuse("%v", err)
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

func (r *requests) run(ctx context.Context) error {
	r.show("reading the stack's outputs")
	outputs, err := r.env.outputs(ctx, r.stackName)
	if err != nil {
		return err
	}
	cluster, err := r.env.connect(outputs.Kubeconfig)
	if err != nil {
		return err
	}
	before, err := cluster.split(ctx, outputs.Namespace, outputs.Name)
	if err != nil {
		return err
	}
	if r.grpc, err = cluster.grpc(ctx, outputs.Namespace, outputs.Name); err != nil {
		return err
	}
	options, err := r.options(outputs)
	if err != nil {
		return err
	}
	if r.from == fromMesh {
		opened, err := r.openRelay(ctx, cluster, outputs)
		if err != nil {
			return err
		}
		defer func() { r.closeRelay(opened) }()
		options.DialContext = opened.DialContext
	} else if needs, reason := r.needsForward(ctx, outputs); needs {
		if reason != "" {
			r.clear()
			fmt.Fprintf(r.env.stderr, "canary: %s\n", reason)
		}
		forward, dial, err := r.openIngress(ctx, cluster, outputs)
		if err != nil {
			return err
		}
		defer func() { _ = forward.Close() }()
		options.DialContext = dial
	}

	tally, duration, err := r.send(ctx, options)
	interrupted := errors.Is(err, traffic.ErrInterrupted)
	if err != nil && !interrupted {
		return err
	}
	if tally.Requests() == 0 {
		return errors.New("no request was answered yet")
	}
	judgement := tally.Judge(before)
	if interrupted {
		judgement.Verdict = traffic.CannotTell
		judgement.Reason = fmt.Sprintf("interrupted after %d of %d requests", tally.Requests(), r.count)
	} else if after, err := cluster.split(ctx, outputs.Namespace, outputs.Name); err != nil || !slices.Equal(before, after) {
		judgement.Verdict = traffic.CannotTell
		judgement.Reason = changed(before, after, err)
	}
	result := report.New(report.Run{
		From: r.from, URL: options.URL, VirtualService: outputs.Namespace + "/" + outputs.Name,
		Count: r.count, Concurrency: options.Concurrency, Rate: options.Rate, Duration: duration,
	}, tally, judgement)
	return r.print(result, interrupted)
}

func changed(before, after traffic.Split, err error) string {
	if err != nil {
		return fmt.Sprintf("the split could not be read again after the requests: %v", err)
	}
	return fmt.Sprintf("the split changed while requests were sent, from %s to %s", before, after)
}

func (r *requests) options(outputs *stack.Outputs) (traffic.Options, error) {
	target, err := r.target(outputs)
	if err != nil {
		return traffic.Options{}, err
	}
	options := traffic.Options{URL: target, GRPC: r.grpc, Count: r.count, Timeout: r.timeout, Rate: r.rate, RootCAs: trusted(outputs)}
	if r.rate == 0 {
		options.Concurrency = r.concurrency
	}
	return options, nil
}

// trusted are the system's certificates, and the one that the stack itself has given
// its hosts; nil are the system's alone.
func trusted(outputs *stack.Outputs) *x509.CertPool {
	if outputs.Certificate == "" {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM([]byte(outputs.Certificate))
	return pool
}

// target is the URL of the requests. The relay does not look at its host. No method of
// gRPC is at the path /, so there that means the health check.
func (r *requests) target(outputs *stack.Outputs) (string, error) {
	base := outputs.URL
	if r.from == fromMesh {
		base = "http://" + outputs.Name
	}
	parsed, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("the stack's output url: %w", err)
	}
	path := r.path
	if r.grpc && path == "/" {
		path = traffic.HealthCheck
	}
	reference, err := url.Parse(path)
	if err != nil || reference.Host != "" {
		return "", fmt.Errorf("--path is %q, and that is no path of a URL", r.path)
	}
	return parsed.ResolveReference(reference).String(), nil
}

func (r *requests) openRelay(ctx context.Context, cluster cluster, outputs *stack.Outputs) (*relay.Relay, error) {
	return relay.Open(ctx, cluster, relay.Options{
		Namespace: outputs.Namespace,
		Service:   outputs.Name,
		Image:     cmp.Or(r.relayImage, pins.NginxImage),
		GRPC:      r.grpc,
		Lifetime:  r.longest() + time.Minute, // for what is around the requests
		Progress:  func(text string) { r.show("%s", text) },
	})
}

// longest is the longest time that the requests can take.
func (r *requests) longest() time.Duration {
	seconds := math.Ceil(float64(r.count)/float64(r.concurrency)) * r.timeout.Seconds()
	if r.rate > 0 {
		seconds = float64(r.count)/r.rate + r.timeout.Seconds()
	}
	return time.Duration(min(seconds, maxRelayLifetime.Seconds()) * float64(time.Second))
}

// closeRelay has only a warning to give: the result stands without it.
func (r *requests) closeRelay(opened *relay.Relay) {
	r.show("removing the relay pod")
	err := opened.Close()
	r.clear()
	if err != nil {
		fmt.Fprintf(r.env.stderr, "canary: %v\n", err)
	}
}

func (r *requests) send(ctx context.Context, options traffic.Options) (*traffic.Tally, time.Duration, error) {
	tally := new(traffic.Tally)
	start := time.Now()
	end := start
	options.OnResult = func(result traffic.Result) {
		tally.Add(result)
		end = result.Start.Add(result.Latency)
		r.show("%d of %d requests, %d failed, %.1f s", tally.Requests(), r.count, tally.Failed(), time.Since(start).Seconds())
	}
	err := traffic.Run(ctx, options)
	r.clear()
	return tally, end.Sub(start), err
}

func (r *requests) print(result report.Report, interrupted bool) error {
	write := result.Table
	if r.output == outputJSON {
		write = result.JSON
	}
	if err := write(r.env.stdout); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	switch {
	case interrupted:
		return exitCode(exitCannot)
	case result.Failed > 0:
		return exitCode(exitFailed)
	case result.Verdict == traffic.Outside:
		return exitCode(exitOutside)
	case result.Verdict == traffic.CannotTell:
		return exitCode(exitCannot)
	}
	return nil
}
