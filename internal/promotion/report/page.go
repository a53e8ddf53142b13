package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"canary/internal/judge"
	"canary/internal/promotion"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"datetime": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"count":    count,
	"percent":  percent,
	"seconds":  seconds,
	"duration": func(d promotion.Duration) string { return seconds(time.Duration(d).Seconds()) },
	"join":     strings.Join,
	"parts":    func(image string) []string { return strings.SplitAfter(image, "/") },
	"verdict": func(o judge.Outcome) string {
		return map[judge.Outcome]string{judge.Pass: "passed", judge.Fail: "failed", judge.Hold: "does not tell"}[o]
	},
}).Parse(pageText))

// page is what the template shows beside the report.
type page struct {
	*Report
	Shares, Failures, Evidence chart
	SharesText, FailuresText   string
	EvidenceText               string
}

// Write writes the report as a page of HTML that needs nothing else.
func (r *Report) Write(w io.Writer) error {
	p := page{Report: r, Shares: r.shares(), SharesText: r.sharesText()}
	if len(r.Steps) > 0 {
		p.Failures, p.FailuresText, p.Evidence, p.EvidenceText = r.failures(), r.failuresText(), r.evidence(), r.evidenceText()
	}
	return pageTemplate.Execute(w, p)
}

// Begun and Ended are the times of the first and of the last update.
func (r *Report) Begun() time.Time { return r.Updates[0].Begun }

// Ended is when the last update ended.
func (r *Report) Ended() time.Time { return r.Updates[len(r.Updates)-1].Ended }

// Seconds is how long it took.
func (r *Report) Seconds() float64 { return r.Ended().Sub(r.Begun()).Seconds() }

// Reason is why the canary was taken back, and Details what its pods showed.
func (r *Report) Reason() string {
	reason, _, _ := strings.Cut(r.Record.Failed, "\n")
	return reason
}

// Details is what the canary's pods showed when it was taken back.
func (r *Report) Details() string {
	_, details, _ := strings.Cut(r.Record.Failed, "\n")
	return details
}

// Explained says what the outcome means for the requests.
func (r *Report) Explained() string {
	last := r.Updates[len(r.Updates)-1]
	switch r.Outcome {
	case Promoted:
		return "Every step passed, and stable serves the image."
	case RolledBack:
		return "`canary rollback` gave all requests to stable."
	case Ended:
		return fmt.Sprintf("The update %q removed the promotion's record.", last.Name)
	case Held:
		if last.Settings[promotion.Key].Text == "" {
			return "Its last update failed: `pulumi up` repeats it."
		}
		return fmt.Sprintf("It is interrupted at %g %%, and `canary promote --resume` goes on with it.", last.Weight)
	case UnderWay:
		return fmt.Sprintf("It runs, and the last update that ended gave the canary %g %% of the requests.", last.Weight)
	case Unknown:
		return fmt.Sprintf("The last update gave the canary %g %% of the requests; whether %v still runs it cannot be seen from here.", last.Weight, r.Record.By)
	case TakenBack:
	}
	return ""
}

// Class is the outcome's in the style.
func (r *Report) Class() string {
	switch r.Outcome {
	case Promoted:
		return "good"
	case TakenBack:
		return "bad"
	}
	return "open"
}

// Beside reports whether the verdict has the requests of stable in the steps before.
func (s Step) Beside() bool { return s.Stable != s.Verdict.Stable }

func (r *Report) sharesText() string {
	var b strings.Builder
	b.WriteString("The canary's share of the requests over time. Configured: 0 % at first")
	level := 0.0
	for _, point := range r.configured() {
		if point.Y != level {
			fmt.Fprintf(&b, ", %g %% after %s", point.Y, seconds(60*point.X))
			level = point.Y
		}
	}
	for _, step := range r.Steps {
		if !step.Copied {
			fmt.Fprintf(&b, ". Observed at %s %%: %s", step.Weight, percent(step.Share()))
		}
	}
	return b.String() + "."
}

func (r *Report) failuresText() string {
	var b strings.Builder
	b.WriteString("Share of the requests that failed, by step.")
	for _, step := range r.Steps {
		fmt.Fprintf(&b, " At %s %%: stable %s, canary %s.", step.Weight, percent(step.Stable.Share()), percent(step.Verdict.Canary.Share()))
	}
	return b.String()
}

func (r *Report) evidenceText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "By how much more the canary surely failed than stable, by step; allowed is %s.", percent(r.Record.MaxFailures))
	for _, step := range r.Steps {
		fmt.Fprintf(&b, " At %s %%: between %s and %s.", step.Weight, percent(step.Verdict.Low), percent(step.Verdict.High))
	}
	return b.String()
}

// count is a number in groups of three digits.
func count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

func percent(share float64) string {
	return strings.Replace(fmt.Sprintf("%.3g\u00a0%%", 100*share+0), "-", "\u2212", 1)
}

// seconds is a time for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2g\u00a0s", s)
	case d < time.Minute:
		return fmt.Sprintf("%.0f\u00a0s", s)
	}
	d = d.Round(time.Second)
	text := fmt.Sprintf("%d\u00a0min", int(d.Minutes())%60)
	if d >= time.Hour {
		text = fmt.Sprintf("%d\u00a0h\u00a0%s", int(d.Hours()), text)
	} else if rest := int(d.Seconds()) % 60; rest > 0 {
		text += fmt.Sprintf("\u00a0%d\u00a0s", rest)
	}
	return text
}
