package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"canary/internal/prometheus"
	"canary/internal/promotion"
	"canary/internal/promotion/live"
	"canary/internal/release"
	"canary/internal/stack"
)

// promotionCluster is what a promotion needs of the cluster.
type promotionCluster interface {
	promotion.Cluster
	Close()
}

func openPromotion(kubeconfig stack.Secret, app release.App, plan promotion.Plan, access prometheus.Access) (promotionCluster, error) {
	client, err := clientOf(kubeconfig)
	if err != nil {
		return nil, err
	}
	return promotion.NewLiveCluster(client, app, plan, access)
}

type promoteCommand struct {
	env       environment
	plan      promotion.Plan
	bake      time.Duration
	maxHold   time.Duration
	slowAfter time.Duration
	address   string            // of a Prometheus, as it was given
	source    prometheus.Source // what it is asked
	user      *url.Userinfo     // what it asks for
	resume    bool
	dryRun    bool
	plain     bool
	output    string
	stackName string
	view      *live.View // nil is that only lines are written
	elsewhere elsewhere
	orders    orders
	printing  sync.Mutex
}

func newPromote(env environment) *cobra.Command {
	p := &promoteCommand{env: env}
	cmd := &cobra.Command{
		Use:   "promote",
		Short: "Walk a release through its steps, judge it, and take it back when it is sick",
		Long: `Walk a release through its steps, judge it, and take it back when it is sick.

The canary gets the image without requests; each step is then one update of the
stack that gives it more of them. A step is held for --bake and judged by every
request that the proxies of the cluster sent to both subsets meanwhile. In the end
stable takes over what the canary has, image, canaryEnv and canaryPod, and all
requests go back to stable. The stack's file then says what one would have
written by hand.

With --steps 0,5,25,50,100 the canary is judged before any client gets an answer of
it: on copies of the requests, as many as mirrorPercent says.

A request has failed when its status is 500 or above, or when it got no answer, or
when its status is among --failures. Then one without an answer has the status that
the proxy gives in its place: 503, or 504 after its time.
The canary is taken back when its pods cannot get ready by what they run, before it
gets any request, and as soon as it surely fails more than stable by more than
--max-failures, or is slow more often by more than --max-slowdown, or none of its
pods is ready; its pods are kept. It passes a step when it surely does not. Until
the requests tell, the step is held, at most for --max-hold longer. "Surely" is
--confidence, for the whole promotion, however often one looks (docs/judgement.md).

With --prometheus the requests are not counted at the proxies, but by the counters
that a Prometheus has scraped from them, series by series. While it does not answer,
or what it has is too old, no step passes. The queries are selectors of counters with
a time in brackets; --query-failures gives those that count failures, among those of
--query-requests. Their variables are ${namespace}, ${app}, ${subset} (stable or
canary) and ${workload} (the subset's Deployment). A bearer token is taken from the
environment variable ` + prometheus.AccessVariable + `. It and the user of a URL are neither
printed nor recorded: give them to --resume again.

On a terminal a picture of the promotion is drawn below the lines while it runs.

All that a promotion must know is in the stack's history. After an interruption of
any kind --resume goes on with it, also on another machine.

--webhook URLs are sent JSON, or what Slack shows, when the promotion begins, after
each update and each step, when it waits, and at its end. One that does not answer
holds nothing up. --gate-url is asked before each step and after it: 2xx lets the
promotion go on, anything else is asked again for --max-hold, and is then held. The
URLs may hold secrets: only scheme and host are ever shown, nothing else is kept, and
--resume needs them again. CANARY_WEBHOOK (several apart by spaces) and
CANARY_GATE_URL stand for the flags, and are in no list of processes.

--manual waits for a person before each step, and after the last one: at the
terminal, or until --continue.

From another terminal or machine with the same stack, --pause lets no further stage
begin, --continue goes on, and --abort ends the promotion and gives all requests to
stable. While a promotion waits, its canary is judged on.

Exit codes: 0 promoted, 3 wrong usage or cannot, 4 taken back or aborted, 5 held:
the split stays as it is, and --resume goes on.`,
		Example: `  canary promote --image registry.example.com/shop:1.9.0
  canary promote --image registry.example.com/shop:1.9.0 --steps 1,10,100 --bake 10m --dry-run
  canary promote --image registry.example.com/shop:1.9.0 --prometheus istio-system/prometheus:9090
  canary promote --resume
  canary promote --abort`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.plan.Bake, p.plan.MaxHold = promotion.Duration(p.bake), promotion.Duration(p.maxHold)
			p.plan.SlowAfter = promotion.Duration(p.slowAfter)
			if err := p.validate(cmd); err != nil {
				return fmt.Errorf("%w; `canary promote --help` lists what is allowed", err)
			}
			if word := p.orders.word(); word != "" {
				return p.order(cmd.Context(), word)
			}
			return p.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&p.plan.Image, "image", "", "image to release, by tag or digest")
	flags.StringSliceVar(&p.plan.Steps, "steps", []string{"5", "25", "50", "100"}, "weights of the canary in percent; the last one is 100, and the first may be 0")
	flags.DurationVar(&p.bake, "bake", 2*time.Minute, "how long each step is held at least (0: not at all, and nothing is judged)")
	flags.DurationVar(&p.maxHold, "max-hold", 10*time.Minute, "how much longer a step is held while its requests do not tell, or the gate refuses")
	flags.StringSliceVar((*[]string)(&p.plan.Failures), "failures", nil, "statuses that count as failures, such as 5xx,429 (default: 500 and above, and no answer)")
	flags.Float64Var(&p.plan.MaxFailures, "max-failures", 0.01, "by how much the canary's share of failures may be larger than stable's")
	flags.Float64Var(&p.plan.MaxSlowdown, "max-slowdown", 0.05, "by how much the canary's share of slow requests may be larger than stable's (0: slowness is not judged)")
	flags.DurationVar(&p.slowAfter, "slow-after", 0, "what is slow (default: what it takes stable before the first step in all but one of 100 requests)")
	flags.Float64Var(&p.plan.Confidence, "confidence", 0.99, "how sure the verdicts of all steps together have to be")
	flags.StringVar(&p.address, "prometheus", "", "Prometheus that counts the requests: a URL, or NAMESPACE/SERVICE:PORT in the cluster")
	flags.StringVar(&p.source.Requests, "query-requests", prometheus.DefaultRequests, "what Prometheus is asked for the counters of a subset's requests")
	flags.StringVar(&p.source.Failures, "query-failures", prometheus.DefaultFailures, "the same for those among them that count failures")
	flags.BoolVar(&p.plan.KeepCanary, "keep-canary", false, "leave the canary's pods at weight 0 in the end")
	flags.BoolVar(&p.plan.Manual, "manual", false, "wait for a person before each step and after the last")
	flags.StringArrayVar(&p.elsewhere.webhooks, "webhook", nil, "`URL` to tell how it goes; may be given several times")
	flags.StringVar(&p.elsewhere.format, "webhook-format", formatJSON, "json, or slack: for an incoming webhook of Slack")
	flags.StringVar(&p.elsewhere.gate, "gate-url", "", "`URL` to ask before each step and after it")
	flags.BoolVar(&p.resume, "resume", false, "go on with the promotion that was interrupted, as it was planned")
	flags.BoolVar(&p.orders.pause, "pause", false, "let no further stage of the running promotion begin")
	flags.BoolVar(&p.orders.goOn, "continue", false, "let the running promotion go on")
	flags.BoolVar(&p.orders.abort, "abort", false, "end the promotion, and give all requests to stable")
	flags.BoolVar(&p.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVar(&p.plain, "plain", false, "only lines, also on a terminal")
	flags.StringVar(&p.output, "output", outputTable, "table, or json: an object for everything that happens")
	flags.StringVar(&p.stackName, "stack", "", "Pulumi stack, which is then selected (default: the selected one)")
	return cmd
}

func (p *promoteCommand) validate(cmd *cobra.Command) error {
	wrong := checkOutput(p.output)
	if p.orders.word() != "" {
		return cmp.Or(wrong, p.orders.validate(cmd))
	}
	problems := p.elsewhere.problems(p.env.getenv)
	if wrong != nil {
		problems = append(problems, wrong.Error())
	}
	if p.address != "" {
		source := p.source
		var err error
		if source.Address, p.user, err = prometheus.SplitAddress(p.address); err != nil {
			problems = append(problems, err.Error())
		}
		p.plan.Prometheus, p.plan.MaxSlowdown = &source, 0
		for _, flag := range []string{"max-slowdown", "slow-after"} {
			if cmd.Flags().Changed(flag) {
				problems = append(problems, fmt.Sprintf("--%s and --prometheus exclude each other: how long requests take is known of the proxies' own counters alone", flag))
			}
		}
		if cmd.Flags().Changed("failures") {
			problems = append(problems, "--failures and --prometheus exclude each other: --query-failures says what counts as a failure")
		}
	} else if !p.resume && (cmd.Flags().Changed("query-requests") || cmd.Flags().Changed("query-failures")) {
		problems = append(problems, "--query-requests and --query-failures are for a Prometheus: give its address with --prometheus")
	}
	if p.resume {
		for _, flag := range []string{
			"image", "steps", "bake", "max-hold", "failures", "max-failures", "max-slowdown", "slow-after", "confidence", "query-requests", "query-failures", "keep-canary", "manual",
		} {
			if cmd.Flags().Changed(flag) {
				problems = append(problems, fmt.Sprintf("--%s and --resume exclude each other: a promotion goes on as it was planned", flag))
			}
		}
	} else {
		problems = append(problems, p.plan.Problems()...)
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// subject is a stack with its app.
type subject struct {
	updater    updater
	settings   map[string]stack.Value
	known      known
	app        release.App
	kubeconfig stack.Secret
}

func (p *promoteCommand) subject(ctx context.Context) (s subject, err error) {
	var last map[string]stack.Value
	var done bool
	group, groupCtx := errgroup.WithContext(ctx) // each is a run of the CLI
	group.Go(func() error {
		outputs, err := p.env.outputs(groupCtx, p.stackName)
		if err != nil {
			return err
		}
		s.kubeconfig = outputs.Kubeconfig
		s.app, err = outputs.App()
		return err
	})
	group.Go(func() (err error) {
		if s.updater, err = p.env.updater(ctx, p.stackName); err != nil { // it outlives the group
			return err
		}
		group.Go(func() (err error) {
			last, done, err = s.updater.Last(groupCtx)
			return err
		})
		s.settings, err = s.updater.Settings(groupCtx)
		return err
	})
	if err := group.Wait(); err != nil {
		return s, err
	}
	s.known, err = recorded(last, done, s.settings)
	return s, err
}

func (p *promoteCommand) run(ctx context.Context) error {
	s, err := p.subject(ctx)
	if err != nil {
		return err
	}
	app, known := s.app, s.known
	record, err := p.record(known.record, s.settings)
	if err != nil {
		return err
	}
	stages, err := promotion.Stages(record.Plan, s.settings)
	if err != nil {
		return err
	}
	if p.resume {
		if changed := promotion.Changed(record, stages, known.last, s.settings); len(changed) > 0 {
			return fmt.Errorf("the stack's file has changed since the promotion was interrupted: %s. `pulumi config refresh` brings back all that its last update had, "+
				"`pulumi config set` one key; then --resume goes on. `canary rollback` ends the promotion instead, and keeps what else has changed", strings.Join(changed, "; "))
		}
	}
	p.show(record, stages, app)
	if p.dryRun {
		return nil
	}
	gate, err := p.elsewhere.gateOf(record)
	if err != nil {
		return err
	}
	access := prometheus.Access{User: p.user, Token: p.env.getenv(prometheus.AccessVariable)}
	cluster, err := p.env.promotion(s.kubeconfig, app, record.Plan, access)
	if err != nil {
		return err
	}
	defer cluster.Close()
	// What cannot be counted is better told before anything changes; and what stable takes from
	// now on tells what is slow.
	if record.Bake > 0 {
		if _, err := cluster.Begin(ctx); err != nil {
			return fmt.Errorf("count the requests: %w", err)
		}
	}
	tell, told := p.elsewhere.begin(func(line string) {
		p.say("    " + line)
		p.event(promotion.Event{Time: p.env.now(), Stage: "webhook", Error: line})
	})
	defer told()
	run := &promotion.Promotion{
		Stack: s.updater, Cluster: cluster, Say: p.say, Event: p.event, Now: p.env.now,
		App: app.Namespace + "/" + app.Name, Tell: tell, Gate: gate, Answers: p.answers(record),
	}
	begin := p.env.now()
	if p.drawn(record) {
		p.view = live.Start(p.env.screen, app.Namespace+"/"+app.Name, record, stages, p.env.now)
		run.Look = p.view.Look
	}
	err = run.Run(ctx, record, stages, known.done)
	if p.view != nil {
		p.view.End()
	}
	return p.end(err, p.env.now().Sub(begin))
}

// drawn reports whether a picture stands below the lines. A person who types an answer is
// not disturbed by one.
func (p *promoteCommand) drawn(record *promotion.Record) bool {
	typed := record.Manual && p.env.keyboard != nil
	return p.env.screen != nil && !typed && !p.plain && p.output == outputTable && p.env.getenv("TERM") != "dumb"
}
