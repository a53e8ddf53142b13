package main

import (
	"context"
	"time"
)

// nodeObject is what matters here of a Node.
type nodeObject struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
		Conditions []struct {
			Type              string    `json:"type"`
			Status            string    `json:"status"`
			LastHeartbeatTime time.Time `json:"lastHeartbeatTime"`
		} `json:"conditions"`
	} `json:"status"`
}

// address is the node's address in the cluster's network, "" when it has not told it yet.
func (o nodeObject) address() string {
	for _, a := range o.Status.Addresses {
		if a.Type == "InternalIP" {
			return a.Address
		}
	}
	return ""
}

// readySince reports whether the node has said that it is ready after the given time.
func (o nodeObject) readySince(began time.Time) bool {
	for _, c := range o.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && !c.LastHeartbeatTime.Before(began.Truncate(time.Second))
		}
	}
	return false
}

const nodesPath = "/api/v1/nodes"

func (a *api) node(ctx context.Context, name string) (nodeObject, error) {
	var o nodeObject
	return o, a.get(ctx, nodesPath+"/"+name, &o)
}

func (a *api) nodes(ctx context.Context) ([]nodeObject, error) {
	var list struct{ Items []nodeObject }
	err := a.get(ctx, nodesPath, &list)
	return list.Items, err
}
