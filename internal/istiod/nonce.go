package istiod

import (
	"strconv"
	"strings"
)

// uuidLength is what follows the push's version in a nonce, without a separator.
const uuidLength = 36

// pushVersion takes the counter out of one of istiod's nonces, which are the
// push's version and a UUID. The version is the time in istiod's clock, a slash
// and a counter that grows by one with every push of the process and begins at 1.
func pushVersion(nonce string) (counter uint64, ok bool) {
	if len(nonce) <= uuidLength {
		return 0, false
	}
	version := nonce[:len(nonce)-uuidLength]
	counter, err := strconv.ParseUint(version[strings.LastIndexByte(version, '/')+1:], 10, 64)
	return counter, err == nil && counter > 0
}
