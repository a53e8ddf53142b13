package local_test

import (
	"os"
	"testing"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/require"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wd, err := os.Getwd()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		inputs         props
		stdout, stderr string
	}{
		"both streams, last newline trimmed": {
			props{"create": `echo out; echo; echo err >&2`}, "out\n", "err",
		},
		"no create command":     {props{"delete": "exit 1"}, "", ""},
		"environment":           {props{"create": `echo "$A"`, "environment": strs(map[string]string{"A": "a b"})}, "a b", ""},
		"environment wins":      {props{"create": `echo "$PATH"`, "environment": strs(map[string]string{"PATH": "/x"})}, "/x", ""},
		"no previous output":    {props{"create": `echo "${PULUMI_COMMAND_STDOUT-unset}"`}, "unset", ""},
		"folder":                {props{"create": "pwd -P", "dir": dir}, dir, ""},
		"default folder":        {props{"create": "pwd -P"}, wd, ""},
		"standard input":        {props{"create": "cat", "stdin": "a\nb\n"}, "a\nb", ""},
		"no standard input":     {props{"create": "cat"}, "", ""},
		"interpreter":           {props{"create": "x y", "interpreter": list("printf", "<%s>")}, "<x y>", ""},
		"empty interpreter":     {props{"create": "echo sh", "interpreter": list()}, "sh", ""},
		"logging keeps outputs": {props{"create": "echo out; echo err >&2", "logging": "none"}, "out", "err"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := create(t, test.inputs)
			require.NoError(t, err)
			require.Regexp(t, `^step[0-9a-f]{8}$`, got.ID)
			want := merge(test.inputs, test.stdout)
			want["stderr"] = test.stderr
			require.Equal(t, want.toMap(t), got.Properties, "all inputs are outputs")
		})
	}
}

func TestCreateFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		inputs props
		want   []string
	}{
		"exit status": {
			props{"create": "echo made half; echo broken >&2; exit 3", "logging": "none"},
			[]string{"exit status 3", "made half", "broken"},
		},
		"missing folder":      {props{"create": "true", "dir": "/no/such/folder"}, []string{"/no/such/folder"}},
		"missing interpreter": {props{"create": "true", "interpreter": list("no-such-program")}, []string{"no-such-program"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := create(t, test.inputs)
			require.Error(t, err)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			require.Equal(t, provider.CreateResponse{}, got, "no id, no properties and no partial state")
		})
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	const echo = `echo "new, was: ${PULUMI_COMMAND_STDOUT-unset}"`
	for name, test := range map[string]struct {
		inputs props
		stdout string
	}{
		"update command":     {props{"create": "exit 1", "update": echo}, "new, was: old"},
		"falls back":         {props{"create": echo}, "new, was: old"},
		"neither":            {props{"delete": "exit 1"}, "old"},
		"previous output":    {props{"update": echo, "addPreviousOutputInEnv": true}, "new, was: old"},
		"no previous output": {props{"update": echo, "addPreviousOutputInEnv": false}, "new, was: unset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := update(t, merge(props{"create": "exit 2"}, "old"), test.inputs)
			require.NoError(t, err)
			require.Equal(t, merge(test.inputs, test.stdout).toMap(t), got.Properties)
		})
	}
}

func TestUpdateFails(t *testing.T) {
	t.Parallel()
	got, err := update(t, merge(props{"create": "true"}, "old"), props{"create": "echo why; exit 4"})
	require.ErrorContains(t, err, "exit status 4")
	require.ErrorContains(t, err, "why")
	require.Equal(t, provider.UpdateResponse{}, got, "the engine keeps the old state")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	trace, read := traceFile(t)
	state := props{
		"create":      "exit 1",
		"delete":      `echo "$PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR|$A" >>"$TRACE"`,
		"environment": strs(map[string]string{"TRACE": trace, "A": "stored"}),
		"stdout":      "out", "stderr": "err",
	}
	require.NoError(t, remove(t, state))
	require.Equal(t, "out|err|stored", read())

	require.NoError(t, remove(t, merge(props{"create": "exit 1", "update": "exit 1"}, "")), "no delete command")

	err := remove(t, merge(props{"delete": "echo still there; exit 5"}, ""))
	require.ErrorContains(t, err, "exit status 5")
	require.ErrorContains(t, err, "still there")
}

func TestPreviewRunsNothing(t *testing.T) {
	t.Parallel()
	trace, read := traceFile(t)
	inputs := props{
		"create":      `echo ran >>"$TRACE"`,
		"environment": strs(map[string]string{"TRACE": trace, "A": "new"}),
	}
	outputs := func(m property.Map) []property.Value {
		return []property.Value{m.Get("stdout"), m.Get("stderr")}
	}
	unknown := property.New(property.Computed)

	server := newServer(t)
	created, err := server.Create(provider.CreateRequest{Urn: urn, DryRun: true, Properties: inputs.toMap(t)})
	require.NoError(t, err)
	require.Equal(t, []property.Value{unknown, unknown}, outputs(created.Properties))

	old := merge(inputs, "old")
	old["environment"] = strs(map[string]string{"TRACE": trace, "A": "old"})
	updated, err := server.Update(provider.UpdateRequest{
		ID: "id", Urn: urn, DryRun: true, State: old.toMap(t), Inputs: inputs.toMap(t),
	})
	require.NoError(t, err)
	require.Equal(t, []property.Value{unknown, unknown}, outputs(updated.Properties))
	require.Empty(t, read(), "commands that ran in a preview")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	secret := strs(map[string]string{"A": "a"}).WithSecret(true)
	got, err := create(t, props{"create": `echo "$A"`, "environment": secret})
	require.NoError(t, err)
	require.Equal(t, secret, got.Properties.Get("environment"))
	require.Equal(t, property.New("a"), got.Properties.Get("stdout"), "only the program can mark it")
	require.Equal(t, property.New(`echo "$A"`), got.Properties.Get("create"))
}
