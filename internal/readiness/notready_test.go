package readiness

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCanaryFails(t *testing.T) {
	t.Parallel()
	of := func(subset, container, reason, advice string) *NotReadyError {
		return &NotReadyError{Subset: subset, Wanted: 1, Pod: "web-1", Container: container, Reason: reason, Message: "so it says", Advice: advice}
	}
	pulled := func(container, message string) *NotReadyError {
		return of("canary", container, "ErrImagePull", pullCauseOf(message).advice)
	}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"it crashes":                  {of("canary", "app", "CrashLoopBackOff", ""), true},
		"its probe fails":             {of("canary", "app", "Unhealthy", "check `containerPort`"), true},
		"its Secret is missing":       {of("canary", "app", "CreateContainerConfigError", "the node cannot"), true},
		"there is no such image":      {pulled("app", "not found"), true},
		"it may not be pulled":        {pulled("app", "401 Unauthorized"), true},
		"the registry is down":        {pulled("app", "connection refused"), false},
		"the registry limits":         {pulled("app", "429 Too Many Requests"), false},
		"the image is on its way":     {of("canary", "app", "Pulling", ""), false},
		"its sidecar is not ready":    {of("canary", "istio-proxy", "Unhealthy", "check that istiod runs"), false},
		"no node takes it":            {of("canary", "", "Unschedulable", "free or add capacity"), false},
		"there are no pods":           {&NotReadyError{Subset: "canary", Wanted: 1, Reason: "FailedCreate"}, false},
		"stable does":                 {of("stable", "app", "CrashLoopBackOff", ""), false},
		"stable does, too":            {errors.Join(of("stable", "app", "CrashLoopBackOff", ""), of("canary", "app", "CrashLoopBackOff", "")), false},
		"some of its pods are ready":  {&NotReadyError{Subset: "canary", Ready: 2, Wanted: 3, Pod: "web-1", Container: "app", Reason: "OOMKilled"}, true},
		"something else of an update": {errors.New("the API server does not answer"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ""
			if tc.want {
				want = tc.err.Error()
			}
			require.Equal(t, want, CanaryFails(fmt.Sprintf("the split 100/0 is served, but: %v\nand more", tc.err)))
		})
	}
}
