package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Weight is a share of the requests in hundredths of a percent, 0 to 10000, so that every weight that can
// be written is held exactly.
type Weight int

const (
	onePercent Weight = 100
	maxWeight         = 100 * onePercent
)

var weightForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,2}))?$`)

// String gives the percentage without needless zeros: "50", "12.5", "0.05".
func (w Weight) String() string {
	whole, rest := w/onePercent, w%onePercent
	if rest == 0 {
		return strconv.Itoa(int(whole))
	}
	return strings.TrimRight(fmt.Sprintf("%d.%02d", whole, rest), "0")
}

// Percent gives the percentage as a number.
func (w Weight) Percent() float64 { return float64(w) / float64(onePercent) }

// Split gives the weights of both subsets as the integers that Istio takes. Whole percents stay as they
// are and add up to 100; other weights become parts of 10000.
func (w Weight) Split() (stable, canary int32) {
	if w%onePercent == 0 {
		canary = int32(w / onePercent) //nolint:gosec // at most 100
		return 100 - canary, canary
	}
	return w.Parts()
}

// Parts gives the weights of both subsets as parts of 10000, whatever the weight.
func (w Weight) Parts() (stable, canary int32) {
	return int32(maxWeight - w), int32(w) //nolint:gosec // at most 10000
}

// ParseWeight reads a percentage from 0 to 100 with at most two decimals, digit by digit: a float would
// not hold most of them.
func ParseWeight(text string) (Weight, error) {
	parts := weightForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, errNotAllowed
	}
	hundredths, err := strconv.Atoi(parts[1] + (parts[2] + "00")[:2])
	if err != nil || Weight(hundredths) > maxWeight {
		return 0, errNotAllowed
	}
	return Weight(hundredths), nil
}
