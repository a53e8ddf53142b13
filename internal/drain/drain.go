// Package drain is the arithmetic of ending a pod without losing requests: how
// long it keeps serving after it was told to end, and when it may be killed.
package drain

import "fmt"

const (
	// appMargin is how long after a pod was told to end a new request may still
	// reach it, in seconds: proxies learn of it within one or two.
	appMargin = 5
	// gatewayMargin is the same for a gateway's pod. Load balancers are slower.
	gatewayMargin = 10
	// killMargin is what containers get after the drain to end on their own, in
	// seconds.
	killMargin = 10
	// istioDrainDuration is Istio's default of drainDuration, in seconds.
	istioDrainDuration = 45
)

// Plan says how a pod ends. Both times count from the moment it is told to.
type Plan struct {
	// Seconds is how long it keeps serving.
	Seconds int
	// Grace is when it may be killed, in seconds.
	Grace int
}

// App is the plan of an app's pod whose longest request takes the given number
// of seconds.
func App(longestRequest int) Plan {
	return plan(longestRequest + appMargin)
}

// Gateway is the plan of a gateway's pod whose longest request takes the given
// number of seconds.
func Gateway(longestRequest int) Plan {
	return plan(longestRequest + gatewayMargin)
}

func plan(seconds int) Plan {
	return Plan{Seconds: seconds, Grace: seconds + killMargin}
}

// ProxyConfig is the plan as the value of annotation proxy.istio.io/config. By
// default a proxy is gone 5 s after it was told to end. drainDuration is how long
// Envoy asks its clients to close their connections, and must not end before the
// drain does.
func (p Plan) ProxyConfig() string {
	return fmt.Sprintf("terminationDrainDuration: %ds\ndrainDuration: %ds\n",
		p.Seconds, max(p.Seconds, istioDrainDuration))
}
