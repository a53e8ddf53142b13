package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLastWriter(t *testing.T) {
	t.Parallel()
	entry := func(manager, fields string, minute int) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(time.Date(2026, 11, 26, 20, minute, 0, 0, time.UTC))
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const routes, labels = `{"f:spec":{"f:http":{}}}`, `{"f:metadata":{"f:labels":{}}}`
	require.Empty(t, LastWriter(nil, "http"))
	require.Empty(t, LastWriter([]metav1.ManagedFieldsEntry{entry("helm", labels, 3), {Manager: "no time"}}, "http"))
	require.Equal(t, "kubectl-patch at 2026-11-26 20:02:00 UTC", LastWriter([]metav1.ManagedFieldsEntry{
		entry("pulumi", routes, 1), entry("kubectl-patch", routes, 2), entry("helm", labels, 3),
	}, "http"))
}
