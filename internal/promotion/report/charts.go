package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ink is what something is drawn in: the page's style gives it a colour, one for light and
// one for dark.
type ink uint8

const (
	inkText ink = iota + 1
	inkGrid
	inkConfigured
	inkStable
	inkCanary
	inkLimit
)

var inks = map[ink]string{inkText: "muted", inkGrid: "grid", inkConfigured: "configured", inkStable: "stable", inkCanary: "canary", inkLimit: "limit"}

// RGBA marks the ink in what gonum writes, for themed to find.
func (i ink) RGBA() (r, g, b, a uint32) { return color.RGBA{R: uint8(i), G: 1, B: 2, A: 255}.RGBA() }

func (i ink) mark() string { return fmt.Sprintf("#%02X0102", uint8(i)) }

func (i ink) line(width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: i, Width: width, Dashes: dashes}
}

// chart is a drawing in two widths: text stays as large as it is.
type chart struct{ Wide, Narrow template.HTML }

const (
	wide   vg.Length = 832
	narrow vg.Length = 330
)

// drawn draws a plot for both widths.
func drawn(height vg.Length, plotOf func(width vg.Length) *plot.Plot) chart {
	at := func(width vg.Length) template.HTML {
		canvas := vgsvg.New(width, height)
		plotOf(width).Draw(draw.New(canvas))
		var out bytes.Buffer
		_, _ = canvas.WriteTo(&out) // a buffer takes everything
		return themed(out.String())
	}
	return chart{Wide: at(wide), Narrow: at(narrow)}
}

var (
	fontOf = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
	sizeOf = regexp.MustCompile(`<svg width="[^"]*" height="[^"]*"`)
)

// themed takes the font and the colours of the page.
func themed(svg string) template.HTML {
	_, svg, _ = strings.Cut(svg, "<svg ")
	svg = sizeOf.ReplaceAllString("<svg "+svg, `<svg aria-hidden="true" focusable="false"`)
	svg = fontOf.ReplaceAllString(svg, "")
	for i, name := range inks {
		svg = strings.ReplaceAll(svg, i.mark(), "var(--"+name+")")
	}
	return template.HTML(svg) //nolint:gosec // drawn here; gonum escapes the texts
}

// newPlot is an empty one with a grid.
func newPlot(grid *plotter.Grid) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle, axis.Tick.LineStyle, axis.Padding, axis.Tick.Length = inkGrid.line(1), inkGrid.line(1), 0, 5
		axis.Tick.Label = style(axis.Tick.Label, inkText)
	}
	grid.Vertical.Width, grid.Horizontal.Width = 1, 1
	p.Add(grid)
	return p
}

func style(s text.Style, i ink) text.Style {
	s.Color, s.Font = i, font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
	return s
}

// across and along are grids whose lines do not go with the axis of the steps.
func across() *plotter.Grid { return &plotter.Grid{Horizontal: draw.LineStyle{Color: inkGrid}} }
func along() *plotter.Grid  { return &plotter.Grid{Vertical: draw.LineStyle{Color: inkGrid}} }

func lineOf(points plotter.XYs, style draw.LineStyle) *plotter.Line {
	line := &plotter.Line{XYs: points}
	line.LineStyle = style
	return line
}

// shares draws the canary's share over time: as configured, and as observed.
func (r *Report) shares() chart {
	return drawn(260, func(width vg.Length) *plot.Plot {
		p := newPlot(across())
		p.Y.Min, p.Y.Max = 0, 100
		p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 25, Label: "25 %"}, {Value: 50, Label: "50 %"}, {Value: 75, Label: "75 %"}, {Value: 100, Label: "100 %"}}
		p.X.Min, p.X.Max = 0, 1.02*max(r.minutes(r.Ended()), 0.1)
		p.X.Tick.Marker = clock(width / 90)

		weights := r.configured()
		configured := lineOf(append(weights, plotter.XY{X: p.X.Max, Y: weights[len(weights)-1].Y}), inkConfigured.line(2))
		configured.StepStyle = plotter.PostStep
		p.Add(configured)
		for _, step := range r.Steps {
			if !step.Copied {
				p.Add(lineOf(step.observed(r.minutes(step.Begun)), inkCanary.line(2)))
			}
		}
		return p
	})
}

// minutes is a time since the beginning.
func (r *Report) minutes(t time.Time) float64 { return t.Sub(r.Begun()).Minutes() }

// configured are the weights that were in force, each from when on.
func (r *Report) configured() plotter.XYs {
	points := plotter.XYs{{}}
	for _, update := range r.Updates {
		at := update.Ended
		switch {
		case r.Outcome == TakenBack && update.Weight == 0 && len(points) > 1:
			at = update.Begun // the split is written before the update that records it
		case !update.Succeeded:
			continue
		}
		points = append(points, plotter.XY{X: r.minutes(at), Y: update.Weight})
	}
	return points
}

// fewest is of how many requests a point of the observed share is drawn at least.
const fewest = 50

// observed is the canary's share of the requests between readings, or of all of them when
// the history has no readings.
func (s Step) observed(begun float64) plotter.XYs {
	var points plotter.XYs
	if len(s.Samples) > 0 {
		last := s.Samples[0]
		for _, sample := range s.Samples[1:] {
			stable, canary := sample.Stable.Requests-last.Stable.Requests, sample.Canary.Requests-last.Canary.Requests
			if stable+canary >= fewest {
				points = append(points, plotter.XY{X: begun + sample.Seconds/60, Y: 100 * share(stable, canary)})
				last = sample
			}
		}
	}
	if len(points) > 1 {
		return points
	}
	level := 100 * s.Share()
	return plotter.XYs{{X: begun, Y: level}, {X: begun + s.Seconds/60, Y: level}}
}

