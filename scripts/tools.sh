#!/usr/bin/env bash
# Installs the pinned Pulumi CLI and k3d into the project's own folder, each checked against its pinned checksum.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source internal/pins/pins.env

case $(uname -s) in
  Linux) os=LINUX ;;
  Darwin) os=DARWIN ;;
  *) die "no pinned tools for $(uname -s): Linux and macOS are supported" ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=AMD64 ;;
  aarch64 | arm64) arch=ARM64 ;;
  *) die "no pinned tools for $(uname -m): x86_64 and arm64 are supported" ;;
esac

for needed in curl tar; do
  command -v "$needed" >/dev/null || die "$needed is missing: install it, then run the same command again"
done
command -v docker >/dev/null || die "Docker is missing: install it (https://docs.docker.com/engine/install) and start it"
docker version >/dev/null 2>&1 || die "no Docker engine answers: start Docker, and check that \"docker version\" works for you"

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# fetch TOOL FILE downloads the tool's pinned file and checks it.
fetch() {
  local url=${1}_URL_${os}_$arch sum=${1}_SHA256_${os}_$arch got
  say "downloading ${!url}"
  curl --fail --silent --show-error --location --retry 3 --output "$2" "${!url}" ||
    die "cannot download ${!url}: check the network, then run the same command again"
  got=$(checksum "$2")
  [ "$got" = "${!sum}" ] || die "the checksum of ${!url} is $got, want ${!sum}: it was not installed; the download was cut short or is not what was pinned"
}

# installed TOOL VERSION is true when this version was installed before.
installed() { [ -x "$home/bin/$1" ] && [ "$(cat "$home/bin/.$1-version" 2>/dev/null)" = "$2" ]; }

mkdir -p "$home/bin"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if ! installed k3d "$K3D_VERSION"; then
  fetch K3D "$tmp/k3d"
  install -m 0755 "$tmp/k3d" "$home/bin/k3d"
  echo "$K3D_VERSION" >"$home/bin/.k3d-version"
fi
if ! installed pulumi "$PULUMI_VERSION"; then
  fetch PULUMI "$tmp/pulumi.tar.gz"
  tar -xzf "$tmp/pulumi.tar.gz" -C "$tmp"
  install -m 0755 "$tmp"/pulumi/* "$home/bin/"
  echo "$PULUMI_VERSION" >"$home/bin/.pulumi-version"
fi
