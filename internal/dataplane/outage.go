package dataplane

import (
	"time"

	"canary/internal/kube"
)

// outageLimit is how long the API server may fail without a break.
const outageLimit = 15 * time.Second

// outage tells a short failure of the API server from a lasting one.
type outage struct {
	since time.Time
	err   error // the last outcome
}

// lasts takes in the outcome of a call and reports whether to give up: the
// error is permanent, or calls have failed for outageLimit without a break.
func (o *outage) lasts(err error) bool {
	o.err = err
	switch {
	case err == nil:
		o.since = time.Time{}
		return false
	case kube.IsPermanent(err):
		return true
	case o.since.IsZero():
		o.since = time.Now()
		return false
	}
	return time.Since(o.since) >= outageLimit
}
