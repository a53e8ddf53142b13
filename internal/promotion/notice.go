package promotion

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Notice is what programs elsewhere are told, or asked.
type Notice struct {
	Time time.Time `json:"time"`
	// App is NAMESPACE/NAME, and Promotion the ID of the record.
	App       string `json:"app"`
	Promotion string `json:"promotion"`
	Image     string `json:"image"`
	// What is one of those below; Stage and Weight are those that it is about.
	What   string `json:"what"`
	Stage  string `json:"stage,omitempty"`
	Weight string `json:"weight,omitempty"`
	// Seen is what a step which has passed came to.
	Seen *Seen `json:"seen,omitempty"`
	// Reason is why it does not go on: one line, for logs of pods are not for others.
	Reason string `json:"reason,omitempty"`
	// Text says all of it to people.
	Text string `json:"text"`
}

// What there are notices of.
const (
	Began     = "began"
	Resumed   = "resumed"
	Done      = "done"   // an update
	Passed    = "passed" // a step
	Waits     = "waits"  // for a gate, a person, or the end of a pause
	Held      = "held"
	TakenBack = "taken back"
	Promoted  = "promoted"
	Failed    = "failed" // in another way
	// What a gate is asked.
	BeforeStep = "before step"
	AfterStep  = "after step"
)

// tell sends a notice; sentence goes into its text.
func (p *Promotion) tell(record *Record, notice Notice, sentence string) {
	if p.Tell != nil {
		p.Tell(p.complete(record, notice, sentence))
	}
}

func (p *Promotion) complete(record *Record, notice Notice, sentence string) Notice {
	notice.Time, notice.App, notice.Promotion, notice.Image = p.Now().UTC(), p.App, record.ID, record.Image
	notice.Text = fmt.Sprintf("%s, %s: %s", p.App, record.Image, sentence)
	return notice
}

// tellBegin is before the first stage.
func (p *Promotion) tellBegin(record *Record, stage Stage) {
	notice := Notice{What: Began, Stage: stage.Name, Weight: stage.Weight}
	sentence := "begins; the canary gets " + strings.Join(record.Steps, ", ") + " % of the requests"
	if record.Bake > 0 {
		sentence += fmt.Sprintf(", and is judged for %v each time", record.Bake)
	}
	if record.Interrupted != (Runner{}) {
		notice.What, sentence = Resumed, "is resumed at: "+stage.Name
	}
	p.tell(record, notice, sentence)
}

// tellEnd is after all, or after what went wrong.
func (p *Promotion) tellEnd(record *Record, stages []Stage, err error) {
	stage := stages[record.Stage]
	notice := Notice{What: Promoted, Stage: stage.Name, Weight: stage.Weight}
	if err == nil {
		p.tell(record, notice, "promoted: stable has it, and gets all requests")
		return
	}
	takenBack, held := new(TakenBackError), new(HeldError)
	switch {
	case errors.As(err, &takenBack):
		notice.What, notice.Weight = TakenBack, "0"
	case errors.As(err, &held):
		notice.What = Held
	default:
		notice.What = Failed
	}
	notice.Reason, _, _ = strings.Cut(err.Error(), "\n")
	p.tell(record, notice, notice.What+": "+notice.Reason)
}

// waits says that a stage's split stays until somebody lets it go on.
func (p *Promotion) waits(record *Record, stage Stage, reason string) {
	p.indent("waits: " + reason)
	p.Event(Event{Time: p.Now(), Stage: "wait", Weight: stage.Weight, Reason: reason})
	p.tell(record, Notice{What: Waits, Stage: stage.Name, Weight: stage.Weight, Reason: reason}, "waits at "+stage.Weight+" %: "+reason)
}

// question is one to the gate, before a step's update or after its bake.
func (p *Promotion) question(record *Record, what string, stage Stage) Notice {
	notice := Notice{What: what, Stage: stage.Name, Weight: stage.Weight}
	sentence := "may this begin: " + stage.Name + "?"
	if what == AfterStep {
		sentence = "may this be left: " + stage.Name + "?"
		if last := len(record.Judged) - 1; last >= 0 && record.Judged[last].Weight == stage.Weight {
			seen := record.Judged[last].Seen
			notice.Seen = &seen
			sentence += " " + record.describe(seen)
		}
	}
	return p.complete(record, notice, sentence)
}
