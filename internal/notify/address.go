// Package notify sends what happens to programs elsewhere (webhooks), and asks them
// whether to go on (gates). Their URLs often hold secrets: nothing that it prints or
// returns has more of one than scheme and host.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"canary/internal/kube"
)

const (
	// answerTime is how long an answer may take.
	answerTime = 10 * time.Second
	// readWords is how much of an answer's body is looked at, in bytes.
	readWords = 4 << 10
	// secretLength is from which length on a part of a URL is taken for a secret, in bytes.
	secretLength = 8
)

// Address is a URL of which only scheme and host are shown.
type Address struct {
	url    *url.URL
	client *http.Client
}

// ParseAddress reads a URL. The error does not quote it.
func ParseAddress(text string) (Address, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" {
		return Address{}, errors.New("it is no URL such as https://HOST/PATH")
	}
	return Address{url: parsed, client: &http.Client{
		Timeout: answerTime,
		// A redirect would take what is posted to a host that nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// String is scheme and host.
func (a Address) String() string {
	if a.url == nil {
		return ""
	}
	return a.url.Scheme + "://" + a.url.Host
}

// GoString is String.
func (a Address) GoString() string { return a.String() }

// Post sends JSON. An answer other than 2xx, and none, is an error with what was said.
func (a Address) Post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%v: the request cannot be made", a)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "canary")
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%v did not answer: %w", a, a.reason(err))
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, readWords))
	switch {
	case response.StatusCode/100 == 2:
		return nil
	case err != nil:
		said = nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	words := fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode))
	if first = kube.OneLine(a.hide(first)); first != "" {
		words += ": " + first
	}
	return fmt.Errorf("%v said %s", a, words)
}

// reason is an error of the client without the URL, which it begins with.
func (a Address) reason(err error) error {
	var ofClient *url.Error
	if !errors.As(err, &ofClient) {
		return errors.New(a.hide(err.Error()))
	}
	if ofClient.Timeout() {
		return fmt.Errorf("nothing came within %v", answerTime)
	}
	return errors.New(a.hide(ofClient.Err.Error()))
}

// hide takes parts of the URL out of a text: a server may repeat what it was asked for.
func (a Address) hide(text string) string {
	password, _ := a.url.User.Password()
	parts := []string{a.url.RequestURI(), a.url.Path, a.url.RawQuery, password}
	small := append(strings.Split(a.url.Path, "/"), strings.Split(a.url.EscapedPath(), "/")...)
	for name, values := range a.url.Query() {
		small = append(append(small, name), values...)
	}
	small = append(small, a.url.User.Username())
	for _, part := range small {
		if len(part) >= secretLength {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		if part != "" && part != "/" {
			text = strings.ReplaceAll(text, part, "[hidden]")
		}
	}
	return text
}
