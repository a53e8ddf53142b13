// Package live shows a promotion on a terminal while it runs: a picture that is drawn anew,
// below the lines that it says.
package live

import (
	"fmt"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"canary/internal/promotion"
	_ "canary/internal/promotion/live/unasked" // before bubbletea asks
)

// View is the picture of a running promotion.
type View struct {
	out     io.Writer
	program *tea.Program
	over    chan struct{}
}

// Start shows a promotion of an app on a terminal, until End.
func Start(out io.Writer, app string, record *promotion.Record, stages []promotion.Stage, now func() time.Time) *View {
	v := &View{out: out, over: make(chan struct{})}
	// The terminal stays as it is: Ctrl-C is the signal that it is without a view, and a
	// program that is killed leaves nothing to mend.
	v.program = tea.NewProgram(newModel(app, record, stages, now), tea.WithOutput(out),
		tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithoutBracketedPaste())
	go func() {
		defer close(v.over)
		_, _ = v.program.Run() // a terminal that does not take a picture still gets the lines
	}()
	return v
}

// Say writes a line above the picture, where it stays; after End just a line.
func (v *View) Say(line string) {
	select {
	case <-v.over:
		fmt.Fprintln(v.out, line)
	default:
		// Of a line that is wider than the terminal, bubbletea leaves what stood beside its end.
		v.program.Send(tea.Println(ansi.EraseScreenBelow, line)())
	}
}

// Look takes what promotion.Promotion tells its Look.
func (v *View) Look(stage int, judged *promotion.Judged) {
	if judged == nil {
		v.program.Send(beginMsg(stage))
		return
	}
	v.program.Send(lookMsg(*judged))
}

// End takes the picture away; the lines stay.
func (v *View) End() {
	v.program.Send(endMsg{})
	<-v.over
}
