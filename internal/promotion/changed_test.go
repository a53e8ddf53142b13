package promotion

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/stack"
)

func TestChanged(t *testing.T) {
	t.Parallel()
	const env = `{"LEVEL":"info"}`
	before := map[string]stack.Value{"stableImage": {Text: "shop:1"}, "canaryEnv": {Text: `{"LEVEL": "debug"}`}, "env": {Text: env}, "token": {Text: "a", Secret: true}}
	after := func(settings map[string]stack.Value, stages ...Stage) map[string]stack.Value {
		settings = maps.Clone(settings)
		for _, stage := range stages {
			for key, value := range stage.Set {
				if key == "env.LEVEL" {
					key, value = "env", stack.Value{Text: `{"LEVEL":"debug"}`}
				}
				settings[key] = value
			}
			for _, key := range stage.Remove {
				delete(settings, key)
			}
		}
		return settings
	}
	with := func(settings map[string]stack.Value, key, value string) map[string]stack.Value {
		settings = maps.Clone(settings)
		settings[key] = stack.Value{Text: value, Secret: settings[key].Secret}
		return settings
	}
	record := begin()
	stages, err := Stages(record.Plan, before)
	require.NoError(t, err)

	for stage := range stages[:len(stages)-1] {
		record.Stage = stage
		last := with(after(before, stages[:stage+1]...), Key, record.String())
		require.Empty(t, Changed(record, stages, last, last), "as it was recorded")
		require.Empty(t, Changed(record, stages, last, with(last, "canaryEnv", last["canaryEnv"].Text+" ")), "the same object")
		require.Empty(t, Changed(record, stages, last, after(last, stages[stage+1])), "the next update was killed at stage %d", stage)
		require.Equal(t, []string{"canaryImage is shop:3 and was shop:2", "canaryWeight is 42 and was " + stages[stage].Weight},
			Changed(record, stages, last, with(with(last, "canaryWeight", "42"), "canaryImage", "shop:3")), "at stage %d", stage)
	}

	record.Stage = 1
	last := with(after(before, stages[:2]...), Key, record.String())
	file := with(with(last, "token", "b"), "pod", string(make([]byte, shownLength+1)))
	delete(file, "canaryEnv")
	require.Equal(t, []string{`canaryEnv is not set and was {"LEVEL": "debug"}`, "pod is another text and was not set", "token is a secret and was a secret"},
		Changed(record, stages, last, file))

	record.Stage = 0
	file = with(after(before, stages[0]), "env", "{}")
	require.Empty(t, Changed(record, stages, before, file), "its first update was killed: what the user set for it is in no history")
	require.Empty(t, Changed(record, stages, before, before))
	require.Equal(t, []string{"canaryImage is shop:3 and was not set"}, Changed(record, stages, before, with(file, "canaryImage", "shop:3")))
}
