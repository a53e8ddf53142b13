package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"canary/internal/converge"
	"canary/internal/drift"
	"canary/internal/readiness"
	"canary/internal/release"
)

// status is what `canary status` shows. Its JSON form is an interface: fields
// may be added, and none is renamed or removed.
type status struct {
	// VirtualService is the namespace/name of the object that holds the split.
	VirtualService string `json:"virtualService"`
	// Configured is the split of the stack's last update, in percent.
	Configured percents `json:"configured"`
	// Extras are what the routes are to do beside the split.
	Extras release.Extras `json:"extras,omitzero"`
	// Live is the VirtualService's split; null when it has none.
	Live *percents `json:"live"`
	// LiveProblem says why Live is null.
	LiveProblem string `json:"liveProblem,omitempty"`
	// Subsets are stable and canary.
	Subsets []subsetLine `json:"subsets"`
	// Proxies are all proxies of the cluster; those that differ come first.
	Proxies []proxyLine `json:"proxies"`
	// Differences says in words what does not agree; empty when all does.
	Differences []string `json:"differences"`
	// Agrees is the verdict.
	Agrees bool `json:"agrees"`

	// foreign is what objects of others do, because of which proxies differ.
	foreign []string
}

type percents struct {
	Stable float64 `json:"stable"`
	Canary float64 `json:"canary"`
}

type subsetLine struct {
	Subset string `json:"subset"`
	// Percent of the split that its proxies should serve.
	Percent float64 `json:"percent"`
	// Ready and Wanted pods of the newest version.
	Ready  int `json:"ready"`
	Wanted int `json:"wanted"`
	// Older is the pods of the versions before that are still there.
	Older int `json:"older"`
	// Image of the newest version; "" when there is no Deployment.
	Image string `json:"image"`
}

type proxyLine struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	// Gateway says that the app's ingress traffic comes through it.
	Gateway bool `json:"gateway"`
	// Ready says whether it gets new connections: its pod is ready and not ending.
	Ready bool `json:"ready"`
	// Serves says whether it has a route for the app.
	Serves bool `json:"serves"`
	// Splits are the distinct splits that it serves; normally one.
	Splits []percents `json:"splits"`
	// Says is the same in words, or why it cannot be read.
	Says string `json:"says"`
	// Differs says that it ought to serve the VirtualService's split, and does not.
	Differs bool `json:"differs"`
}

func weights(s release.Split) percents {
	sum := float64(s.Stable) + float64(s.Canary)
	percent := func(weight int32) float64 { return float64(int64(1e4*float64(weight)/sum+0.5)) / 1e2 }
	return percents{Stable: percent(s.Stable), Canary: percent(s.Canary)}
}

func (p percents) String() string {
	return fmt.Sprintf("stable %v %% / canary %v %%", p.Stable, p.Canary)
}

func (p percents) of(subset string) float64 {
	if subset == release.Stable {
		return p.Stable
	}
	return p.Canary
}

// add takes in what was seen.
func (s *status) add(want release.Split, subsets []readiness.SubsetStatus, proxies []converge.ProxyStatus) {
	s.Subsets, s.Proxies, s.Differences = []subsetLine{}, []proxyLine{}, []string{}
	for _, subset := range subsets {
		s.Subsets = append(s.Subsets, subsetLine{
			Subset: subset.Name, Percent: weights(want).of(subset.Name),
			Ready: subset.Ready, Wanted: subset.Wanted, Older: subset.Older, Image: subset.Image,
		})
	}
	for _, p := range proxies {
		line := proxyLine{Namespace: p.Namespace, Pod: p.Pod, Gateway: p.Gateway, Ready: p.Ready, Serves: p.Present, Splits: []percents{}, Says: p.Says, Differs: p.Lags}
		if p.Foreign != "" && !slices.Contains(s.foreign, p.Foreign) {
			s.foreign = append(s.foreign, p.Foreign)
		}
		for _, split := range p.Splits {
			line.Splits = append(line.Splits, weights(split))
		}
		s.Proxies = append(s.Proxies, line)
	}
}

