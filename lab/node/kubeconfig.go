package main

import (
	"os"

	"sigs.k8s.io/yaml"
)

// user is how a kubeconfig identifies its holder: a client certificate, or a token.
type user struct {
	Certificate []byte `json:"client-certificate-data,omitempty"`
	Key         []byte `json:"client-key-data,omitempty"`
	Token       string `json:"token,omitempty"`
}

// kubeconfig is a file with one cluster, user and context. k3d looks for each by the name "default".
func kubeconfig(server string, ca []byte, u user) ([]byte, error) {
	type named map[string]any
	const name = "default"
	return yaml.Marshal(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []named{{"name": name, "cluster": named{"server": server, "certificate-authority-data": ca}}},
		"users":           []named{{"name": name, "user": u}},
		"contexts":        []named{{"name": name, "context": named{"cluster": name, "user": name}}},
		"current-context": name,
	})
}

// certificateUser reads the certificate in <base>.crt and <base>.key.
func certificateUser(base string) (user, error) {
	cert, key, err := readPair(base)
	return user{Certificate: cert, Key: key}, err
}

// writeKubeconfig writes a kubeconfig that only its owner can read to each of the paths.
func writeKubeconfig(server string, ca []byte, u user, paths ...string) error {
	text, err := kubeconfig(server, ca, u)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := writeFile(path, text, os.FileMode(0o600)); err != nil {
			return err
		}
	}
	return nil
}
