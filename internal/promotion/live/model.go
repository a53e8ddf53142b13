package live

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"canary/internal/judge"
	"canary/internal/promotion"
)

// What the model is told.
type (
	beginMsg int // a stage begins
	lookMsg  promotion.Judged
	tickMsg  struct{}
	endMsg   struct{}
)

const tick = time.Second

// model is the picture.
type model struct {
	app    string
	plan   promotion.Plan
	stages []promotion.Stage
	now    func() time.Time

	begun, stageBegun time.Time
	stage             int
	judged            map[string]promotion.Judged // by weight
	width             int
	over              bool
}

func newModel(app string, record *promotion.Record, stages []promotion.Stage, now func() time.Time) model {
	m := model{
		app: app, plan: record.Plan, stages: stages, now: now,
		begun: now(), stageBegun: now(), stage: record.Stage, judged: map[string]promotion.Judged{}, width: 80,
	}
	for _, step := range record.Judged {
		m.judged[step.Weight] = step
	}
	return m
}

// Init shows the cursor again, which bubbletea hides: a program that is killed could not.
func (m model) Init() tea.Cmd { return tea.Batch(tea.ShowCursor, next()) }

func next() tea.Cmd { return tea.Tick(tick, func(time.Time) tea.Msg { return tickMsg{} }) }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width = msg.Width
	case tickMsg:
		return m, next()
	case beginMsg:
		m.stage, m.stageBegun = int(msg), m.now()
	case lookMsg:
		m.judged[msg.Weight] = promotion.Judged(msg)
	case endMsg:
		m.over = true
		return m, tea.Quit
	}
	return m, nil
}

var (
	strong = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	good   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
)

func (m model) View() string {
	if m.over {
		return ""
	}
	stage := m.stages[m.stage]
	judged, found := m.judged[stage.Weight]
	found = found && stage.Bake
	weight := "0"
	switch {
	case found:
		weight = stage.Weight
	case m.stage > 0:
		weight = m.stages[m.stage-1].Weight
	}
	lines := []string{"", fmt.Sprintf("%s as %s: canary at %s %%, after %s", strong.Render(m.plan.Image), m.app, weight, m.since(m.begun))}
	for i := range m.stages {
		lines = append(lines, m.line(i))
	}
	if found {
		lines = append(append(lines, ""), m.counts(judged)...)
		lines = append(lines, m.evidence(judged.Verdict, m.plan.MaxFailures, "failures")...)
		if judged.Slowness != nil {
			lines = append(lines, m.evidence(*judged.Slowness, m.plan.MaxSlowdown, "slow requests")...)
		}
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	return strings.Join(lines, "\n")
}

func (m model) since(t time.Time) string { return m.now().Sub(t).Round(time.Second).String() }

// line is that of a stage.
func (m model) line(i int) string {
	stage := m.stages[i]
	judged, found := m.judged[stage.Weight]
	switch {
	case i > m.stage:
		return faint.Render("  · " + stage.Name)
	case i < m.stage && stage.Bake && found:
		return good.Render("  ✓ ") + stage.Name + faint.Render(fmt.Sprintf(", passed after %v", seconds(judged.Seconds)))
	case i < m.stage:
		return good.Render("  ✓ ") + stage.Name
	case stage.Bake && found:
		return strong.Render("  ▸ "+stage.Name) + fmt.Sprintf(", judged for %v of %v", seconds(judged.Seconds), m.plan.Bake)
	}
	return strong.Render("  ▸ "+stage.Name) + ", updating for " + m.since(m.stageBegun)
}

// counts are the requests of both subsets.
func (m model) counts(judged promotion.Judged) []string {
	v := judged.Verdict
	line := func(name string, c judge.Counts) string {
		return fmt.Sprintf("  %-6s%12d%8d%10s", name, c.Requests, c.Failures, percent(c.Share()))
	}
	return []string{faint.Render("            requests  failed"), line("stable", v.Stable), line("canary", v.Canary)}
}

// evidence is the interval beside its limit, on a scale of the limit's size, and in words.
func (m model) evidence(v judge.Verdict, limit float64, of string) []string {
	const left = 2
	cells := max(20, min(m.width, 80)-2*left)
	low, high := -2*limit, 4*limit
	at := func(share float64) int { return int((share-low)/(high-low)*float64(cells-1) + 0.5) }
	bar := []rune(strings.Repeat(" ", cells))
	from, to := max(0, at(v.Low)), min(cells-1, at(v.High))
	for i := from; i <= to; i++ {
		bar[i] = '─'
	}
	bar[at(0)], bar[at(limit)] = '│', '┊'
	for _, end := range []struct {
		at          int
		inside, out rune
	}{{at(v.Low), '├', '◀'}, {at(v.High), '┤', '▶'}, {at(v.Excess), '●', '●'}} {
		if end.at < 0 || end.at >= cells {
			bar[max(0, min(cells-1, end.at))] = end.out
			continue
		}
		bar[end.at] = end.inside
	}
	style := lipgloss.NewStyle()
	switch v.Outcome {
	case judge.Pass:
		style = good
	case judge.Fail:
		style = bad
	case judge.Hold:
	}
	indent := strings.Repeat(" ", left)
	return []string{
		indent + style.Render(string(bar)),
		fmt.Sprintf("%smore %s than stable: surely %s to %s, allowed ┊ %s: %s", indent, of, percent(v.Low), percent(v.High), percent(limit), style.Render(string(v.Outcome))),
	}
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
