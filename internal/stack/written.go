package stack

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"canary/internal/drift"
)

// Record is what a stack wrote in its last update.
type Record struct {
	// Objects are those of Kubernetes. Secret values are left out, and so are
	// annotations, some of which are for Pulumi's provider alone.
	Objects []drift.Object
	// Releases are the URNs of the Helm releases, by their names.
	Releases map[string]string
}

// releaseType is the type of a Helm release in a state.
const releaseType = "kubernetes:helm.sh/v3:Release"

// Written reads what a stack wrote in its last update from its state, by `pulumi stack
// export`; name is as for Read.
func Written(ctx context.Context, name string) (*Record, error) {
	out, err := run(ctx, name, "stack", "export", "--non-interactive")
	if err != nil {
		return nil, err
	}
	return parseWritten(out)
}

func parseWritten(data []byte) (*Record, error) {
	var exported struct {
		Deployment struct {
			Resources []struct {
				URN      string         `json:"urn"`
				Type     string         `json:"type"`
				External bool           `json:"external"` // it was only read
				Inputs   map[string]any `json:"inputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if json.Unmarshal(data, &exported) != nil { // its error may quote what it reads
		return nil, errors.New("the stack's state is not as `pulumi stack export` writes it")
	}
	record := &Record{Releases: map[string]string{}}
	for _, r := range exported.Deployment.Resources {
		if object, ok := objectOf(r.Inputs); ok && !r.External && strings.HasPrefix(r.Type, "kubernetes:") {
			record.Objects = append(record.Objects, object)
		}
		if name, ok := r.Inputs["name"].(string); ok && r.Type == releaseType {
			record.Releases[name] = r.URN
		}
	}
	return record, nil
}

// objectOf is false for what is no object, such as a Helm release.
func objectOf(inputs map[string]any) (drift.Object, bool) {
	metadata, _ := inputs["metadata"].(map[string]any)
	field := func(of map[string]any, name string) string {
		value, _ := of[name].(string)
		return value
	}
	object := drift.Object{
		APIVersion: field(inputs, "apiVersion"), Kind: field(inputs, "kind"),
		Namespace: field(metadata, "namespace"), Name: field(metadata, "name"), Fields: map[string]any{},
	}
	for name, value := range inputs {
		switch name {
		case "apiVersion", "kind":
		case "metadata":
			if labels, ok := metadata["labels"]; ok {
				object.Fields[name] = map[string]any{"labels": labels}
			}
		default:
			if !isSecret(value) {
				object.Fields[name] = withoutSecrets(value)
			}
		}
	}
	return object, object.APIVersion != "" && object.Kind != "" && object.Name != ""
}

// secretMark is the field by which Pulumi marks a secret in a state.
const secretMark = "4dabf18193072939515e22adb298388d" //nolint:gosec // a mark, the same for every secret

func isSecret(value any) bool {
	fields, ok := value.(map[string]any)
	return ok && fields[secretMark] != nil
}

func withoutSecrets(value any) any {
	fields, ok := value.(map[string]any)
	if !ok {
		return value
	}
	open := map[string]any{}
	for name, below := range fields {
		if !isSecret(below) {
			open[name] = withoutSecrets(below)
		}
	}
	return open
}
