package release

import (
	"math"
	"strconv"
	"strings"
)

// Extras are what the app's routes do beside the split. The zero value is nothing.
type Extras struct {
	// Header is that of the requests that always reach the canary, NAME or NAME=VALUE.
	Header string `json:"canaryHeader,omitempty"`
	// Mirrored is the percentage of the requests that are copied to the canary, with at
	// most two decimals.
	Mirrored float64 `json:"mirrorPercent,omitempty"`
	// Cookie is the name of the one by which the ingress gateway keeps users on a version.
	Cookie string `json:"stickyCookie,omitempty"`
}

// Lines says each of them.
func (e Extras) Lines() []string {
	var lines []string
	if e.Header != "" {
		lines = append(lines, "requests with the header "+headerText(e.Header)+" always reach the canary")
	}
	if e.Mirrored > 0 {
		lines = append(lines, percentText(e.Mirrored)+" % of the requests are mirrored to the canary")
	}
	if e.Cookie != "" {
		lines = append(lines, "users are kept on a version by the cookie "+e.Cookie)
	}
	return lines
}

// Differs says what a proxy that has them does otherwise than wanted; "" is nothing. That
// it mirrors, or keeps users on a version, where that is not wanted does not count: where
// requests go, and in which shares, is the same.
func (e Extras) Differs(want Extras) string {
	var parts []string
	if e.Header != want.Header && e.Header != "" {
		parts = append(parts, "sends requests with the header "+headerText(e.Header)+" to the canary")
	}
	if e.Header != want.Header && want.Header != "" {
		parts = append(parts, "does not send requests with the header "+headerText(want.Header)+" to the canary")
	}
	if e.Mirrored != want.Mirrored && want.Mirrored > 0 {
		parts = append(parts, "mirrors "+percentText(e.Mirrored)+" % of the requests in place of "+percentText(want.Mirrored)+" %")
	}
	if e.Cookie != want.Cookie && want.Cookie != "" {
		parts = append(parts, "does not keep users on a version by the cookie "+want.Cookie)
	}
	return strings.Join(parts, " and ")
}

// RoundPercent gives a percentage the two decimals that it can have.
func RoundPercent(percent float64) float64 { return math.Round(percent*100) / 100 }

func headerText(header string) string { return strings.Replace(header, "=", ": ", 1) }

func percentText(percent float64) string { return strconv.FormatFloat(percent, 'f', -1, 64) }
