#!/usr/bin/env bash
# Builds the canary command for every platform into dist/, with checksums: release.sh VERSION, on the commit that the tag
# VERSION names. Go writes the version into the program; it is none when files are changed.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
[ $# = 1 ] || die "usage: scripts/release.sh VERSION"
version=$1

rm -rf dist
mkdir dist
export CGO_ENABLED=0
for os in linux darwin; do
  for arch in amd64 arm64; do
    say "building $os/$arch"
    GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=true -ldflags='-s -w' -o "dist/canary-$os-$arch" ./cmd/canary
  done
done

got=$("dist/canary-$(go env GOOS)-$(go env GOARCH)" version)
[ "$got" = "canary $version" ] ||
  die "the program says \"$got\", want \"canary $version\": check out the tag $version, without changed files"
(cd dist && sha256sum canary-* >checksums.txt)
