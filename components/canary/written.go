package canary

import (
	"fmt"

	"canary/internal/config"
	"canary/internal/drift"
	"canary/internal/podpatch"
	"canary/internal/release"
)

// asWritten are the app's objects with those of their fields that lead traffic and say
// what serves it: what somebody else must not change unseen. A canary that has no
// pods is left out, since it is switched off later than the others are written.
func asWritten(c *config.Config) ([]drift.Object, error) {
	labels := func(labels map[string]string) map[string]any {
		fields := map[string]any{}
		for name, value := range labels {
			fields[name] = value
		}
		return fields
	}
	core := func(kind, name string, fields map[string]any) drift.Object {
		return drift.Object{APIVersion: "v1", Kind: kind, Namespace: c.Namespace, Name: name, Fields: fields}
	}
	var objects []drift.Object
	var istio []istioObject
	if c.CreateNamespace {
		objects = append(objects, drift.Object{
			APIVersion: "v1", Kind: "Namespace", Name: c.Namespace, Fields: map[string]any{"metadata": map[string]any{"labels": labels(injectionLabels(c))}},
		})
		istio = append(istio, strictMTLS())
	}
	objects = append(objects, core("Service", c.Name, map[string]any{"spec": map[string]any{
		"selector": labels(map[string]string{release.LabelName: c.Name}),
		"ports":    []any{map[string]any{"name": portName, "port": servicePort, "targetPort": portName, "appProtocol": c.Protocol}},
	}}))
	istio = append(istio, gatewayObject(c), destinationRuleObject(c), virtualServiceObject(c))
	istio = append(istio, redirectObjects(c)...)
	if c.StickyCookie != "" {
		istio = append(istio, envoyFilterObject(c))
	}
	stable, canary := subsetsOf(c)
	for _, s := range []subset{stable, canary} {
		if s.pods.Max == 0 {
			continue
		}
		if len(s.secretEnv()) > 0 {
			objects = append(objects, core("Secret", s.secretName(), nil)) // that it is there
		}
		if s.example {
			objects = append(objects, core("ConfigMap", s.object, map[string]any{"data": map[string]any{nginxConfigKey: nginxConfig(s.name, c.ContainerPort)}}))
		}
		spec := map[string]any{
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": podpatch.App, "image": s.image}}}},
		}
		if !s.pods.Autoscaled() {
			spec["replicas"] = s.pods.Min
		}
		objects = append(objects, drift.Object{
			APIVersion: "apps/v1", Kind: "Deployment", Namespace: c.Namespace, Name: s.object,
			Fields: map[string]any{"spec": spec},
		})
	}
	for _, object := range istio {
		spec, err := specFields(object.spec)
		if err != nil {
			return nil, fmt.Errorf("%s %s/%s: %w", object.kind, object.in(c), object.name, err)
		}
		objects = append(objects, drift.Object{
			APIVersion: object.version, Kind: object.kind, Namespace: object.in(c), Name: object.name, Fields: map[string]any{"spec": spec},
		})
	}
	return objects, nil
}
