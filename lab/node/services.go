package main

import (
	"context"
	"errors"
	"slices"
)

const servicesPath = "/api/v1/services"

// service is what matters here of a Service.
type service struct {
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		Type              string
		LoadBalancerClass *string
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct{ IP string }
		}
	}
}

func (s service) addresses() []string {
	var ips []string
	for _, i := range s.Status.LoadBalancer.Ingress {
		ips = append(ips, i.IP)
	}
	return ips
}

// syncLoadBalancers gives every LoadBalancer Service the addresses of all nodes:
// kube-proxy then answers for it on each of them.
func syncLoadBalancers(ctx context.Context, client *api) error {
	nodes, err := client.nodes(ctx)
	if err != nil {
		return err
	}
	var list struct{ Items []service }
	if err := client.get(ctx, servicesPath, &list); err != nil {
		return err
	}
	wanted := addresses(nodes)
	var ingress []map[string]string
	for _, ip := range wanted {
		ingress = append(ingress, map[string]string{"ip": ip})
	}
	var problems []error
	for _, s := range list.Items {
		if s.Spec.Type != "LoadBalancer" || s.Spec.LoadBalancerClass != nil || slices.Equal(s.addresses(), wanted) {
			continue
		}
		problems = append(problems, client.merge(ctx, "/api/v1/namespaces/"+s.Metadata.Namespace+"/services/"+s.Metadata.Name+"/status",
			map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}}))
	}
	return errors.Join(problems...)
}

// addresses gives the nodes' addresses, sorted.
func addresses(nodes []nodeObject) []string {
	var ips []string
	for _, o := range nodes {
		if a := o.address(); a != "" {
			ips = append(ips, a)
		}
	}
	slices.Sort(ips)
	return ips
}
