package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
)

// An agent knows of the cluster no more than the server's address and a token. What it needs to trust the
// server is in a ConfigMap that anybody can read, with a seal that only a holder of the token can make: the
// agent asks without sending the token, and believes the answer by the seal.

const (
	trustName = "k3s-lab-trust"
	trustPath = "/api/v1/namespaces/kube-public/configmaps/" + trustName
	// joiners may do what a node needs before it has an identity.
	joiners = "system:bootstrappers"
)

// trust are the authorities of a cluster, as PEM.
type trust struct {
	ServerCA string `json:"server-ca.crt"`
	ClientCA string `json:"client-ca.crt"`
	Seal     string `json:"seal,omitempty"`
}

func (t trust) seal(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	fmt.Fprintf(mac, "%s\x00%s\x00%s", trustName, t.ServerCA, t.ClientCA)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// verify checks the seal.
func (t trust) verify(token string) error {
	if !hmac.Equal([]byte(t.Seal), []byte(t.seal(token))) {
		return errors.New("the server's authorities are not sealed with this node's K3S_TOKEN: are both of one cluster?")
	}
	return nil
}

// publishTrust lets agents join: it publishes the authorities and grants what the token's holders need.
func publishTrust(ctx context.Context, client *api, t trust, token string) error {
	t.Seal = t.seal(token)
	type object map[string]any
	const rbac = "rbac.authorization.k8s.io"
	meta := func(name string) object { return object{"name": name} }
	group := func(name string) object { return object{"apiGroup": rbac, "kind": "Group", "name": name} }
	publicRules := []object{{"apiGroups": []string{""}, "resources": []string{"configmaps"}, "resourceNames": []string{trustName}, "verbs": []string{"get"}}}

	problems := []error{
		client.apply(ctx, trustPath, object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(trustName), "data": t}),
		client.apply(ctx, "/apis/"+rbac+"/v1/namespaces/kube-public/roles/"+trustName, object{
			"apiVersion": rbac + "/v1", "kind": "Role", "metadata": meta(trustName), "rules": publicRules}),
		client.apply(ctx, "/apis/"+rbac+"/v1/namespaces/kube-public/rolebindings/"+trustName, object{
			"apiVersion": rbac + "/v1", "kind": "RoleBinding", "metadata": meta(trustName),
			"roleRef":  object{"apiGroup": rbac, "kind": "Role", "name": trustName},
			"subjects": []object{group("system:unauthenticated"), group("system:authenticated")}}),
	}
	const signing = "system:certificates.k8s.io:certificatesigningrequests:"
	for name, b := range map[string]struct{ role, group string }{
		"k3s-lab-join":     {"system:node-bootstrapper", joiners},
		"k3s-lab-approve":  {signing + "nodeclient", joiners},
		"k3s-lab-renew":    {signing + "selfnodeclient", "system:nodes"},
		"k3s-lab-services": {"system:node-proxier", joiners},
	} {
		problems = append(problems, client.apply(ctx, "/apis/"+rbac+"/v1/clusterrolebindings/"+name, object{
			"apiVersion": rbac + "/v1", "kind": "ClusterRoleBinding", "metadata": meta(name),
			"roleRef":  object{"apiGroup": rbac, "kind": "ClusterRole", "name": b.role},
			"subjects": []object{group(b.group)}}))
	}
	return errors.Join(problems...)
}

// fetchTrust asks the server for its authorities.
func fetchTrust(ctx context.Context, server, token string) (trust, error) {
	// Whoever answers gets no secret, and the answer is checked.
	stranger := &api{server: server, http: &http.Client{
		Transport: transport(&tls.Config{InsecureSkipVerify: true}), //nolint:gosec // the authorities are what is asked for
	}}
	defer stranger.http.CloseIdleConnections()
	var configMap struct{ Data trust }
	if err := stranger.get(ctx, trustPath, &configMap); err != nil {
		return trust{}, err
	}
	return configMap.Data, configMap.Data.verify(token)
}
