package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Variable is the value of an environment variable of the app.
type Variable struct {
	Value string
	// Secret is whether the value belongs in a Secret, and nowhere else.
	Secret bool
}

// Environment is the environment variables of the app's container, by name.
type Environment map[string]Variable

const environmentAllowed = "an object of environment variables: names of letters, digits, _, - and . that do not start with a digit, values of text, numbers, true or false"

// environment is the rule of an object of environment variables. A key that holds a
// secret is secret as a whole: Pulumi does not tell the program which of its values is.
func environment(field func(*Config) *Environment) rule {
	return rule{environmentAllowed, func(c *Config, value string) error {
		variables, err := ParseEnvironment(value)
		if err == nil {
			*field(c) = variables
		}
		return err
	}}
}

// ParseEnvironment reads the object that a key holds, none of it as a secret. The error
// says what is wrong with it and shows no value.
func ParseEnvironment(object string) (Environment, error) {
	decoder := json.NewDecoder(strings.NewReader(object))
	decoder.UseNumber() // as it is written
	var values map[string]any
	if decoder.Decode(&values) != nil || values == nil || decoder.More() {
		return nil, errNotAllowed
	}
	variables := Environment{}
	var bad []string
	for name, value := range values {
		text, ok := plainText(value)
		if !ok || len(validation.IsEnvVarName(name)) > 0 {
			bad = append(bad, quote(name))
			continue
		}
		variables[name] = Variable{Value: text}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, fmt.Errorf("of which %s cannot be used", strings.Join(bad, ", "))
	}
	return variables, nil
}

// plainText is a value as a process gets it.
func plainText(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, !strings.ContainsRune(value, 0)
	case json.Number, bool:
		return fmt.Sprint(value), true
	default:
		return "", false
	}
}

// hide marks every variable as a secret.
func (e Environment) hide() {
	for name, variable := range e {
		variable.Secret = true
		e[name] = variable
	}
}

// over is these variables and those of before that they do not replace.
func (e Environment) over(before Environment) Environment {
	all := maps.Clone(before)
	if all == nil {
		all = Environment{}
	}
	maps.Copy(all, e)
	return all
}
