package canary

import (
	"encoding/json"
	"fmt"
)

// fieldsOf are the fields of one of Kubernetes' types, as they are written to the
// cluster: without what only the cluster sets.
func fieldsOf(object any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	delete(fields, "status")
	return withoutNulls(fields), nil
}

// withoutNulls takes out the fields that have no value.
func withoutNulls(fields map[string]any) map[string]any {
	for name, value := range fields {
		switch value := value.(type) {
		case nil:
			delete(fields, name)
		case map[string]any:
			withoutNulls(value)
		case []any:
			for _, entry := range value {
				if below, ok := entry.(map[string]any); ok {
					withoutNulls(below)
				}
			}
		}
	}
	return fields
}
