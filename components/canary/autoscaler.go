package canary

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"canary/internal/config"
	"canary/internal/podpatch"
)

// autoscaler is that of one subset. It looks at the app's container alone: a sidecar
// has requests and a load of its own.
func autoscaler(c *config.Config, s subset) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: objectMeta(c, s.object, s.labels(), nil),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: s.object},
			MinReplicas:    new(int32(s.pods.Min)), //nolint:gosec // at most 100
			MaxReplicas:    int32(s.pods.Max),      //nolint:gosec // at most 100
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ContainerResourceMetricSourceType,
				ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
					Container: podpatch.App,
					Name:      corev1.ResourceCPU,
					Target:    autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(config.CPUTarget))},
				},
			}},
		},
	}
}
