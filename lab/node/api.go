package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api is a small client of the API server: what it sends and gets is JSON.
type api struct {
	server string // https://host:port
	token  string // "" = the client identifies itself by certificate
	http   *http.Client
}

// newAPI makes a client that trusts servers whose certificate ca has signed.
func newAPI(server string, ca []byte, u user) (*api, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate found in the authority of the API server")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if len(u.Certificate) > 0 {
		pair, err := tls.X509KeyPair(u.Certificate, u.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &api{server: server, token: u.Token, http: &http.Client{Transport: transport(config)}}, nil
}

// transport stays with HTTP/1.1: a watch that hangs after the server has
// moved then holds up nothing but itself.
func transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:     config,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 4,
	}
}

// statusError is an answer other than success.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.message) }

const requestTimeout = 10 * time.Second

// get reads the object at path into out, or checks only that the answer is a success when out is nil.
func (a *api) get(ctx context.Context, path string, out any) error {
	return a.do(ctx, http.MethodGet, path, "", nil, out)
}

// apply creates the object at path, or makes it what object says.
func (a *api) apply(ctx context.Context, path string, object any) error {
	return a.do(ctx, http.MethodPatch, path+"?force=true&fieldManager="+fieldManager, "application/apply-patch+yaml", object, nil)
}

// merge changes the object at path by a merge patch.
func (a *api) merge(ctx context.Context, path string, patch any) error {
	return a.do(ctx, http.MethodPatch, path+"?fieldManager="+fieldManager, "application/merge-patch+json", patch, nil)
}

// fieldManager is the name under which the API server records what this program writes.
const fieldManager = "k3s-lab"

func (a *api) do(ctx context.Context, method, path, contentType string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := a.send(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// send gives the answer with its body open, or an error when it is no success.
func (a *api) send(ctx context.Context, method, path, contentType string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, content)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	answer, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		var status struct{ Message string }
		if json.Unmarshal(text, &status) != nil || status.Message == "" {
			status.Message = strings.TrimSpace(string(text))
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, &statusError{answer.StatusCode, status.Message})
	}
	return answer, nil
}

// watch calls changed after each change below the path of a list, until the
// server ends the watch, which it does after some minutes, or ctx ends.
func (a *api) watch(ctx context.Context, path string, changed func()) error {
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := a.get(ctx, path+"?limit=1", &list); err != nil {
		return err
	}
	// The list may have changed between the caller's last look and this one.
	changed()
	query := url.Values{"watch": {"true"}, "timeoutSeconds": {"240"}, "resourceVersion": {list.Metadata.ResourceVersion}}
	answer, err := a.send(ctx, http.MethodGet, path+"?"+query.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for events := json.NewDecoder(answer.Body); ; {
		var event struct{ Type string }
		if err := events.Decode(&event); err != nil {
			return err
		}
		changed()
		if event.Type == "ERROR" {
			return errors.New("the watch has ended with an error event")
		}
	}
}
