package release

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The two subsets, as the DestinationRule and the pods' labels name them.
const (
	Stable = "stable"
	Canary = "canary"
)

// The labels of the app's pods and Deployments.
const (
	LabelName   = "app.kubernetes.io/name"
	LabelSubset = "app.kubernetes.io/subset"
)

// AskHeader is the header of a request that asks which subset answers it. The
// routes give its value back in the AnswerHeader of the subset; a request without it
// gets an answer without a header of theirs.
const AskHeader = "x-canary-ask"

// AnswerHeader is the header that an answer of the subset has, when the request asked.
func AnswerHeader(subset string) string { return "x-canary-from-" + subset }

// App says which app is meant: its Service, Gateway, DestinationRule and
// VirtualService are all called Name.
type App struct {
	Namespace, Name string
	// Hosts are the external host names; the first is that of the app's URL.
	Hosts []string
	// TLS is whether they are served over HTTPS, to which HTTP redirects.
	TLS bool
	// Extras are what its routes do beside the split.
	Extras Extras
}

// Deployment is the name of a subset's Deployment.
func (a App) Deployment(subset string) string {
	if subset == Canary {
		return a.Name + "-canary"
	}
	return a.Name
}

// Pods is how many pods a subset is to have: as many as its Deployment asks for,
// within Min and Max. Both are the same where no autoscaler decides.
type Pods struct{ Min, Max int }

// Fixed is a number of pods that no autoscaler changes.
func Fixed(number int) Pods { return Pods{number, number} }

// Wanted is how many there are to be when the Deployment asks for so many.
func (p Pods) Wanted(asked int) int { return min(max(asked, p.Min), p.Max) }

// Autoscaled reports whether the number is not fixed.
func (p Pods) Autoscaled() bool { return p.Min != p.Max }

// String is "2", or "1 to 3".
func (p Pods) String() string {
	if p.Autoscaled() {
		return fmt.Sprintf("%d to %d", p.Min, p.Max)
	}
	return strconv.Itoa(p.Min)
}

// Split is the two weights together. Only their ratio matters: 50/50 and
// 5000/5000 are the same split.
type Split struct{ Stable, Canary int32 }

// Equal reports whether two splits send the same share to each subset. A split
// without any weight, or with a negative one, equals nothing.
func (s Split) Equal(other Split) bool {
	return s.Valid() && other.Valid() &&
		int64(s.Stable)*int64(other.Canary) == int64(other.Stable)*int64(s.Canary)
}

// String gives both shares in percent: "stable 99.95 / canary 0.05".
func (s Split) String() string {
	return Stable + " " + s.Percent(Stable) + " / " + Canary + " " + s.Percent(Canary)
}

// Short gives both shares in percent, stable first: "99.95/0.05".
func (s Split) Short() string { return s.Percent(Stable) + "/" + s.Percent(Canary) }

// Percent is the share of a subset: "99.95".
func (s Split) Percent(subset string) string {
	if !s.Valid() {
		return "0"
	}
	return strconv.FormatFloat(math.Round(1e4*float64(s.Weight(subset))/float64(s.sum()))/1e2, 'f', -1, 64)
}

// Weight is that of a subset.
func (s Split) Weight(subset string) int32 {
	if subset == Stable {
		return s.Stable
	}
	return s.Canary
}

// Gains reports whether a subset's share is larger in the split than it was before.
// Where that was none, any weight is a gain.
func (s Split) Gains(subset string, before Split) bool {
	if !before.Valid() {
		return s.Weight(subset) > 0
	}
	return int64(s.Weight(subset))*before.sum() > int64(before.Weight(subset))*s.sum()
}

// InProportion is how many pods carry the subset's share as the other subset's pods
// carry theirs in the split before; 0 when those carry nothing.
func (s Split) InProportion(subset string, before Split, othersPods int) int {
	other := Stable
	if subset == Stable {
		other = Canary
	}
	load := int64(before.Weight(other)) * s.sum()
	if load == 0 {
		return 0
	}
	return int((int64(othersPods)*int64(s.Weight(subset))*before.sum() + load - 1) / load)
}

// Valid reports whether there is a weight, and none below 0.
func (s Split) Valid() bool { return s.Stable >= 0 && s.Canary >= 0 && s.sum() > 0 }

func (s Split) sum() int64 { return int64(s.Stable) + int64(s.Canary) }

// IsService reports whether a host name is one of those of the app's Service.
// The bare name is none of them: in another namespace it is another Service's.
func (a App) IsService(host string) bool {
	service := a.Name + "." + a.Namespace
	return host == service || host == service+".svc" || strings.HasPrefix(host, service+".svc.")
}
