// Command judgesim releases many simulated canaries and writes how often the judgement fails
// a healthy one, and how soon it fails a sick one, as the tables of docs/judgement.md:
//
//	go run ./test/judgesim
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"canary/internal/judge"
)

// A simulated step: the canary gets 5 % of the requests and is looked at every second, for so
// long at most.
const (
	share     = 0.05
	sickFor   = 300 // seconds
	healthFor = 1800
)

var limits = judge.Limits{MaxExcess: 0.01, Confidence: 0.99, Verdicts: 1}

func main() {
	releases := flag.Int("releases", 1000, "simulated releases for each number")
	flag.Parse()
	// Of the shares that fail, the first is stable's, and the second the canary's.
	number := func(outcome judge.Outcome, seconds int) func(int, [2]float64) string {
		return func(rate int, fails [2]float64) string {
			return fmt.Sprint(len(ended(outcome, seconds, *releases, rate, fails)))
		}
	}
	when := func(outcome judge.Outcome, seconds int) func(int, [2]float64) string {
		return func(rate int, fails [2]float64) string {
			times := ended(outcome, seconds, *releases, rate, fails)
			if len(times) == 0 {
				return "none"
			}
			return fmt.Sprintf("%.1f %%, %d s", 100*float64(len(times))/float64(*releases), times[len(times)/2])
		}
	}

	fmt.Printf("Healthy canaries that were failed within %d s, of %d each:\n\n", sickFor, *releases)
	table("stable fails 0 % | 0.1 % | 5 % | 5 %, canary 6 % (as much as it may)",
		number(judge.Fail, sickFor), [][2]float64{{0, 0}, {0.001, 0.001}, {0.05, 0.05}, {0.05, 0.06}})

	fmt.Printf("\nSick canaries that were failed within %d s, and the median of the seconds until then; stable fails 0.1 %%:\n\n", sickFor)
	table("canary fails 100 % | 20 % | 5 % | 3 %",
		when(judge.Fail, sickFor), [][2]float64{{0.001, 1}, {0.001, 0.2}, {0.001, 0.05}, {0.001, 0.03}})

	fmt.Printf("\nHealthy canaries that passed within %d s, with a bake of none, and the median of the seconds until then:\n\n", healthFor)
	table("stable fails 0 % | 0.1 % | 1 %", when(judge.Pass, healthFor), [][2]float64{{0, 0}, {0.001, 0.001}, {0.01, 0.01}})

	fmt.Printf("\nCanaries at the limit that passed within %d s, of %d each:\n\n", healthFor, *releases)
	table("stable fails 0 %, canary 1 % | 0.1 %, 1.1 % | 5 %, 6 %",
		number(judge.Pass, healthFor), [][2]float64{{0, 0.01}, {0.001, 0.011}, {0.05, 0.06}})
}

// table prints what canaries came to, by the rates of requests.
func table(columns string, cell func(rate int, fails [2]float64) string, fails [][2]float64) {
	fmt.Printf("| requests a second | %s |\n|%s\n", columns, strings.Repeat(" ---: |", len(fails)+1))
	for _, rate := range []int{1, 10, 100, 1000} {
		fmt.Printf("| %d |", rate)
		for _, f := range fails {
			fmt.Printf(" %s |", cell(rate, f))
		}
		fmt.Println()
	}
}

// ended gives the seconds after which canaries had an outcome, ascending.
func ended(outcome judge.Outcome, seconds, releases, rate int, fails [2]float64) []int {
	random := rand.New(rand.NewPCG(uint64(rate), uint64(1e6*fails[0]+1e9*fails[1])))
	var times []int
	for range releases {
		var stable, canary judge.Counts
		for second := 1; second <= seconds; second++ {
			stable = sent(random, stable, float64(rate)*(1-share), fails[0])
			canary = sent(random, canary, float64(rate)*share, fails[1])
			if limits.Look(stable, canary).Outcome == outcome {
				times = append(times, second)
				break
			}
		}
	}
	slices.Sort(times)
	return times
}

// sent adds a second's requests; a part of one is one with that probability.
func sent(random *rand.Rand, c judge.Counts, requests, fails float64) judge.Counts {
	n := int(requests)
	if random.Float64() < requests-float64(n) {
		n++
	}
	for range n {
		c.Requests++
		if random.Float64() < fails {
			c.Failures++
		}
	}
	return c
}
