package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
)

// Longest part of a value that a message repeats, in characters.
const maxShown = 80

// refuse notes that the value of a declared key is not allowed. why continues "found VALUE" and may be
// empty; command is what to run, "" for setting a value that is allowed.
func (p *parser) refuse(key, why, command string) {
	declared := mustFind(key)
	if command == "" {
		command = "for example: " + declared.advice()
	} else {
		command = "run: " + command
	}
	p.add(key, fmt.Sprintf("%s: found %s%s; allowed: %s; %s", key, p.found(declared), why, declared.allowed, command))
}

// refuseFields notes fields of a declared key's value, one problem each.
func (p *parser) refuseFields(declared declaration, fields podError) {
	if p.isSecret(declared) {
		return // it is refused as a whole
	}
	for _, field := range fields {
		p.add(declared.Name, declared.Name+": "+field.String())
	}
}

func (p *parser) add(key, text string) {
	p.failed[key] = true
	p.problems = append(p.problems, problem{key, text})
}

// found shows what the stack's configuration has for a key.
func (p *parser) found(declared declaration) string {
	value := p.values[declared.Name]
	if value == "" && declared.Default == "" {
		return "nothing"
	}
	return p.show(declared, value)
}

// show quotes a value of a key, unless it is secret.
func (p *parser) show(declared declaration, value string) string {
	if p.isSecret(declared) {
		return "a value that is not shown"
	}
	return quote(value)
}

// showAll quotes some of the values that a key holds, unless it is secret.
func (p *parser) showAll(declared declaration, values []string) string {
	if p.isSecret(declared) {
		return "a value that is not shown"
	}
	return quoteAll(values)
}

func (p *parser) isSecret(declared declaration) bool {
	return declared.hidden || p.secret(declared.Name)
}

// report joins all problems, in the order of the declarations, unknown keys last.
func (p *parser) report() error {
	slices.SortStableFunc(p.problems, func(a, b problem) int { return cmp.Compare(position(a.key), position(b.key)) })
	lines := make([]string, len(p.problems))
	for i, problem := range p.problems {
		lines[i] = problem.text
	}
	return Problems(lines)
}

// Problems is the error that tells what is wrong with a configuration, a line each.
func Problems(lines []string) error {
	plural := "s"
	if len(lines) == 1 {
		plural = ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d problem%s in the stack's configuration:", len(lines), plural)
	for _, line := range lines {
		text.WriteString("\n  " + line)
	}
	return errors.New(text.String())
}

func mustFind(name string) declaration { return declarations[position(name)] }

// position is a key's place among the declarations, behind all of them for an unknown key.
func position(name string) int {
	i := slices.IndexFunc(declarations, func(declared declaration) bool { return declared.Name == name })
	if i < 0 {
		return len(declarations)
	}
	return i
}

// nearest is the declared key with the fewest differences to name, apart from upper and lower case.
func nearest(name string) string {
	name = strings.ToLower(shorten(name))
	distance := func(declared declaration) int {
		return levenshtein.Distance(name, strings.ToLower(declared.Name), nil)
	}
	return slices.MinFunc(declarations, func(a, b declaration) int {
		return cmp.Compare(distance(a), distance(b))
	}).Name
}

// quote puts a value on one line, shortened if it is long.
func quote(value string) string {
	short := shorten(value)
	if len(short) < len(value) {
		return strconv.Quote(short) + "…"
	}
	return strconv.Quote(value)
}

// quoteAll quotes every value.
func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = quote(value)
	}
	return strings.Join(quoted, ", ")
}

func shorten(value string) string {
	count := 0
	for i := range value {
		if count == maxShown {
			return value[:i]
		}
		count++
	}
	return value
}
