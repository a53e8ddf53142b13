package podpatch

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// directive tells the strategic merge what to do with the object that it stands in.
const directive = "$patch"

// checker compares a decoded value with a type of Kubernetes'.
type checker struct{ problems []Problem }

// check notes what of a value does not fit a type. mergeKey is the field by which the
// elements of a list are told apart; "" for another value.
func (c *checker) check(value any, t reflect.Type, path, mergeKey string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil {
		return // takes the field away
	}
	if c.checkSpecial(value, t, path) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.checkObject(value, t, path, mergeKey)
	case reflect.Map:
		if fields, ok := c.want(value, path, "an object").(map[string]any); ok {
			for _, name := range sortedKeys(fields) {
				c.check(fields[name], t.Elem(), path+"["+name+"]", "")
			}
		}
	case reflect.Slice:
		if elements, ok := c.want(value, path, "a list").([]any); ok {
			for i, element := range elements {
				c.check(element, t.Elem(), fmt.Sprintf("%s[%d]", path, i), mergeKey)
			}
		}
	case reflect.String:
		c.want(value, path, "text")
	case reflect.Bool:
		c.want(value, path, "true or false")
	default:
		c.checkNumber(value, t, path)
	}
}

// checkSpecial checks the types that have a form of their own.
func (c *checker) checkSpecial(value any, t reflect.Type, path string) bool {
	text, isText := value.(string)
	number := kindOf(value) == "a whole number"
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		if !isText {
			text = fmt.Sprint(value)
		}
		if _, err := resource.ParseQuantity(text); err != nil {
			c.refuse(path, "found %s, allowed: a quantity such as 100m, 64Mi or 2", shown(value))
		}
	case reflect.TypeFor[intstr.IntOrString]():
		if !isText && !number {
			c.refuse(path, "found %s, allowed: a whole number or text", kindOf(value))
		}
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			c.refuse(path, "found %s, allowed: a time such as 2006-01-02T15:04:05Z", shown(value))
		}
	case reflect.TypeFor[[]byte]():
		if _, err := base64.StdEncoding.DecodeString(text); err != nil || !isText {
			c.refuse(path, "found %s, allowed: text in base64", shown(value))
		}
	default:
		return false
	}
	return true
}

func (c *checker) checkObject(value any, t reflect.Type, path, mergeKey string) {
	fields, ok := c.want(value, path, "an object").(map[string]any)
	if !ok {
		return
	}
	known := fieldsOf(t)
	for _, name := range sortedKeys(fields) {
		below := strings.TrimPrefix(path+"."+name, ".")
		if name == directive {
			if do := fields[name]; do != "delete" && do != "replace" {
				c.refuse(below, "found %s, allowed: delete or replace", shown(do))
			}
			continue
		}
		field, found := known[name]
		if !found {
			c.refuse(below, "no such field; nearest: %s", nearest(name, known))
			continue
		}
		c.check(fields[name], field.Type, below, field.Tag.Get("patchMergeKey"))
	}
	if _, has := fields[mergeKey]; mergeKey != "" && !has && fields[directive] != "replace" {
		c.refuse(path, "it has no %s, by which it is told from the others of the list", mergeKey)
	}
}

func (c *checker) checkNumber(value any, t reflect.Type, path string) {
	if t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32 {
		if kindOf(value) != "a whole number" {
			c.want(value, path, "a number")
		}
		return
	}
	number, ok := c.want(value, path, "a whole number").(int64)
	if !ok {
		return
	}
	if t.Kind() == reflect.Int32 && (number > math.MaxInt32 || number < math.MinInt32) {
		c.refuse(path, "found %d, allowed: a whole number of at most %d", number, math.MaxInt32)
	}
}

// want gives the value if it is of that kind, and notes the problem if not.
func (c *checker) want(value any, path, kind string) any {
	if found := kindOf(value); found != kind {
		c.refuse(path, "found %s, allowed: %s", found, kind)
		return nil
	}
	return value
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "text"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	default:
		return "a number"
	}
}

// shown is a value that fits into a line.
func shown(value any) string {
	switch value.(type) {
	case map[string]any, []any, nil:
		return kindOf(value)
	}
	return fmt.Sprintf("%.80q", fmt.Sprint(value))
}

// fieldsOf are the fields of a type by their JSON names, with those of embedded types.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name != "":
			fields[name] = field
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			maps.Copy(fields, fieldsOf(field.Type))
		}
	}
	return fields
}

// hasField reports whether a type has a field at a path of JSON names.
func hasField(t reflect.Type, path ...string) bool {
	for _, name := range path {
		field, found := fieldsOf(t)[name]
		if !found {
			return false
		}
		t = field.Type
	}
	return true
}

// nearest is the known name with the fewest differences, apart from upper and lower case.
func nearest(name string, known map[string]reflect.StructField) string {
	distance := func(other string) int {
		return levenshtein.Distance(strings.ToLower(name[:min(len(name), 80)]), strings.ToLower(other), nil)
	}
	return slices.MinFunc(sortedKeys(known), func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
