package converge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"canary/internal/mesh"
	"canary/internal/release"
)

// maxNamed is how many lagging proxies an error spells out.
const maxNamed = 10

// Lagging is a proxy that does not serve the wanted split.
type Lagging struct {
	Namespace, Pod string
	Serves         string // what it does instead, in words
	// Foreign is the object of somebody else because of which it does.
	Foreign mesh.Foreign
}

func (l Lagging) compare(other Lagging) int {
	return strings.Compare(l.Namespace+"/"+l.Pod, other.Namespace+"/"+other.Pod)
}

// listed gives each proxy a line, and counts those that are too many.
func listed(lagging []Lagging) string {
	var b strings.Builder
	for i, l := range lagging {
		if i == maxNamed {
			fmt.Fprintf(&b, "\n  and %d more", len(lagging)-maxNamed)
			break
		}
		fmt.Fprintf(&b, "\n  %s/%s %s", l.Namespace, l.Pod, l.Serves)
	}
	return b.String()
}

// LagError says which proxies did not serve the split in time.
type LagError struct {
	Want    release.Split
	Timeout time.Duration
	Serving int       // proxies that hold the split
	Lagging []Lagging // sorted by namespace and pod
	// NoGateway is set when no running gateway pod serves the app's hosts.
	NoGateway bool
	// Starting are pods of the gateway that run and are not ready, as namespace/name.
	Starting []string
	// Missing is set when lagging proxies do not hold a subset that they should send
	// requests to.
	Missing bool
}

// Error names each lagging proxy with what it serves.
func (e *LagError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the split %v is written, but after %v ", e.Want, e.Timeout)
	switch {
	case len(e.Lagging) > 0:
		fmt.Fprintf(&b, "%d of %d proxies do not serve it:", len(e.Lagging), e.Serving+len(e.Lagging))
	case len(e.Starting) > 0:
		fmt.Fprintf(&b, "no pod of the ingress gateway is ready: there is no ingress traffic; `kubectl describe pod` of %s says why", strings.Join(e.Starting, ", "))
	case e.NoGateway:
		b.WriteString("no running pod that the Gateway selects serves its hosts: there is no ingress traffic; check the ingress gateway's pods and the Gateway's selector")
	}
	b.WriteString(listed(e.Lagging))
	b.WriteString("\nthe next `pulumi up` checks again, even without a change")
	switch causes := advice(e.Lagging); {
	case causes != "":
		b.WriteString("; " + causes)
	case e.Missing:
		b.WriteString("; if somebody changed the app's DestinationRule, `pulumi up --refresh` writes it again")
	case len(e.Lagging) > 0:
		b.WriteString("; a proxy that lags has usually lost its connection to istiod (port 15012)")
	}
	return b.String()
}

// advice says of each object because of which proxies lag what it does, and what to
// do about it.
func advice(lagging []Lagging) string {
	var causes []string
	for _, l := range lagging {
		if l.caused() {
			causes = append(causes, l.Foreign.String())
		}
	}
	slices.Sort(causes)
	return strings.Join(slices.Compact(causes), "; ")
}

// caused reports whether an object of somebody else is the cause.
func (l Lagging) caused() bool { return l.Foreign != mesh.Foreign{} }

func (c *convergence) lag(timeout time.Duration) error {
	if err := c.outage.Err; err != nil {
		return fmt.Errorf("the split %v is written, but the proxies could not be checked within %v (the next `pulumi up` checks again): %w", c.want, timeout, err)
	}
	t := c.tally()
	e := &LagError{Want: c.want, Timeout: timeout, Serving: t.serving, NoGateway: t.gateways == 0}
	if e.NoGateway {
		for _, m := range t.starting {
			e.Starting = append(e.Starting, m.Namespace+"/"+m.Pod)
		}
		slices.Sort(e.Starting)
	}
	for _, m := range t.lagging {
		e.Missing = e.Missing || (m.err == nil && len(m.seen.Missing()) > 0)
		e.Lagging = append(e.Lagging, Lagging{Namespace: m.Namespace, Pod: m.Pod, Serves: m.says(), Foreign: m.foreign(c.app, c.others)})
	}
	slices.SortFunc(e.Lagging, Lagging.compare)
	return e
}

// says is what the proxy does, in words.
func (m *member) says() string {
	says := m.seen.String()
	switch {
	case m.outside:
		says = "has not acknowledged the split to istiod (it is no pod of this cluster, so it cannot be read)"
	case !m.asked:
		says = "has not acknowledged the split to istiod, and was not read yet"
	case m.err != nil:
		says = "cannot be read: " + m.err.Error()
	case m.Gateway && m.seen.Present() && !m.seen.Host:
		says = "has no route for an external host"
	case m.Gateway && len(m.seen.Lacks) > 0:
		says += " and has no route for " + strings.Join(m.seen.Lacks, ", ")
	}
	if m.Ending {
		says += " (its pod is ending)"
	}
	return says
}
