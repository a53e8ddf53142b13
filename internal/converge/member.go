package converge

import (
	"canary/internal/envoy"
	"canary/internal/mesh"
	"canary/internal/release"
)

// member is a proxy of the set and what is known about it.
type member struct {
	envoy.Proxy
	outside bool // in istiod's book only: no pod of this cluster
	asked   bool // a direct read was tried
	seen    envoy.Routes
	err     error // why the last read failed
	settled bool  // holds the split, or does not serve the app: read no more
	// acknowledged is set when the books settled it.
	acknowledged bool
	// untouched is set when istiod had nothing to send to an outside proxy.
	untouched bool
}

// exempt reports whether the rule does not wait for the proxy (see the package
// comment): it has ended, or it serves nobody yet.
func (m *member) exempt() bool {
	switch {
	case m.outside:
		return m.untouched
	case !m.asked:
		return false
	case m.err != nil:
		return m.Ending || !m.Ready
	}
	return !m.Ready && !m.seen.Present()
}

// update takes in the result of a direct read.
func (m *member) update(s envoy.Routes, err error, want release.Split) {
	m.asked, m.seen, m.err = true, s, err
	switch {
	case err != nil:
		m.settled = false
	case m.Gateway:
		m.settled = s.Host && len(s.Lacks) == 0 && s.Holds(want)
	default:
		m.settled = !s.Present() || s.Holds(want)
	}
}

// shut reports whether the member is a gateway that does not let requests through to
// the app's routes. Its Envoy does not name what is the cause.
func (m *member) shut() bool {
	return m.Gateway && m.asked && m.err == nil && (!m.seen.Host || len(m.seen.Lacks) > 0 || m.seen.Odd != "")
}

// foreign is the object of somebody else because of which the member does not serve
// the split. others may be nil.
func (m *member) foreign(app release.App, others *mesh.Others) mesh.Foreign {
	missing := m.seen.Missing()
	switch {
	case m.err != nil:
	case m.seen.Foreign != "":
		return mesh.ForeignVirtualService(m.seen.Foreign, m.seen.ForeignHosts)
	case len(missing) > 0 && m.seen.Clusters.Foreign != "":
		return mesh.ForeignDestinationRule(m.seen.Clusters.Foreign, missing)
	case m.shut() && others != nil:
		return others.Gateway(app, m.Labels)
	}
	return mesh.Foreign{}
}

// tally counts the members by the rule.
type tally struct {
	serving   int // hold the split
	gateways  int // of those, the app's gateways that let requests in
	untouched int
	lagging   []*member
	starting  []*member // the app's gateways that are neither ready nor ending
}

func (c *convergence) tally() tally {
	var t tally
	for _, m := range c.members {
		if m.Gateway && !m.Ready && !m.Ending {
			t.starting = append(t.starting, m)
		}
		switch {
		case m.settled && (m.acknowledged || m.seen.Present()):
			t.serving++
			if m.Gateway && m.TakesRequests() {
				t.gateways++
			}
		case m.untouched && !m.settled:
			t.untouched++
		case !m.settled && !m.exempt():
			t.lagging = append(t.lagging, m)
		}
	}
	return t
}

func (c *convergence) converged(t tally) bool {
	return !c.listed.IsZero() && len(t.lagging) == 0 && t.gateways > 0
}
