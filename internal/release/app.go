package release

import (
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
// VirtualService are all called Name; Host is the external host name.
type App struct{ Namespace, Name, Host string }

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
	stable, canary := s.percent()
	return Stable + " " + stable + " / " + Canary + " " + canary
}

// Short gives both shares in percent, stable first: "99.95/0.05".
func (s Split) Short() string {
	stable, canary := s.percent()
	return stable + "/" + canary
}

// Valid reports whether there is a weight, and none below 0.
func (s Split) Valid() bool {
	return s.Stable >= 0 && s.Canary >= 0 && int64(s.Stable)+int64(s.Canary) > 0
}

func (s Split) percent() (stable, canary string) {
	if !s.Valid() {
		return "0", "0"
	}
	sum := float64(s.Stable) + float64(s.Canary)
	share := func(weight int32) string {
		return strconv.FormatFloat(math.Round(1e4*float64(weight)/sum)/1e2, 'f', -1, 64)
	}
	return share(s.Stable), share(s.Canary)
}

// IsService reports whether a host name is one of those of the app's Service.
// The bare name is none of them: in another namespace it is another Service's.
func (a App) IsService(host string) bool {
	service := a.Name + "." + a.Namespace
	return host == service || host == service+".svc" || strings.HasPrefix(host, service+".svc.")
}
