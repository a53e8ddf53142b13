package promotion

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"canary/internal/config"
	"canary/internal/stack"
)

// Stage is one update of a promotion.
type Stage struct {
	// Name says what it brings, and Weight what the canary then has.
	Name   string
	Weight string
	// Set are the values that it sets, by key; a key may be a path such as env.LEVEL.
	Set map[string]stack.Value
	// Remove are the keys that it takes out.
	Remove []string
	// Bake is whether the canary is then judged.
	Bake bool
}

// Stages are the updates of a plan for a stack with a configuration, in their order. They
// come out the same again after each of them.
func Stages(plan Plan, settings map[string]stack.Value) ([]Stage, error) {
	taken, err := takenOver(settings)
	if err != nil {
		return nil, err
	}
	prepare := map[string]stack.Value{"canaryImage": {Text: plan.Image}, "canaryWeight": {Text: "0"}}
	if stable, canary := replicas(settings, "stableReplicas"), replicas(settings, "canaryReplicas"); canary < stable {
		prepare["canaryReplicas"] = stack.Value{Text: strconv.Itoa(stable)}
	}
	stages := []Stage{{Name: "the canary gets " + plan.Image, Weight: "0", Set: prepare}}
	for _, step := range plan.Steps {
		share := step + " %"
		if onCopies(step) {
			share = "copies"
		}
		stages = append(stages, Stage{
			Name: share + " of the requests go to the canary", Weight: step, Bake: true,
			Set: map[string]stack.Value{"canaryWeight": {Text: step}},
		})
	}
	takes := map[string]stack.Value{"stableImage": {Text: plan.Image}}
	maps.Copy(takes, taken)
	stages = append(stages, Stage{Name: "stable takes over what the canary has", Weight: "100", Set: takes})
	last := Stage{
		Name: "all requests go to stable, and the canary goes", Weight: "0",
		Set: map[string]stack.Value{"canaryWeight": {Text: "0"}}, Remove: []string{Key},
	}
	if plan.KeepCanary {
		last.Name = "all requests go to stable, and the canary stays"
		return append(stages, last), nil
	}
	last.Set["canaryReplicas"] = stack.Value{Text: "0"}
	last.Remove = append(last.Remove, "canaryEnv", "canaryImage", "canaryMaxReplicas", "canaryPod")
	return append(stages, last), nil
}

// takenOver is what stable has to take over beside the image: the canary's environment, a
// variable each, and its pod.
func takenOver(settings map[string]stack.Value) (map[string]stack.Value, error) {
	taken := map[string]stack.Value{}
	if env := settings["canaryEnv"]; env.Text != "" {
		variables, err := config.ParseEnvironment(env.Text)
		if err != nil {
			return nil, errors.New("canaryEnv is no object of environment variables; `pulumi preview` says what is wrong with it")
		}
		for name, variable := range variables {
			taken[path("env", name)] = stack.Value{Text: variable.Value, Secret: env.Secret || settings["env"].Secret}
		}
	}
	if pod := settings["canaryPod"]; pod.Text != "" && pod.Text != settings["pod"].Text {
		if settings["pod"].Text != "" {
			return nil, errors.New("pod and canaryPod are both set, and two patches cannot be made into one that a person would write: " +
				"write into canaryPod all that stable is to have, `pulumi config set pod` to what it has of that, or do the steps by hand (docs/tutorial.md)")
		}
		taken["pod"] = pod
	}
	return taken, nil
}

// path is that of a field of an object, as Pulumi writes it.
func path(object, field string) string {
	if strings.Contains(field, ".") {
		return object + `["` + field + `"]`
	}
	return object + "." + field
}

// replicas is the number of a key, or its default.
func replicas(settings map[string]stack.Value, key string) int {
	text := settings[key].Text
	if text == "" {
		text = config.Default(key)
	}
	number, _ := strconv.Atoi(text) // the update itself says what is wrong with it
	return number
}

// onCopies reports whether the canary is judged on copies of the requests at a step.
func onCopies(step string) bool {
	weight, err := config.ParseWeight(step)
	return err == nil && weight == 0
}

// at says where a canary is judged, for people.
func at(step string) string {
	if onCopies(step) {
		return "on copies of the requests"
	}
	return "at " + step + " %"
}

// Ready says why a plan cannot begin with a configuration; nil is that it can.
func Ready(plan Plan, settings map[string]stack.Value) error {
	if weight := settings["canaryWeight"].Text; weight != "" && weight != "0" {
		return fmt.Errorf("canaryWeight is %s, and a promotion begins at 0: `canary rollback` takes the requests from the canary", weight)
	}
	if settings["stableImage"].Text == "" {
		return errors.New("stableImage is not set, so stable is the example app, which says by itself which subset it is: set your own image as stableImage and `pulumi up` first")
	}
	if copied := settings["mirrorPercent"].Text; onCopies(plan.Steps[0]) && (copied == "" || onCopies(copied)) {
		return errors.New("--steps begins with 0, where the canary is judged on copies of the requests, and mirrorPercent is not set: " +
			"`pulumi config set mirrorPercent 100` copies all of them, and docs/operations.md says what that means for requests that change something")
	}
	return nil
}
