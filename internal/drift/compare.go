package drift

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxValue is the length of a value that a difference still shows, in bytes.
const maxValue = 100

// difference is a field that has another value than was written.
type difference struct {
	path       path
	want, have any // nil is none
}

// path is the way to a field: names, and items of lists in brackets.
type path []string

func (p path) to(name string) path { return append(slices.Clone(p), name) }

func (p path) String() string { return strings.ReplaceAll(strings.Join(p, "."), ".[", "[") }

func (d difference) String() string {
	want, have := text(d.want), text(d.have)
	if len(want) > maxValue || len(have) > maxValue {
		return d.path.String() + ": another value"
	}
	return d.path.String() + ": " + want + " => " + have
}

func text(value any) string {
	if value == nil {
		return "(none)"
	}
	if _, ok := value.(string); ok {
		return fmt.Sprint(value)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(b)
}

// compare finds the fields of want, in the order of their names, that have other
// values.
func compare(want, have any, at path) []difference {
	switch want := want.(type) {
	case map[string]any:
		return compareFields(want, have, at)
	case []any:
		return compareItems(want, have, at)
	}
	if fmt.Sprint(want) == fmt.Sprint(have) || (at.String() == "spec.replicas" && atLeast(have, want)) {
		return nil
	}
	return []difference{{at, want, have}}
}

func compareFields(want map[string]any, have any, at path) []difference {
	fields, ok := have.(map[string]any)
	if !ok && len(want) > 0 {
		return []difference{{at, want, have}}
	}
	var all []difference
	for _, name := range slices.Sorted(maps.Keys(want)) {
		all = append(all, compare(want[name], fields[name], at.to(name))...)
	}
	return all
}

// compareItems compares lists item by item: by their names, where they have them, so
// that what others added does not count. A VirtualService's routes are taken in their
// order.
func compareItems(want []any, have any, at path) []difference {
	items, _ := have.([]any)
	var all []difference
	if wanted, named := byName(want), byName(items); wanted != nil && named != nil && at.String() != "spec.http" {
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			all = append(all, compare(wanted[name], named[name], at.to("["+name+"]"))...)
		}
		return all
	}
	if len(items) != len(want) {
		return []difference{{at, want, have}}
	}
	for i, item := range want {
		all = append(all, compare(item, items[i], at.to(fmt.Sprintf("[%d]", i)))...)
	}
	return all
}

// byName is nil unless every item has a name.
func byName(items []any) map[string]any {
	named := map[string]any{}
	for _, item := range items {
		fields, _ := item.(map[string]any)
		name, ok := fields["name"].(string)
		if !ok {
			return nil
		}
		named[name] = item
	}
	if len(named) == 0 {
		return nil
	}
	return named
}

func atLeast(have, want any) bool {
	number := func(value any) (n float64, ok bool) {
		_, err := fmt.Sscan(fmt.Sprint(value), &n)
		return n, err == nil
	}
	h, ok := number(have)
	w, also := number(want)
	return ok && also && h >= w
}
