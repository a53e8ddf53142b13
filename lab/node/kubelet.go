package main

import "sigs.k8s.io/yaml"

// kubeletConfig is the kubelet's configuration file. It fits a container on any machine: with control groups
// of version 1 too, with swap, and on a disk that is nearly full, where an eviction would help nobody.
func (n *node) kubeletConfig() ([]byte, error) {
	type object map[string]any
	config := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": n.agent("client-ca.crt")},
		},
		"authorization":               object{"mode": "Webhook"},
		"containerRuntimeEndpoint":    "unix://" + n.containerdSocket(),
		"clusterDNS":                  []string{dnsServiceIP},
		"clusterDomain":               domain,
		"resolvConf":                  "/etc/resolv.conf",
		"cgroupDriver":                "cgroupfs",
		"cgroupsPerQOS":               false,
		"enforceNodeAllocatable":      []string{},
		"failCgroupV1":                false,
		"failSwapOn":                  false,
		"evictionHard":                object{"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
		"imageGCHighThresholdPercent": 100,
		"serializeImagePulls":         false,
		// A node that starts again, maybe under another address, says so at its next update.
		"nodeStatusUpdateFrequency": "2s",
		// An agent gets its client certificate by the token, and a new one before that ends.
		"rotateCertificates": n.role == roleAgent,
		"serverTLSBootstrap": false,
	}
	if len(n.taints) > 0 {
		config["registerWithTaints"] = n.taints
	}
	return yaml.Marshal(config)
}
