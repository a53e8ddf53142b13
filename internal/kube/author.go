package kube

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LastWriter says who wrote a field of an object last, and when, as its
// managedFields tell: "kubectl-patch at 2026-11-26 20:15:04 UTC". The field is given
// by its last name, and must be written as a whole. It is empty when the object does
// not tell.
func LastWriter(entries []metav1.ManagedFieldsEntry, field string) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if entry.FieldsV1 == nil || !strings.Contains(entry.FieldsV1.GetRawString(), `"f:`+field+`":{}`) {
			continue
		}
		if entry.Time != nil && (last.Time == nil || last.Time.Before(entry.Time)) {
			last = entry
		}
	}
	if last.Time == nil {
		return ""
	}
	return last.Manager + " at " + last.Time.UTC().Format(time.DateTime+" MST")
}
