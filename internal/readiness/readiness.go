package readiness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"canary/internal/kube"
	"canary/internal/release"
)

const (
	firstLook = 200 * time.Millisecond // between two looks at the pods, at first
	longLook  = time.Second            // the same after a while
	// progressLimit is how long the wait goes on while no pod gets any further,
	// pullLimit the same while an image is on its way. An app that starts has the
	// time that its pod grants, if that is longer.
	progressLimit = 2 * time.Minute
	pullLimit     = 10 * time.Minute
	// toldAfter is how long an app may fail its probe until the line of progress says
	// more than the reason. It must have passed before anybody is worried.
	toldAfter = 10 * time.Second
	// maxExamined bounds the pods of a subset whose events are read in one look.
	maxExamined = 5
	// steadyAfter is how long a pod that became ready during the wait must stay
	// so. A program that ends soon after its start passes its probe before that.
	steadyAfter = 3 * time.Second
	// restartCounts is how long after a restart a pod that is ready from the first
	// look on must show that it stays so.
	restartCounts = time.Minute
)

// readiness is one wait for the pods of some subsets.
type readiness struct {
	workloads workloads
	app       release.App
	subsets   map[string]release.Pods
	report    func(string)

	readySince map[string]time.Time // by run, of the pods that were ready in the last look; nil before it
	firstSeen  map[string]time.Time // by finding.key
	advances   map[string]advance   // by subset, of those that are not ready
	outage     kube.Outage
	lastLine   string
}

// advance is how far a subset has ever come, and when it came there. Pods that
// are replaced again and again make no progress.
type advance struct {
	stages int
	at     time.Time // zero: not looked at before
}

func (a advance) reached(stages int, now time.Time) advance {
	if a.at.IsZero() || stages > a.stages {
		return advance{stages: stages, at: now}
	}
	return a
}

func newReadiness(w workloads, app release.App, subsets map[string]release.Pods, report func(string)) *readiness {
	if report == nil {
		report = func(string) {}
	}
	return &readiness{
		workloads: w, app: app, subsets: subsets, report: report,
		firstSeen: map[string]time.Time{}, advances: map[string]advance{},
	}
}

// look is a subset that is not ready yet, and why.
type look struct {
	*subsetState
	findings []finding
}