// judge finds what does not agree.
func (s *status) judge(configured, live release.Split, liveErr error) {
	differs := func(format string, args ...any) { s.Differences = append(s.Differences, fmt.Sprintf(format, args...)) }
	switch {
	case liveErr != nil:
		differs("the VirtualService has no split: %v", liveErr)
	case !live.Equal(configured):
		differs("configured is %v, and the VirtualService has %v: `pulumi up --refresh` writes the configured split", s.Configured, *s.Live)
	}
	lagging, gateways := 0, 0
	for _, p := range s.Proxies {
		if p.Differs {
			lagging++
		}
		if p.Gateway && p.Ready && p.Serves {
			gateways++
		}
	}
	for _, cause := range s.foreign {
		differs("%s", cause)
	}
	if lagging > 0 {
		differs("%d of %d proxies do not serve the VirtualService's split", lagging, lagging+s.serving())
	}
	if gateways == 0 {
		differs("no ready pod of the ingress gateway serves the app: there is no ingress traffic; check its Deployment and its pods")
	}
	for _, subset := range s.Subsets {
		switch {
		case subset.Percent > 0 && subset.Wanted == 0:
			differs("%s gets %v %% of the requests and has no pods", subset.Subset, subset.Percent)
		case subset.Ready < subset.Wanted:
			differs("%s has %d of %d wanted pods ready", subset.Subset, subset.Ready, subset.Wanted)
		case subset.Older > 0:
			differs("%s still has pods of the version before: %d", subset.Subset, subset.Older)
		}
	}
	s.Agrees = len(s.Differences) == 0
}

// causes says what somebody else changed in the stack's objects, and what is wrong with
// Istio itself, before what came of it. Another split has words of its own.
func (s *status) causes(changes []drift.Change, faults []string) {
	lines := []string{}
	for _, change := range changes {
		if s.Live != nil && *s.Live == s.Configured || change.Object.Kind != "VirtualService" {
			lines = append(lines, change.String()+": `pulumi up --refresh` takes this back")
		}
	}
	s.Differences = append(append(lines, faults...), s.Differences...)
	s.Agrees = len(s.Differences) == 0
}

// serving is how many proxies have a route for the app and do not differ.
func (s *status) serving() int {
	n := 0
	for _, p := range s.Proxies {
		if p.Serves && !p.Differs {
			n++
		}
	}
	return n
}

func (s *status) exit() error {
	if !s.Agrees {
		return exitCode(exitDiffers)
	}
	return nil
}

func (s *status) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

func (s *status) table(w io.Writer) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "configured\t%v\n", s.Configured)
	live := "none"
	if s.Live != nil {
		live = s.Live.String()
	}
	fmt.Fprintf(t, "VirtualService\t%s (%s)\n", live, s.VirtualService)
	for _, line := range s.Extras.Lines() {
		fmt.Fprintf(t, "beside it\t%s\n", line)
	}
	_ = t.Flush()
	fmt.Fprint(t, "\nSUBSET\tREQUESTS\tPODS\tIMAGE\n")
	for _, subset := range s.Subsets {
		fmt.Fprintf(t, "%s\t%v %%\t%s\t%s\n", subset.Subset, subset.Percent, subset.pods(), orDash(subset.Image))
	}
	_ = t.Flush()
	fmt.Fprint(t, "\nPROXY\tROUTE\n")
	for _, p := range s.Proxies {
		fmt.Fprintf(t, "%s/%s\t%s\n", p.Namespace, p.Pod, p.text())
	}
	_ = t.Flush()
	b.WriteString("\n" + s.verdict())
	_, err := w.Write(b.Bytes())
	return err
}

func (s *status) verdict() string {
	if s.Agrees {
		return fmt.Sprintf("all agree: the split is served by %d proxies, and the wanted pods are ready\n", s.serving())
	}
	return "differs: " + strings.Join(s.Differences, "\ndiffers: ") + "\n"
}

func (l subsetLine) pods() string {
	text := fmt.Sprintf("%d of %d ready", l.Ready, l.Wanted)
	if l.Older > 0 {
		text += fmt.Sprintf(", %d of the version before", l.Older)
	}
	return text
}

func (l proxyLine) text() string {
	if l.Differs {
		return l.Says + "  <- differs"
	}
	return l.Says
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
