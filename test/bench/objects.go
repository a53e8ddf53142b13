package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Objects is what the API server has on record of each object: its resourceVersion, and who wrote it last.
type Objects map[string]Object

// Object is the record of one object.
type Object struct {
	ResourceVersion string
	Managers        map[string]string // when each manager wrote last, by manager and operation
}

// heartbeats are kinds that the cluster writes all the time by itself.
var heartbeats = []string{"leases.coordination.k8s.io", "events", "events.events.k8s.io"}

// ReadObjects lists every object of every kind that the server can list, without its content.
func ReadObjects(ctx context.Context, client rest.Interface) (Objects, error) {
	kinds, err := listable(ctx, client)
	if err != nil {
		return nil, err
	}
	objects := Objects{}
	for kind, path := range kinds {
		var list metav1.PartialObjectMetadataList
		if err := read(ctx, client, path, &list); err != nil {
			return nil, fmt.Errorf("list %s: %w", kind, err)
		}
		for _, item := range list.Items {
			o := Object{ResourceVersion: item.ResourceVersion, Managers: map[string]string{}}
			for _, entry := range item.ManagedFields {
				if entry.Time != nil {
					o.Managers[entry.Manager+" "+string(entry.Operation)+" "+entry.Subresource] = entry.Time.String()
				}
			}
			objects[kind+" "+item.Namespace+"/"+item.Name] = o
		}
	}
	return objects, nil
}

// listable gives the path of each kind by its full name.
func listable(ctx context.Context, client rest.Interface) (map[string]string, error) {
	versions := map[string]string{"": "/api/v1"}
	var groups metav1.APIGroupList
	if err := read(ctx, client, "/apis", &groups); err != nil {
		return nil, err
	}
	for _, group := range groups.Groups {
		versions[group.Name] = "/apis/" + group.PreferredVersion.GroupVersion
	}
	kinds := map[string]string{}
	for group, path := range versions {
		var resources metav1.APIResourceList
		if err := read(ctx, client, path, &resources); err != nil {
			return nil, err
		}
		for _, r := range resources.APIResources {
			name := strings.TrimSuffix(r.Name+"."+group, ".")
			if slices.Contains(r.Verbs, "list") && !slices.Contains(heartbeats, name) {
				kinds[name] = path + "/" + r.Name
			}
		}
	}
	return kinds, nil
}

func read(ctx context.Context, client rest.Interface, path string, into any) error {
	text, err := client.Get().AbsPath(path).
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json").DoRaw(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// Written lists the objects that are new, gone or of another version since before: those that a manager whose name begins
// with by wrote, and the others, which the cluster wrote by itself.
func (o Objects) Written(before Objects, by string) (ours, others []string) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		old, had := before[name]
		if had && old.ResourceVersion == o[name].ResourceVersion {
			continue
		}
		mine := false
		for manager, at := range o[name].Managers {
			mine = mine || strings.HasPrefix(manager, by) && old.Managers[manager] != at
		}
		if mine {
			ours = append(ours, name)
		} else {
			others = append(others, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := o[name]; !there {
			others = append(others, name+" (gone)")
		}
	}
	return ours, others
}