func (r *readiness) wait(ctx context.Context) error {
	pause := firstLook
	for {
		looks, err := r.round(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for pods (%s): %w", r.lastLine, context.Cause(ctx))
		case r.outage.Lasts(err):
			return fmt.Errorf("waiting for pods: %w", err)
		case err == nil && len(looks) == 0:
			return nil
		case err == nil:
			if err := r.verdict(ctx, looks, time.Now()); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(pause*3/2, longLook)
	}
}

// round looks at every subset and gives those that are not ready.
func (r *readiness) round(ctx context.Context) ([]look, error) {
	s, err := r.workloads.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var looks []look
	var lines []string
	readySince := map[string]time.Time{}
	for _, name := range r.names() {
		l := look{subsetState: s.subset(r.app, name, r.subsets[name])}
		l.fresh = r.fresh(l.ready, readySince, time.Now())
		line := l.String()
		if !l.done() {
			if err := r.examine(ctx, &l); err != nil {
				return nil, err
			}
			looks = append(looks, l)
			if len(l.findings) > 0 {
				line += " (" + r.hint(l.findings[0], time.Now()) + ")"
			}
		}
		lines = append(lines, line)
	}
	r.readySince = readySince
	if line := strings.Join(lines, "; "); line != r.lastLine {
		r.lastLine = line
		r.report(line)
	}
	return looks, nil
}

// hint is a finding as the line of progress tells it: an app that may still be
// starting, or may never answer, is for the reader to judge.
func (r *readiness) hint(f finding, now time.Time) string {
	since, known := r.firstSeen[f.key()]
	if f.kind != kindProbe || !known || now.Sub(since) < toldAfter {
		return f.reason
	}
	return f.reason + ": " + f.message + "; " + f.advice
}

// fresh counts the pods that may be ready for a moment only, and notes since when
// each is ready: since ever, if it is so in the first look and was not restarted
// a short while ago.
func (r *readiness) fresh(pods []*corev1.Pod, readySince map[string]time.Time, now time.Time) int {
	fresh := 0
	for _, pod := range pods {
		run := fmt.Sprintf("%s/%d", pod.UID, kube.Restarts(pod))
		since, known := r.readySince[run]
		if !known && (r.readySince != nil || restartedLately(pod, now)) {
			since = now
		}
		readySince[run] = since
		if now.Sub(since) < steadyAfter {
			fresh++
		}
	}
	return fresh
}

// names lists the subsets that want pods, in a fixed order.
func (r *readiness) names() []string {
	var names []string
	for name, pods := range r.subsets {
		if pods.Max > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(names) // stable before canary, which is how people say it
	return names
}

func (r *readiness) examine(ctx context.Context, l *look) error {
	if l.ownReason != nil {
		l.findings = append(l.findings, *l.ownReason)
	}
	for _, pod := range l.unready[:min(len(l.unready), maxExamined)] {
		events, err := r.workloads.events(ctx, pod)
		if err != nil {
			return err
		}
		l.findings = append(l.findings, diagnose(pod, events))
	}
	return nil
}

// verdict decides whether to go on. Time is measured here, from the first look
// that showed a problem, because the cluster's clock may differ from ours.
func (r *readiness) verdict(ctx context.Context, looks []look, now time.Time) error {
	seen, advances := map[string]time.Time{}, map[string]advance{}
	var failures []error
	for _, l := range looks {
		var ripe *finding
		limit := progressLimit
		for i := range l.findings {
			f := &l.findings[i]
			since, known := r.firstSeen[f.key()]
			if !known {
				since = now
			}
			seen[f.key()] = since
			if ripe == nil && f.ripe(since, now) {
				ripe = f
			}
			if f.kind == kindPulling {
				limit = pullLimit
			}
			limit = max(limit, f.start)
		}
		advances[l.name] = r.advances[l.name].reached(l.stages, now)
		if idle := now.Sub(advances[l.name].at); ripe == nil && idle >= limit {
			ripe = stuck(l, limit)
		}
		if ripe != nil {
			failures = append(failures, r.failure(ctx, l, *ripe))
		}
	}
	r.firstSeen, r.advances = seen, advances
	return errors.Join(failures...)
}

// stuck is the finding when nothing has moved for too long.
func stuck(l look, limit time.Duration) *finding {
	f := finding{reason: "NoProgress", message: "there are no pods"}
	if l.older > 0 {
		f.message = "pods of the version before do not end"
	}
	if len(l.findings) > 0 {
		f = l.findings[0]
	}
	f.message = strings.TrimSuffix(f.message, ".") + fmt.Sprintf(" (no progress for %v)", limit)
	if f.advice == "" {
		f.advice = "`kubectl describe` of the pod or its Deployment tells more"
	}
	return &f
}

func (r *readiness) failure(ctx context.Context, l look, f finding) error {
	e := &NotReadyError{
		Subset: l.name, Ready: len(l.ready), Wanted: l.wanted,
		Pod: f.pod, Container: f.container, Reason: f.reason, Message: f.message, Advice: f.advice,
	}
	for _, pod := range l.unready {
		if string(pod.UID) != f.uid {
			continue
		}
		if f.injection {
			// Without the right to read it, the general advice stays.
			if repair, err := r.workloads.injection(ctx, pod); err == nil {
				e.Advice = repair
			}
		}
		if !f.wantsLog {
			continue
		}
		e.addLog(ctx, r.workloads, pod)
		if e.Advice == "" {
			e.Advice = fmt.Sprintf("see `kubectl logs -n %s %s -c %s --previous`", pod.Namespace, pod.Name, f.container)
		}
	}
	return e
}
