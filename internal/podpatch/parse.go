package podpatch

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Patch is what a user wants of a pod template.
type Patch struct{ fields map[string]any }

// Problem is one thing that is wrong, and where.
type Problem struct {
	// Path is a field, as spec.containers[0].resources; "" is the whole.
	Path string
	// Text says what is wrong, what is allowed and what to do.
	Text string
}

// String is "PATH: TEXT", on one line.
func (p Problem) String() string {
	text := p.Text
	if p.Path != "" {
		text = p.Path + ": " + p.Text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Parse decodes a patch, YAML or JSON, and tells all that is wrong with it.
func Parse(text []byte) (*Patch, []Problem) {
	encoded, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, []Problem{{"", "not YAML: " + oneLine(err.Error())}}
	}
	var value any
	if err := json.Unmarshal(encoded, &value); err != nil {
		return nil, []Problem{{"", "not YAML: " + oneLine(err.Error())}}
	}
	if value == nil {
		value = map[string]any{}
	}
	c := &checker{}
	c.check(value, reflect.TypeFor[corev1.PodTemplateSpec](), "", "")
	c.checkMetadata(value)
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
		return nil, c.problems
	}
	return &Patch{value.(map[string]any)}, nil
}

// checkMetadata refuses what a template's metadata has beside labels and annotations:
// the pods' names and owners are the Deployment's affair.
func (c *checker) checkMetadata(value any) {
	fields, _ := value.(map[string]any)
	metadata, _ := fields["metadata"].(map[string]any)
	for _, name := range sortedKeys(metadata) {
		if name != "labels" && name != "annotations" && hasField(reflect.TypeFor[corev1.PodTemplateSpec](), "metadata", name) {
			c.refuse("metadata."+name, "of metadata only labels and annotations can be set")
		}
	}
}

func (c *checker) refuse(path, format string, values ...any) {
	c.problems = append(c.problems, Problem{path, fmt.Sprintf(format, values...)})
}
