package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	// watchPause is the time between the end of a look and the next.
	watchPause = time.Second
	// outputsPause is the same for the stack's outputs, which cost more. They are
	// read again only while the cluster has another split.
	outputsPause = 3 * time.Second
)

// follow looks again until the context ends, which is the way to end it.
func (s *statusCommand) follow(ctx context.Context, v view, wrote *update, last *status) error {
	show := s.lines
	switch {
	case s.output == outputJSON:
		show = s.objects
	case s.env.screen != nil:
		show = s.draw
	}
	if err := show(nil, last); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	problem, outputsRead := "", s.env.now()
	for {
		select {
		case <-ctx.Done():
			return last.exit()
		case <-time.After(s.env.pause):
		}
		if last.Live != nil && *last.Live != last.Configured && s.env.now().Sub(outputsRead) >= outputsPause {
			outputsRead = s.env.now()
			if fresh, err := s.read(ctx); err == nil { // an update that is under way holds them back
				wrote = fresh
			}
		}
		next, err := look(ctx, v, wrote)
		switch {
		case ctx.Err() != nil:
			return last.exit()
		case err != nil:
			if problem != err.Error() { // said once: it may take a while to pass
				problem = err.Error()
				fmt.Fprintf(s.env.stderr, "canary: %v; trying again\n", err)
			}
			continue
		}
		problem = ""
		if err := show(last, next); err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
		last = next
	}
}

// draw shows the table over the one before, cut to what fits.
func (s *statusCommand) draw(_, next *status) error {
	var b bytes.Buffer
	if err := next.table(&b); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	width, height, err := term.GetSize(int(s.env.screen.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	_, err = fmt.Fprintf(s.env.screen, "\x1b[H\x1b[J%s", strings.Join(fit(lines, width, height-1), "\n")+"\n")
	return err
}

// fit cuts a picture to a terminal's size. The verdict is at the end, so what
// is in the middle goes.
func fit(lines []string, width, height int) []string {
	if over := len(lines) - height; over > 0 && height > 10 {
		end := 4
		from := height - end - 1
		cut := fmt.Sprintf("… %d more lines", len(lines)-end-from)
		lines = slices.Concat(lines[:from], []string{cut}, lines[len(lines)-end:])
	}
	fitted := make([]string, len(lines))
	for i, line := range lines {
		if runes := []rune(line); len(runes) > width && width > 1 {
			line = string(runes[:width-1]) + "…"
		}
		fitted[i] = line
	}
	return fitted
}

// lines shows the first look as a table, then one line for every change.
func (s *statusCommand) lines(last, next *status) error {
	if last == nil {
		return next.table(s.env.stdout)
	}
	for _, change := range changes(last, next) {
		if _, err := fmt.Fprintf(s.env.stdout, "%s %s\n", s.env.now().Format(time.TimeOnly), change); err != nil {
			return err
		}
	}
	return nil
}

// objects shows every look that differs from the one before as one line of JSON.
func (s *statusCommand) objects(last, next *status) error {
	if last != nil && len(changes(last, next)) == 0 {
		return nil
	}
	encoder := json.NewEncoder(s.env.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(next)
}

// changes lists what is not as in the look before, in the order of the table.
func changes(last, next *status) []string {
	before, after := facts(last), facts(next)
	var found []string
	for _, fact := range after {
		if old, ok := value(before, fact.name); !ok {
			found = append(found, fact.name+": "+fact.text)
		} else if old != fact.text {
			found = append(found, fact.name+": "+old+" -> "+fact.text)
		}
	}
	for _, fact := range before {
		if _, ok := value(after, fact.name); !ok {
			found = append(found, fact.name+": gone")
		}
	}
	return found
}

type fact struct{ name, text string }

func facts(s *status) []fact {
	live := s.LiveProblem
	if s.Live != nil {
		live = s.Live.String()
	}
	all := []fact{{"configured", s.Configured.String()}, {"VirtualService", live}}
	if lines := s.Extras.Lines(); len(lines) > 0 {
		all = append(all, fact{"beside it", strings.Join(lines, "; ")})
	}
	for _, subset := range s.Subsets {
		all = append(all, fact{subset.Subset, subset.pods() + " " + orDash(subset.Image)})
	}
	for _, p := range s.Proxies {
		all = append(all, fact{p.Namespace + "/" + p.Pod, p.Says})
	}
	return append(all, fact{"verdict", strings.TrimSuffix(s.verdict(), "\n")})
}

func value(facts []fact, name string) (string, bool) {
	at := slices.IndexFunc(facts, func(f fact) bool { return f.name == name })
	if at < 0 {
		return "", false
	}
	return facts[at].text, true
}
