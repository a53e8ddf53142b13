package kube

import "time"

// OutageLimit is how long the API server may fail without a break.
const OutageLimit = 15 * time.Second

// Outage tells a short failure of the API server from a lasting one.
type Outage struct {
	since time.Time
	// Err is the last outcome.
	Err error
}

// Lasts takes in the outcome of a call and reports whether to give up: the
// error is permanent, or calls have failed for OutageLimit without a break.
func (o *Outage) Lasts(err error) bool {
	o.Err = err
	switch {
	case err == nil:
		o.since = time.Time{}
		return false
	case IsPermanent(err):
		return true
	case o.since.IsZero():
		o.since = time.Now()
		return false
	}
	return time.Since(o.since) >= OutageLimit
}
