package local_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/require"

	"canary/lab/parts/pulumi/command/local"
)

const (
	token = "command:local:Command"
	urn   = resource.URN("urn:pulumi:stack::project::" + token + "::step")
)

// props are the properties of a resource: a string, a bool or a property.Value each.
type props map[string]any

func (p props) toMap(t *testing.T) property.Map {
	t.Helper()
	values := map[string]property.Value{}
	for name, value := range p {
		if v, made := value.(property.Value); made {
			values[name] = v
			continue
		}
		v, err := property.Any(value)
		require.NoErrorf(t, err, "property %s", name)
		values[name] = v
	}
	return property.NewMap(values)
}

// strs makes the value of an object property whose fields are strings.
func strs(fields map[string]string) property.Value {
	values := map[string]property.Value{}
	for name, value := range fields {
		values[name] = property.New(value)
	}
	return property.New(values)
}

// list makes the value of an array property whose elements are strings.
func list(elements ...string) property.Value {
	values := make([]property.Value, 0, len(elements))
	for _, element := range elements {
		values = append(values, property.New(element))
	}
	return property.New(values)
}

func newServer(t *testing.T) integration.Server {
	t.Helper()
	server, err := integration.NewServer(t.Context(), local.ProviderName, semver.MustParse("1.2.1"),
		integration.WithProvider(local.NewProvider()))
	require.NoError(t, err)
	return server
}

func create(t *testing.T, inputs props) (provider.CreateResponse, error) {
	t.Helper()
	return newServer(t).Create(provider.CreateRequest{Urn: urn, Properties: inputs.toMap(t)})
}

func update(t *testing.T, state, inputs props) (provider.UpdateResponse, error) {
	t.Helper()
	return newServer(t).Update(provider.UpdateRequest{
		ID: "id", Urn: urn, State: state.toMap(t), Inputs: inputs.toMap(t),
	})
}

func remove(t *testing.T, state props) error {
	t.Helper()
	return newServer(t).Delete(provider.DeleteRequest{ID: "id", Urn: urn, Properties: state.toMap(t)})
}

// merge returns the state of a resource that has inputs and wrote stdout.
func merge(inputs props, stdout string) props {
	state := props{"stdout": stdout, "stderr": ""}
	maps.Copy(state, inputs)
	return state
}

// traceFile returns a file that commands append to, and a function that reads it.
func traceFile(t *testing.T) (path string, read func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "trace")
	return path, func() string {
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return ""
		}
		require.NoError(t, err)
		return strings.TrimSpace(string(data))
	}
}
