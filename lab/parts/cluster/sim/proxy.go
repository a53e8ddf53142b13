package main

import (
	"context"
	"fmt"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/adsc"
	"istio.io/istio/pkg/wellknown"
)

// maxCount is how many addresses there are in 10.99.0.0/16.
const maxCount = 250 * 250

// simulate runs the sidecars until the context ends.
func simulate(ctx context.Context, o options, print func(any) error) error {
	acks := make(chan ack, 4*o.count)
	interval := time.NewTicker(time.Duration(float64(time.Second) / o.rate))
	defer interval.Stop()
	go func() {
		for i := range o.count {
			client, err := sidecar(o, i, acks)
			if err != nil {
				panic(err) // only static metadata can be wrong
			}
			go client.Run(ctx)
			select {
			case <-ctx.Done():
				return
			case <-interval.C:
			}
		}
	}()
	return watch(ctx, o, acks, print)
}

func sidecar(o options, i int, acks chan<- ack) (*adsc.Client, error) {
	name, ip := fmt.Sprintf("%s-%d", o.name, i), fmt.Sprintf("10.99.%d.%d", i/250, i%250+1)
	metadata, err := structpb.NewStruct(map[string]any{
		"CLUSTER_ID": "Kubernetes", "NAMESPACE": o.namespace, "INSTANCE_IPS": ip, "ISTIO_VERSION": "1.31.0",
	})
	if err != nil {
		return nil, err
	}
	config := adsc.Config{
		ClientName: name, Workload: name, Namespace: o.namespace, IP: ip, NodeType: model.SidecarProxy, Meta: metadata,
		GrpcOpts: []grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithStreamInterceptor(observe(i, acks)),
		},
	}
	return adsc.NewDelta(o.address, &adsc.DeltaADSConfig{Config: config},
		adsc.Register(func(adsc.HandlerContext, string, string, *cluster.Cluster, adsc.Event) {}),
		adsc.Register(func(adsc.HandlerContext, string, string, *route.RouteConfiguration, adsc.Event) {}),
		adsc.Register(func(ctx adsc.HandlerContext, _, _ string, l *listener.Listener, event adsc.Event) {
			if event == adsc.EventAdd {
				ctx.RegisterDependency(v3.RouteType, routes(l)...)
			}
		}),
		adsc.Watch[*cluster.Cluster]("*"),
		adsc.Watch[*listener.Listener]("*"),
	), nil
}

// routes are the names of the routes that a listener takes from istiod.
func routes(l *listener.Listener) []string {
	chains := l.FilterChains
	if l.DefaultFilterChain != nil {
		chains = append(chains[:len(chains):len(chains)], l.DefaultFilterChain)
	}
	var names []string
	for _, chain := range chains {
		for _, filter := range chain.Filters {
			var manager hcm.HttpConnectionManager
			if filter.Name != wellknown.HTTPConnectionManager || filter.GetTypedConfig().UnmarshalTo(&manager) != nil {
				continue
			}
			if rds := manager.GetRds(); rds != nil {
				names = append(names, rds.RouteConfigName)
			}
		}
	}
	return names
}

// ack is an acknowledgement of routes that was sent to istiod.
type ack struct {
	sidecar int
	version string // of the push
	at      time.Time
}

// observe sees acknowledgements where they leave the process.
func observe(sidecar int, acks chan<- ack) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := next(ctx, desc, conn, method, opts...)
		if err != nil {
			return nil, err
		}
		return &observed{ClientStream: stream, sidecar: sidecar, acks: acks, versions: map[string]string{}}, nil
	}
}

// observed is one stream; its client sends and receives in one goroutine.
type observed struct {
	grpc.ClientStream
	sidecar  int
	acks     chan<- ack
	versions map[string]string // of pushed routes, by nonce
}

func (s *observed) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if response, ok := m.(*discovery.DeltaDiscoveryResponse); ok && err == nil && response.TypeUrl == v3.RouteType {
		s.versions[response.Nonce] = response.SystemVersionInfo
	}
	return err
}

func (s *observed) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	request, ok := m.(*discovery.DeltaDiscoveryRequest)
	if !ok || err != nil || request.TypeUrl != v3.RouteType || request.ErrorDetail != nil {
		return err
	}
	if version, ok := s.versions[request.ResponseNonce]; ok {
		delete(s.versions, request.ResponseNonce)
		s.acks <- ack{sidecar: s.sidecar, version: version, at: time.Now()}
	}
	return nil
}
