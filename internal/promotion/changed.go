package promotion

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"canary/internal/stack"
)

// Changed are the keys in which a stack's file is neither as the last recorded update of a
// promotion left it nor as its next stage has it, in words: somebody else has set them since.
// Of a promotion without a recorded update only what its first stage sets is known.
func Changed(record *Record, stages []Stage, last, file map[string]stack.Value) []string {
	next := stages[0]
	keys := slices.Collect(maps.Keys(next.Set))
	if last[Key].Text != "" {
		next = stages[min(record.Stage+1, len(stages)-1)]
		keys = slices.AppendSeq(slices.Collect(maps.Keys(last)), maps.Keys(file))
	}
	slices.Sort(keys)
	var changed []string
	for _, key := range slices.Compact(keys) {
		after, known := next.after(key, last)
		if key == Key || !known || same(file[key], last[key]) || same(file[key], after) {
			continue
		}
		changed = append(changed, fmt.Sprintf("%s is %s and was %s", key, shown(file[key]), shown(last[key])))
	}
	return changed
}

// after is the value of a key after the stage. Not known is that of an object of which the
// stage sets fields.
func (s Stage) after(key string, before map[string]stack.Value) (value stack.Value, known bool) {
	if slices.Contains(s.Remove, key) {
		return stack.Value{}, true
	}
	if value, set := s.Set[key]; set {
		return value, true
	}
	for path := range s.Set {
		if strings.HasPrefix(path, key+".") || strings.HasPrefix(path, key+"[") {
			return stack.Value{}, false
		}
	}
	return before[key], true
}

// same compares values; objects may be written in several ways.
func same(a, b stack.Value) bool {
	if a == b {
		return true
	}
	var inA, inB map[string]any
	return a.Secret == b.Secret && json.Unmarshal([]byte(a.Text), &inA) == nil && json.Unmarshal([]byte(b.Text), &inB) == nil && reflect.DeepEqual(inA, inB)
}

// shownLength is the longest value that is shown, in bytes.
const shownLength = 80

func shown(value stack.Value) string {
	switch {
	case value.Secret:
		return "a secret"
	case value.Text == "":
		return "not set"
	case len(value.Text) > shownLength:
		return "another text"
	}
	return value.Text
}
