// Package bench keeps measured figures and writes them down.
package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"
)

// Figure is one measured number.
type Figure struct {
	Key     string // of the JSON document
	Value   float64
	Meaning string
	// Target is what the number is held against, such as "≤ 0.3"; "" is nothing.
	Target string
	Met    bool
}

// Figures are the numbers of one run, in the order of the table.
type Figures struct {
	Title   string
	Date    time.Time
	Command string // that measured them
	Machine string
	Notes   []string
	Rows    []Figure
}

// Add takes a number without a target.
func (f *Figures) Add(key string, value float64, meaning string) {
	f.Rows = append(f.Rows, Figure{Key: key, Value: round(value), Meaning: meaning})
}

// AtMost takes a number that is to be the limit or less.
func (f *Figures) AtMost(limit float64, key string, value float64, meaning string) {
	f.Rows = append(f.Rows, Figure{Key: key, Value: round(value), Meaning: meaning, Target: "≤ " + number(limit), Met: value <= limit})
}

// AtLeast takes a number that is to be the limit or more.
func (f *Figures) AtLeast(limit float64, key string, value float64, meaning string) {
	f.Rows = append(f.Rows, Figure{Key: key, Value: round(value), Meaning: meaning, Target: "≥ " + number(limit), Met: value >= limit})
}

// JSON is one flat object: the keys of the figures, and machine, date and command.
func (f *Figures) JSON() ([]byte, error) {
	object := map[string]any{"machine": f.Machine, "date": f.Date.UTC().Format(time.DateOnly), "command": f.Command}
	for _, row := range f.Rows {
		object[row.Key] = row.Value
	}
	text, err := json.MarshalIndent(object, "", "  ")
	return append(text, '\n'), err
}

// Markdown is the document for people.
func (f *Figures) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nMeasured by `%s` on %s. The same numbers are in figures.json.\n\nMachine: %s.\n\n",
		f.Title, f.Command, f.Date.UTC().Format(time.DateOnly), f.Machine)
	b.WriteString("| Figure | Value | Target | Meaning |\n| --- | ---: | --- | --- |\n")
	for _, row := range f.Rows {
		target := row.Target
		if target != "" && !row.Met {
			target += ", **missed**"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Key, number(row.Value), target, row.Meaning)
	}
	for _, note := range f.Notes {
		b.WriteString("\n" + note + "\n")
	}
	return b.String()
}

// Missed lists the figures beyond their target.
func (f *Figures) Missed() []string {
	var missed []string
	for _, row := range f.Rows {
		if row.Target != "" && !row.Met {
			missed = append(missed, fmt.Sprintf("%s is %s, and %s is wanted", row.Key, number(row.Value), row.Target))
		}
	}
	return missed
}

// Percentile is the nearest rank of p (0 to 100) in seconds; NaN of nothing.
func Percentile(times []time.Duration, p float64) float64 {
	seconds := make([]float64, len(times))
	for i, d := range times {
		seconds[i] = d.Seconds()
	}
	return PercentileOf(seconds, p)
}

// PercentileOf is the nearest rank of p (0 to 100); NaN of nothing.
func PercentileOf(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return stat.Quantile(p/100, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}

// Median is the middle of the times in seconds.
func Median(times []time.Duration) float64 { return Percentile(times, 50) }

func round(value float64) float64 { return math.Round(value*1000) / 1000 }

func number(value float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", value), "0"), ".")
}