// failures draws the share of failures of both subsets in each step.
func (r *Report) failures() chart {
	return drawn(240, func(width vg.Length) *plot.Plot {
		p := newPlot(across())
		count := vg.Length(len(r.Steps))
		bar := min(36, (width-70)/count/2.6)
		highest := 0.0
		for _, subset := range []struct {
			ink    ink
			offset vg.Length
			share  func(Step) float64
		}{
			{inkStable, -bar/2 - 1, func(s Step) float64 { return s.Stable.Share() }},
			{inkCanary, bar/2 + 1, func(s Step) float64 { return s.Verdict.Canary.Share() }},
		} {
			bars := &plotter.BarChart{Width: bar, Color: subset.ink, Offset: subset.offset}
			labels := &plotter.Labels{Offset: vg.Point{X: subset.offset, Y: 3}}
			for i, step := range r.Steps {
				value := 100 * subset.share(step)
				highest = max(highest, value)
				bars.Values = append(bars.Values, value)
				labels.XYs = append(labels.XYs, plotter.XY{X: float64(i), Y: value})
				labels.Labels = append(labels.Labels, fmt.Sprintf("%.2g", value))
				labels.TextStyle = append(labels.TextStyle, style(text.Style{XAlign: draw.XCenter, Handler: p.TextHandler}, subset.ink))
			}
			p.Add(bars)
			if bar > 24 {
				p.Add(labels)
			}
		}
		if highest == 0 {
			highest = 100 * r.Record.MaxFailures
		}
		p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, min(100, 1.15*highest), percents(5)
		p.X.Min, p.X.Max, p.X.Tick.Marker = -0.5, float64(len(r.Steps))-0.5, r.names(int(width/48))
		return p
	})
}

// evidence draws, for each step, how much more the canary surely failed than stable.
func (r *Report) evidence() chart {
	count := len(r.Steps)
	return drawn(vg.Length(60+34*count), func(width vg.Length) *plot.Plot {
		p := newPlot(along())
		limit := 100 * r.Record.MaxFailures
		low, high := 0.0, limit
		for i, step := range r.Steps {
			v, y := step.Verdict, float64(-i)
			low, high = min(low, 100*v.Low), max(high, 100*v.High)
			ends := plotter.XYs{{X: 100 * v.Low, Y: y}, {X: 100 * v.High, Y: y}}
			p.Add(lineOf(ends, inkCanary.line(3)))
			p.Add(&plotter.Scatter{XYs: ends, GlyphStyle: draw.GlyphStyle{Color: inkCanary, Radius: 5, Shape: tee{}}})
			p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: 100 * v.Excess, Y: y}}, GlyphStyle: draw.GlyphStyle{Color: inkCanary, Radius: 5, Shape: draw.CircleGlyph{}}})
		}
		room := 0.06 * (high - low)
		p.X.Min, p.X.Max, p.X.Tick.Marker = low-room, high+room, percents(int(width/80))
		p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0.5-float64(count), 0.5, r.names(count).down()
		p.Add(lineOf(plotter.XYs{{X: 0, Y: p.Y.Min}, {X: 0, Y: p.Y.Max}}, inkText.line(1)))
		p.Add(lineOf(plotter.XYs{{X: limit, Y: p.Y.Min}, {X: limit, Y: p.Y.Max}}, inkLimit.line(2, 6, 4)))
		return p
	})
}

// tee is the end of an interval.
type tee struct{}

func (tee) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	c.StrokeLine2(draw.LineStyle{Color: style.Color, Width: 3}, at.X, at.Y-style.Radius, at.X, at.Y+style.Radius)
}

type ticks []plot.Tick

func (t ticks) Ticks(float64, float64) []plot.Tick { return t }

// down are ticks from the top down.
func (t ticks) down() ticks {
	for i := range t {
		t[i].Value = -t[i].Value
	}
	return t
}

// names are those of the steps, or of every other and so on when there is no room for more.
func (r *Report) names(most int) ticks {
	var t ticks
	for i := 0; i < len(r.Steps); i += 1 + (len(r.Steps)-1)/most {
		t = append(t, plot.Tick{Value: float64(i), Label: r.Steps[i].Weight + " %"})
	}
	return t
}

// percents are at most so many round numbers.
type percents int

func (most percents) Ticks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(most))))
	for _, times := range []float64{1, 2, 5, 10} {
		if (high-low)/(times*step) <= float64(most) {
			step *= times
			break
		}
	}
	var t []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		t = append(t, plot.Tick{Value: i * step, Label: percent(i * step / 100)})
	}
	return t
}

// clock are at most so many round times.
type clock int

func (most clock) Ticks(low, high float64) []plot.Tick {
	for _, step := range []time.Duration{
		10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
	} {
		if (high-low)/step.Minutes() > float64(most) {
			continue
		}
		var t []plot.Tick
		for at := time.Duration(0); at.Minutes() <= high; at += step {
			t = append(t, plot.Tick{Value: at.Minutes(), Label: label(at, step)})
		}
		return t
	}
	return nil
}

// label is a time after the beginning, no finer than the step.
func label(at, step time.Duration) string {
	switch {
	case step >= time.Hour:
		return fmt.Sprintf("%.0f h", at.Hours())
	case step >= time.Minute:
		return fmt.Sprintf("%.0f min", at.Minutes())
	}
	return fmt.Sprintf("%d:%02d", int(at.Minutes()), int(at.Seconds())%60)
}
