package kube

import "strings"

// maxMessage bounds what is quoted from the cluster or from a log, in runes.
const maxMessage = 400

// WebhookFailed reports whether the API server says that a webhook which it has to ask did not answer.
func WebhookFailed(message string) bool { return strings.Contains(message, "failed calling webhook") }

// OneLine makes a message of the cluster or a line of a log fit into one line of
// an error: no line breaks, no control characters, not too long.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}
