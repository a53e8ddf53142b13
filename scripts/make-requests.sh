#!/bin/sh
# Sends requests to the app and counts the answers per subset: the same as
# `canary requests`, with the same flags and exit codes.
set -eu

cd "$(dirname "$0")/.."
binary=.canary/bin/canary
# Not `go run`: it turns every exit code into 1.
if [ ! -x "$binary" ] || [ -n "$(find cmd internal go.mod go.sum -newer "$binary" | head -n 1)" ]; then
  go build -o "$binary" ./cmd/canary
fi
exec "$binary" requests "$@"
