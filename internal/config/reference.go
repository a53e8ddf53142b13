package config

import (
	"regexp"
	"strings"
)

// The grammar of an image reference as the distribution project specifies it, with the digests that
// registries use.
var (
	registryForm = regexp.MustCompile(`^(?:` +
		`[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*` +
		`|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$`)
	pathForm = regexp.MustCompile(`^` + pathPart + `(?:/` + pathPart + `)*$`)
	tagForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

	digestForm = regexp.MustCompile(`^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$`)
)

const (
	pathPart         = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	maxRepositoryLen = 255
)

// isPinnedReference says whether an image reference is valid and has a tag or a digest: without one it
// would mean whatever "latest" is at the time of the pull.
func isPinnedReference(text string) bool {
	name, digest, hasDigest := strings.Cut(text, "@")
	if hasDigest && !digestForm.MatchString(digest) {
		return false
	}
	repository, hasTag := name, false
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		repository, hasTag = name[:colon], true
		if !isTag(name[colon+1:]) {
			return false
		}
	}
	return (hasTag || hasDigest) && isRepository(repository)
}

// isRepository says whether text is a reference without tag and digest. As in Docker, the first part is
// a registry only if it looks like one.
func isRepository(text string) bool {
	if len(text) > maxRepositoryLen {
		return false
	}
	first, rest, more := strings.Cut(text, "/")
	if more && (strings.ContainsAny(first, ".:[") || first == "localhost" || first != strings.ToLower(first)) {
		return registryForm.MatchString(first) && pathForm.MatchString(rest)
	}
	return pathForm.MatchString(text)
}

func isTag(text string) bool { return tagForm.MatchString(text) }
