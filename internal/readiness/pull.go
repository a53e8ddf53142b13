package readiness

import (
	"fmt"
	"regexp"
	"strings"
)

// pullCause is why an image is not pulled.
type pullCause struct {
	words   []string // of what the kubelet says, in lower case
	passing bool     // whether the next attempt may well succeed
	advice  string
}

// pullCauses are the causes that the words of the kubelet, of containerd and of registries tell apart; the first that fits
// counts. In doubt it is the image's name.
var pullCauses = []pullCause{{
	words:   []string{"toomanyrequests", "too many requests", "qps exceeded"},
	passing: true,
	advice:  "the registry limits pulls: wait, or log in by `imagePullSecret`",
}, {
	words:  []string{"401 unauthorized", "403 forbidden", "no basic auth credentials", "unauthorized:", "authentication required"},
	advice: "the registry wants credentials for this image: check that `imagePullSecret` names a Secret which is for this registry and may pull from it",
}, {
	words:  []string{"no match for platform"},
	advice: otherPlatform,
}, {
	words:  []string{"x509:", "http response to https client"},
	advice: "the nodes do not trust the registry: check its certificate, and how the nodes' container runtime is set up for it",
}, {
	words:   []string{"no such host", "server misbehaving", "temporary failure"},
	passing: true,
	advice:  "the nodes cannot resolve the registry's name: check it in the image's name, and the nodes' DNS",
}, {
	words:   []string{"connection refused", "unreachable", "no route to host", "timeout", "timed out", "deadline exceeded"},
	passing: true,
	advice:  "the nodes cannot reach the registry: check that it runs, its name and port in the image's name, and the network",
}, {
	words:   []string{"500 internal", "502 bad", "503 service", "504 gateway", "unexpected eof", "connection reset", ": eof"},
	passing: true,
	advice:  "the registry, or the way to it, is in trouble: run the same again, or ask who runs it",
}}

// otherPlatform is what to do about an image that has nothing, or nothing that runs, for the nodes.
const otherPlatform = "the image is not built for the platform of the nodes: build it for that, too (docker buildx build --platform)"

// execFormat is how Linux refuses a program for another platform (ENOEXEC in execve(2)). An image may say that it is for
// the nodes' platform, or nothing of it, and hold such a program.
const execFormat = "exec format error"

// pullCauseOf tells the cause by what the kubelet says of a failed pull.
func pullCauseOf(message string) pullCause {
	message = strings.ToLower(message)
	for _, cause := range pullCauses {
		for _, word := range cause.words {
			if strings.Contains(message, word) {
				return cause
			}
		}
	}
	return pullCause{advice: "check the image's name and tag; a private registry needs `imagePullSecret`, an image that only this machine has needs `importImages`"}
}

// pullSteps are what containerd was doing, each with the whole reference: the cause comes after them.
var pullSteps = regexp.MustCompile(`^.*failed to (pull and unpack image|resolve reference) "[^"]*": `)

// shortPull is what the kubelet says of a failed pull with the image once, so that its end, the cause, is not cut off.
func shortPull(image, message string) string {
	steps := pullSteps.FindString(message)
	if steps == "" {
		return message
	}
	return fmt.Sprintf("image %s: %s", image, strings.TrimPrefix(message[len(steps):], image+": "))
}
