package dataplane

// member is a proxy of the set and what is known about it.
type member struct {
	proxy
	outside bool // in istiod's book only: no pod of this cluster
	asked   bool // a direct read was tried
	seen    served
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
		return m.ending || !m.ready
	}
	return !m.ready && !m.seen.present()
}

// update takes in the result of a direct read.
func (m *member) update(s served, err error, want Split) {
	m.asked, m.seen, m.err = true, s, err
	switch {
	case err != nil:
		m.settled = false
	case m.gateway:
		m.settled = s.host && s.holds(want)
	default:
		m.settled = !s.present() || s.holds(want)
	}
}

// takesRequests reports whether the proxy gets new connections: a pod that is
// ending still holds a split, and gets none.
func (p proxy) takesRequests() bool { return p.ready && !p.ending }

// tally counts the members by the rule.
type tally struct {
	serving   int // hold the split
	gateways  int // of those, the app's gateways that let requests in
	untouched int
	lagging   []*member
}

func (c *convergence) tally() tally {
	var t tally
	for _, m := range c.members {
		switch {
		case m.settled && (m.acknowledged || m.seen.present()):
			t.serving++
			if m.gateway && m.takesRequests() {
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
