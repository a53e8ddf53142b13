package drift

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// maxValue is the length of a value that a difference still shows, in bytes.
const maxValue = 100

// difference is a field that has another value than was written.
type difference struct {
	path, field string // field is the last name in path
	want, have  any    // nil is none
}

func (d difference) String() string {
	want, have := text(d.want), text(d.have)
	if len(want) > maxValue || len(have) > maxValue {
		return d.path + ": another value"
	}
	return d.path + ": " + want + " => " + have
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

// compare finds the fields of want, sorted by path, that have other values.
func compare(want, have any, path string) []difference {
	switch want := want.(type) {
	case map[string]any:
		return compareFields(want, have, path)
	case []any:
		return compareItems(want, have, path)
	}
	if fmt.Sprint(want) == fmt.Sprint(have) || (path == "spec.replicas" && atLeast(have, want)) {
		return nil
	}
	return []difference{{path: path, field: lastName(path), want: want, have: have}}
}

func compareFields(want map[string]any, have any, path string) []difference {
	fields, ok := have.(map[string]any)
	if !ok && len(want) > 0 {
		return []difference{{path: path, field: lastName(path), want: want, have: have}}
	}
	var all []difference
	for _, name := range slices.Sorted(maps.Keys(want)) {
		below := name
		if path != "" {
			below = path + "." + name
		}
		for _, d := range compare(want[name], fields[name], below) {
			if d.path == below {
				d.field = name // a label's name has dots of its own
			}
			all = append(all, d)
		}
	}
	return all
}

// compareItems compares lists item by item: by their names, where they have them, so
// that what others added does not count.
func compareItems(want []any, have any, path string) []difference {
	items, _ := have.([]any)
	var all []difference
	if wanted, named := byName(want), byName(items); wanted != nil && named != nil {
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			all = append(all, compare(wanted[name], named[name], path+"["+name+"]")...)
		}
		return all
	}
	if len(items) != len(want) {
		return []difference{{path: path, field: lastName(path), want: want, have: have}}
	}
	for i, item := range want {
		all = append(all, compare(item, items[i], fmt.Sprintf("%s[%d]", path, i))...)
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

func lastName(path string) string {
	end := len(path)
	for i := len(path) - 1; i >= 0; i-- {
		switch path[i] {
		case '[':
			end = i
		case '.':
			return path[i+1 : end]
		}
	}
	return path[:end]
}
