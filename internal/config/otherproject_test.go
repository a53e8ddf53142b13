package config

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
)

func TestOfOtherProjects(t *testing.T) {
	t.Parallel()
	const move = `run: sed -i.bak 's/^\( *\)canary:\([^ ]\)/\1shop:\2/' Pulumi.dev.yaml`
	const allowed = `, and this project is "shop"; allowed: keys without a prefix or with shop: in front; `
	for _, test := range []struct {
		name string
		all  map[string]string
		want []string
	}{
		{
			name: "the published project's stack file under another name",
			all: map[string]string{
				"canary:canaryWeight": "0", "canary:httpPort": "80", "canary:clusterName": "canary", "shop:canaryWeight": "0",
			},
			want: []string{`canary:canaryWeight, canary:clusterName, canary:httpPort: belong to project "canary"` + allowed + move},
		},
		{
			name: "only keys that providers have too, of the published project",
			all:  map[string]string{"canary:host": "shop.test"},
			want: []string{`canary:host: belongs to project "canary"` + allowed + move},
		},
		{
			name: "another project by a key that no provider has",
			all:  map[string]string{"my.store:stableImage": "store:1", "my.store:host": "store.test"},
			want: []string{`my.store:host, my.store:stableImage: belong to project "my.store"` + allowed +
				`run: sed -i.bak 's/^\( *\)my\.store:\([^ ]\)/\1shop:\2/' Pulumi.dev.yaml`},
		},
		{
			name: "a value of one's own for one of the keys",
			all:  map[string]string{"canary:canaryWeight": "0", "canary:httpPort": "81", "shop:canaryWeight": "50", "shop:httpPort": "80"},
			want: []string{`canary:canaryWeight, canary:httpPort: belong to project "canary"` + allowed +
				`run: pulumi config rm-all canary:canaryWeight && sed -i.bak 's/^\( *\)canary:\([^ ]\)/\1shop:\2/' Pulumi.dev.yaml`},
		},
		{
			name: "values of one's own for all of the keys",
			all:  map[string]string{"canary:canaryWeight": "0", "canary:httpPort": "81", "shop:canaryWeight": "50", "shop:httpPort": "82"},
			want: []string{`canary:canaryWeight, canary:httpPort: belong to project "canary"` + allowed +
				`run: pulumi config rm-all canary:canaryWeight canary:httpPort`},
		},
		{
			name: "two other projects",
			all:  map[string]string{"store:canaryWeight": "1", "canary:canaryWeight": "2"},
			want: []string{
				`canary:canaryWeight: belongs to project "canary"` + allowed + move,
				`store:canaryWeight: belongs to project "store"` + allowed +
					`run: sed -i.bak 's/^\( *\)store:\([^ ]\)/\1shop:\2/' Pulumi.dev.yaml`,
			},
		},
		{
			name: "one's own",
			all:  map[string]string{"shop:canaryWeight": "1", "shop:host": "shop.test"},
		},
		{
			name: "providers' and Pulumi's keys, some named as ours",
			all: map[string]string{
				"kubernetes:context": "a", "kubernetes:namespace": "b", "kubernetes:kubeconfig": "c", "docker:host": "d",
				"eks:clusterName": "e", "pulumi:tags": "f", "pulumi:disable-default-providers": "g", "canary:colour": "h",
			},
		},
		{
			name: "a prefix that cannot be a project's",
			all:  map[string]string{"a b:canaryWeight": "1", "$(id):canaryWeight": "1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, problem := range ofOtherProjects(test.all, "shop", "dev") {
				got = append(got, problem.text)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestLoadRefusesKeysOfOtherProjects(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, `{"shop:cannaryWeight":"7","shop:agents":"many","kubernetes:namespace":"x","canary:kubeconfig":"hunter2"}`)
	_, err := load()
	require.ErrorContains(t, err, `3 problems in the stack's configuration:
  agents: found "many"; allowed: a whole number from 0 to 16; for example: pulumi config set agents 3
  canary:kubeconfig: belongs to project "canary", and this project is "shop"; `+
		`allowed: keys without a prefix or with shop: in front; run: sed -i.bak 's/^\( *\)canary:\([^ ]\)/\1shop:\2/' Pulumi.dev.yaml
  cannaryWeight: no such key; nearest: canaryWeight; run: pulumi config rm cannaryWeight`)
}
