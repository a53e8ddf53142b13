package canary

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// maxValue is the length of a value that a change still shows, in bytes.
const maxValue = 100

// podChanges says in which fields the pods of a Deployment change from one set of
// inputs to another. The number of pods is no change of them.
func podChanges(from, to resource.PropertyMap) []string {
	before, after := podFields(from), podFields(to)
	var changes []string
	for _, path := range slices.SortedFunc(maps.Keys(merge(before, after)), imageFirst) {
		was, is := before[path], after[path]
		if was == is {
			continue
		}
		change := path
		if len(was) <= maxValue && len(is) <= maxValue {
			change += ": " + orNone(was) + " => " + orNone(is)
		}
		changes = append(changes, change)
	}
	return changes
}

// imageFirst sorts paths by name, and the image, which says most, before all.
func imageFirst(a, b string) int {
	rank := func(path string) string {
		if strings.HasSuffix(path, ".image") {
			return ""
		}
		return path
	}
	return strings.Compare(rank(a), rank(b))
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// podFields are the fields of a Deployment's pod template, by path.
func podFields(inputs resource.PropertyMap) map[string]string {
	fields := map[string]string{}
	spec := plain(inputs["spec"])
	if spec.IsObject() {
		flatten(plain(spec.ObjectValue()["template"]), "", fields)
	}
	return fields
}

func flatten(value resource.PropertyValue, path string, fields map[string]string) {
	switch value = plain(value); {
	case value.IsObject() && len(value.ObjectValue()) == 0:
		fields[path] = "{}"
	case value.IsObject():
		for key, below := range value.ObjectValue() {
			flatten(below, strings.TrimPrefix(path+"."+string(key), "."), fields)
		}
	case value.IsArray():
		for i, below := range value.ArrayValue() {
			flatten(below, fmt.Sprintf("%s[%d]", path, i), fields)
		}
	case value.IsString():
		fields[path] = fmt.Sprintf("%q", value.StringValue())
	case !value.IsNull():
		fields[path] = fmt.Sprint(value.V)
	}
}

// plain takes off what marks a value as a secret or as an output.
func plain(value resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case value.IsSecret():
			value = value.SecretValue().Element
		case value.IsOutput():
			value = value.OutputValue().Element
		default:
			return value
		}
	}
}
