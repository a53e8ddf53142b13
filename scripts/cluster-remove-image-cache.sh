#!/bin/sh
# Removes the cache of images of this machine with all that it holds, unless a cluster uses it.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"
# shellcheck source-path=SCRIPTDIR source=lib/image-cache.sh
. "$(dirname -- "$0")/lib/image-cache.sh"

# A stack on an existing cluster needs no Docker, and has no cache.
docker version >/dev/null 2>&1 || exit 0
case $(image_cache_shows '{{.Names}} {{.Label "canary.image-cache"}}') in
  "$image_cache ") exit 0 ;; # somebody else's
esac
if image_cache_is_used; then
  log "image cache: it stays, for another cluster uses it"
  exit 0
fi
image_cache_shows '{{.ID}}' | for_each docker rm --force || fail "image cache: docker does not remove its container $image_cache"
docker volume ls --quiet --filter "name=^$image_cache\$" |
  for_each docker volume rm || fail "image cache: docker does not remove its volume $image_cache"
