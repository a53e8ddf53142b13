package traffic

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"canary/internal/release"
)

// Share is one subset's part of a split: Weight parts of the split's total.
type Share struct {
	Subset string
	Weight int64
}

// Split is the shares in the order of the VirtualService.
type Split []Share

// Total is the sum of the weights.
func (s Split) Total() int64 {
	var total int64
	for _, share := range s {
		total += share.Weight
	}
	return total
}

// Probability is the probability that a request goes to the subset, 0 to 1; 0
// for a subset that the split does not have.
func (s Split) Probability(subset string) float64 {
	for _, share := range s {
		if share.Subset == subset {
			return float64(share.Weight) / float64(s.Total())
		}
	}
	return 0
}

// String is for example "stable 99.95 %, canary 0.05 %".
func (s Split) String() string {
	var text strings.Builder
	for i, share := range s {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(share.Subset + " " + FormatPercent(100*s.Probability(share.Subset)) + " %")
	}
	return text.String()
}

// FormatPercent writes a percentage with at most two decimals, and only those
// it needs.
func FormatPercent(percent float64) string {
	return strconv.FormatFloat(math.Round(percent*100)/100, 'f', -1, 64)
}

// ParseSplit reads the split from a VirtualService object as the API server
// gives it: that of all its routes but those that a header leads to the canary
// alone. Envoy ignores the weight of a lone destination, and so does this.
func ParseSplit(object map[string]any) (Split, error) {
	routes, err := release.SplitRoutes(object)
	if err != nil {
		return nil, err
	}
	if len(routes) == 0 {
		return nil, errors.New("it has no HTTP route with a split")
	}
	first, err := splitOf(routes[0])
	if err != nil {
		return nil, err
	}
	for _, route := range routes[1:] {
		other, err := splitOf(route)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(first, other) {
			return nil, fmt.Errorf("its HTTP routes have the splits %s and %s, and one is expected", first, other)
		}
	}
	return first, nil
}

func splitOf(route release.HTTPRoute) (Split, error) {
	var split Split
	for _, destination := range route.Route {
		if destination.Destination.Subset == "" {
			return nil, errors.New("a destination of it has no subset")
		}
		if destination.Weight < 0 {
			return nil, fmt.Errorf("its weight for subset %s is %d", destination.Destination.Subset, destination.Weight)
		}
		split = append(split, Share{Subset: destination.Destination.Subset, Weight: int64(destination.Weight)})
	}
	if len(split) == 1 {
		split[0].Weight = 1
	}
	if split.Total() == 0 {
		return nil, errors.New("its weights add up to 0")
	}
	return split, nil
}
