// Package torture draws faults by chance: the same seed draws the same ones, whatever becomes of them and however long
// they take.
package torture

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault.
type Kind struct {
	Name string
	// Often is how often it is drawn, as a share of the sum of all kinds.
	Often int
	// Weight and Image say what of the release it changes.
	Weight, Image bool
}

// Release is what a stack is told to serve.
type Release struct {
	Weight int    // of the canary, in percent
	Image  string // of the canary, by its tag
}

func (r Release) String() string { return fmt.Sprintf("weight %d, image %s", r.Weight, r.Image) }

// Step is one fault with all that is chance about it; a kind makes use of what it needs.
type Step struct {
	Number   int // from 1
	Kind     string
	Old, New Release
	Agent    int           // from 0
	Lasts    time.Duration // how long something is away
	Into     time.Duration // how long after the begin of a command
	Pick     int           // which of some; any number of at least 0
	Hand     int           // a weight that the release has not
}

func (s Step) String() string {
	return fmt.Sprintf("step %d, %s: %s, then %s; agent %d, lasts %v, %v into a command, pick %d, by hand %d",
		s.Number, s.Kind, s.Old, s.New, s.Agent, s.Lasts, s.Into, s.Pick, s.Hand)
}

// Sequence draws steps, each of which begins with what the one before left.
type Sequence struct {
	chance  *rand.Rand
	kinds   []Kind
	agents  int
	images  []string
	release Release
	number  int
}

// NewSequence draws for a stack that serves the first of the images, of which there are two at least, at weight 0.
func NewSequence(seed uint64, kinds []Kind, agents int, images ...string) *Sequence {
	return &Sequence{chance: rand.New(rand.NewPCG(seed, 0)), kinds: kinds, agents: agents, images: images, release: Release{Image: images[0]}}
}

// Next draws a step. It draws everything for each kind, so that a step does not depend on what the ones before made use of.
func (s *Sequence) Next() Step {
	const shortest, longest, longestInto = 5 * time.Second, 12 * time.Second, 15 * time.Second
	s.number++
	kind := s.kind()
	step := Step{
		Number: s.number, Kind: kind.Name, Old: s.release, New: s.release,
		Agent: s.chance.IntN(s.agents),
		Lasts: shortest + s.upTo(longest-shortest), Into: s.upTo(longestInto),
		Pick: s.chance.IntN(1000),
	}
	weight, image := s.weightBut(s.release.Weight), s.imageBut(s.release.Image)
	if kind.Weight {
		step.New.Weight = weight
	}
	if kind.Image {
		step.New.Image = image
	}
	step.Hand = s.weightBut(step.New.Weight)
	s.release = step.New
	return step
}

func (s *Sequence) kind() Kind {
	sum := 0
	for _, kind := range s.kinds {
		sum += kind.Often
	}
	drawn := s.chance.IntN(sum)
	for _, kind := range s.kinds {
		if drawn < kind.Often {
			return kind
		}
		drawn -= kind.Often
	}
	panic("more was drawn than there is")
}

func (s *Sequence) upTo(longest time.Duration) time.Duration {
	const grain = 10 * time.Millisecond
	return time.Duration(s.chance.Int64N(int64(longest/grain)+1)) * grain
}

// weightBut draws another weight; every fourth is 0 or 100, where a subset serves nothing.
func (s *Sequence) weightBut(old int) int {
	for {
		weight := s.chance.IntN(101)
		if s.chance.IntN(4) == 0 {
			weight = 100 * (weight % 2)
		}
		if weight != old {
			return weight
		}
	}
}

func (s *Sequence) imageBut(old string) string {
	for {
		if image := s.images[s.chance.IntN(len(s.images))]; image != old {
			return image
		}
	}
}
