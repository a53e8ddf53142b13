package rivals

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is the harm of the same releases by several tools.
type Report struct {
	Date    time.Time
	Machine string
	Intro   string // how it was measured
	Tools   []Tool // the first one is this stack by its defaults
	Trials  []Trial
}

// Tool is one of those that released.
type Tool struct {
	Name, Settings string
	Rival          bool // whether it is not this stack
}

// Trial is one release by one tool.
type Trial struct {
	Release, Tool string
	Harm          Harm
	Verdict       string        // in a word or two
	Took          time.Duration // from its begin to the verdict
	Said          string        // by the tool, about the verdict
}

// Markdown is the document.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Harm beside Flagger and Argo Rollouts\n\nWritten by `make bench-rivals` on %s.\n\nMachine: %s.\n\n%s\n", r.Date.UTC().Format(time.DateOnly), r.Machine, r.Intro)
	fmt.Fprintf(&b, "\n| Release |")
	for _, tool := range r.Tools {
		fmt.Fprintf(&b, " %s |", tool.Name)
	}
	fmt.Fprintf(&b, " Of the better rival's harm |\n| --- |%s --- |\n", strings.Repeat(" --- |", len(r.Tools)))
	for _, name := range r.releases() {
		fmt.Fprintf(&b, "| %s |", name)
		for _, tool := range r.Tools {
			fmt.Fprintf(&b, " %s |", r.cell(name, tool.Name))
		}
		fmt.Fprintf(&b, " %s |\n", r.share(name))
	}
	b.WriteString("\n## Settings\n")
	for _, tool := range r.Tools {
		fmt.Fprintf(&b, "\n**%s**: %s\n", tool.Name, tool.Settings)
	}
	b.WriteString("\n## What each said\n\n")
	for _, trial := range r.Trials {
		fmt.Fprintf(&b, "- %s, %s: %s\n", trial.Release, trial.Tool, trial.Said)
	}
	return b.String()
}

// releases are their names in the order in which they first came.
func (r *Report) releases() []string {
	var names []string
	for _, trial := range r.Trials {
		if !slices.Contains(names, trial.Release) {
			names = append(names, trial.Release)
		}
	}
	return names
}

func (r *Report) trial(release, tool string) *Trial {
	i := slices.IndexFunc(r.Trials, func(t Trial) bool { return t.Release == release && t.Tool == tool })
	if i < 0 {
		return nil
	}
	return &r.Trials[i]
}

func (r *Report) cell(release, tool string) string {
	trial := r.trial(release, tool)
	if trial == nil {
		return "not run"
	}
	harm := fmt.Sprintf("**%d** bad", trial.Harm.Bad)
	if trial.Harm.Bad > 1 {
		harm += fmt.Sprintf(" in %.1f s", trial.Harm.Lasted.Seconds())
	}
	if trial.Harm.GoesOn {
		harm += ", until the load ended"
	}
	return fmt.Sprintf("%s; %s after %.0f s", harm, trial.Verdict, trial.Took.Seconds())
}

// share is this stack's harm as a part of the better rival's.
func (r *Report) share(release string) string {
	ours := r.trial(release, r.Tools[0].Name)
	least := -1
	for _, tool := range r.Tools {
		if trial := r.trial(release, tool.Name); tool.Rival && trial != nil && (least < 0 || trial.Harm.Bad < least) {
			least = trial.Harm.Bad
		}
	}
	if ours == nil || least <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*float64(ours.Harm.Bad)/float64(least))
}
