package rollout

import (
	"strings"

	"canary/internal/readiness"
)

// How an error begins when the split that is wanted is in force.
const (
	servedBut  = " is served, but: "
	routesStay = "the routes stay as they are: "
)

// CanaryAlone finds in the text of an update's error that the wanted split is in force, and that
// only pods of the canary are missing. It gives what is said of them; "" is that it is not so.
func CanaryAlone(text string) string {
	sick := readiness.CanaryLacks(text)
	for _, begin := range []string{servedBut, routesStay} {
		if sick != "" && strings.Contains(text, begin+sick) {
			return sick
		}
	}
	return ""
}
