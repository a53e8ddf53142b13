// Package drain is the arithmetic of ending a pod without losing requests: how
// long it keeps serving after it was told to end, and when it may be killed.
//
// A pod of the app is asked by proxies only. They learn that it ends, send it
// nothing new, and do not use their open connections to it again. A gateway is
// asked by clients that know nothing of pods: what they send on an open
// connection reaches the pod that is ending. Envoy asks them to close the
// connection, but only when it begins an answer. So a connection may bring
// another request when the one that was under way has ended, or when it was idle.
package drain

import "fmt"

const (
	// appMargin is how long after a pod was told to end a new request may still
	// reach it, in seconds: proxies learn of it within one or two.
	appMargin = 5
	// gatewayMargin is the same for a gateway's pod. Load balancers are slower.
	gatewayMargin = 10
	// clientIdle is how long clients are expected to keep a connection to a gateway
	// without using it, in seconds.
	clientIdle = 60
	// killMargin is what containers get after the drain to end on their own, in
	// seconds.
	killMargin = 10
	// istioDrainDuration is Istio's default of drainDuration, in seconds.
	istioDrainDuration = 45
)

// Plan says how a pod ends. The times are in seconds and count from the moment it
// is told to.
type Plan struct {
	// Seconds is how long it keeps serving, whether or not anything is under way.
	Seconds int
	// Grace is when it may be killed.
	Grace int
	// untilIdle says that it also keeps serving until no connection is open.
	untilIdle bool
}

// App is the plan of an app's pod whose longest request takes the given number
// of seconds.
func App(longestRequest int) Plan {
	seconds := longestRequest + appMargin
	return Plan{Seconds: seconds, Grace: seconds + killMargin}
}

// Gateway is the plan of a gateway's pod whose longest request takes the given
// number of seconds. It ends as soon as no client is connected any more. The worst
// case is a connection with a request that began before, then none for a while,
// then another one.
func Gateway(longestRequest int) Plan {
	return Plan{Seconds: gatewayMargin, Grace: longestRequest + clientIdle + longestRequest + killMargin, untilIdle: true}
}

// ProxyConfig is the plan as the value of annotation proxy.istio.io/config. By
// default a proxy is gone 5 s after it was told to end. drainDuration is how long
// Envoy asks its clients to close their connections, and must not end before the
// drain does.
func (p Plan) ProxyConfig() string {
	if p.untilIdle {
		return fmt.Sprintf("drainDuration: %ds\nproxyMetadata:\n  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: \"true\"\n  MINIMUM_DRAIN_DURATION: %ds\n",
			max(p.Grace, istioDrainDuration), p.Seconds)
	}
	return fmt.Sprintf("terminationDrainDuration: %ds\ndrainDuration: %ds\n",
		p.Seconds, max(p.Seconds, istioDrainDuration))
}
