package canary

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// checksum of a text, for an annotation that makes pods follow it.
func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// slowChecksum is one of secret values. Everybody who reads pods can read it, so it
// is costly to compute, lest values be guessed by it. It is "" without any.
func slowChecksum(values map[string]string, salt string) (string, error) {
	const rounds = 100_000
	if len(values) == 0 {
		return "", nil
	}
	text, err := json.Marshal(values) // sorted by name
	if err != nil {
		return "", err
	}
	sum, err := pbkdf2.Key(sha256.New, string(text), []byte(salt), rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum), nil
}
