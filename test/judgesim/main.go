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

	"canary/internal/judge"
)

// A simulated step: the canary gets 5 % of the requests and is looked at every second.
const (
	share = 0.05
	bake  = 300 // seconds
)

var limits = judge.Limits{MaxExcess: 0.01, Confidence: 0.99}

func main() {
	releases := flag.Int("releases", 1000, "simulated releases for each line")
	flag.Parse()
	rates := []int{1, 10, 100, 1000}

	fmt.Printf("Healthy canaries that were failed, of %d each:\n\n", *releases)
	fmt.Println("| requests a second | stable fails 0 % | 0.1 % | 5 % | 5 %, canary 6 % (as much as it may) |")
	fmt.Println("| ---: | ---: | ---: | ---: | ---: |")
	for _, rate := range rates {
		fmt.Printf("| %d |", rate)
		for _, sick := range [][2]float64{{0, 0}, {0.001, 0.001}, {0.05, 0.05}, {0.05, 0.06}} {
			fmt.Printf(" %d |", len(failed(*releases, rate, sick[0], sick[1])))
		}
		fmt.Println()
	}

	fmt.Printf("\nSick canaries that were failed within %d s, and the median of the seconds until then; stable fails 0.1 %%:\n\n", bake)
	fmt.Println("| requests a second | canary fails 100 % | 20 % | 5 % | 3 % |")
	fmt.Println("| ---: | ---: | ---: | ---: | ---: |")
	for _, rate := range rates {
		fmt.Printf("| %d |", rate)
		for _, sick := range []float64{1, 0.2, 0.05, 0.03} {
			times := failed(*releases, rate, 0.001, sick)
			if len(times) == 0 {
				fmt.Print(" none |")
				continue
			}
			fmt.Printf(" %.1f %%, %d s |", 100*float64(len(times))/float64(*releases), times[len(times)/2])
		}
		fmt.Println()
	}
}

// failed gives the seconds after which canaries were failed, ascending.
func failed(releases, rate int, stableFails, canaryFails float64) []int {
	random := rand.New(rand.NewPCG(uint64(rate), uint64(1e6*stableFails+1e9*canaryFails)))
	var times []int
	for range releases {
		var stable, canary judge.Counts
		for second := 1; second <= bake; second++ {
			stable = sent(random, stable, float64(rate)*(1-share), stableFails)
			canary = sent(random, canary, float64(rate)*share, canaryFails)
			if limits.Look(stable, canary).Outcome == judge.Fail {
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
