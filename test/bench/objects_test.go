package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWritten(t *testing.T) {
	t.Parallel()
	object := func(version string, managers ...string) Object {
		o := Object{ResourceVersion: version, Managers: map[string]string{}}
		for i := 0; i < len(managers); i += 2 {
			o.Managers[managers[i]] = managers[i+1]
		}
		return o
	}
	before := Objects{
		"same":      object("1", "pulumi Apply ", "10:00"),
		"ours":      object("2", "pulumi Apply ", "10:00", "pilot Update status", "10:00"),
		"cluster's": object("3", "pulumi Apply ", "10:00", "kubelet Update status", "10:00"),
		"gone":      object("4"),
	}
	after := Objects{
		"same":      before["same"],
		"ours":      object("12", "pulumi Apply ", "10:01", "pilot Update status", "10:00"),
		"cluster's": object("13", "pulumi Apply ", "10:00", "kubelet Update status", "10:01"),
		"new":       object("14", "pulumi Apply ", "10:01"),
	}
	ours, others := after.Written(before, "pulumi")
	require.Equal(t, []string{"new", "ours"}, ours)
	require.Equal(t, []string{"cluster's", "gone (gone)"}, others)
}
