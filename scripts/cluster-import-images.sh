#!/bin/sh
# Copies images from the local engine into every node of the cluster.
#
# Environment: CLUSTER_NAME; CLUSTER_SERVER, the container ID of its server; CLUSTER_NODES, its agents: Pulumi runs this again when
# these are others; IMAGES, one a line, by tag.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

# import_images imports images. k3d sends one stream to all nodes; when one of them ends its import a moment before the
# stream does, k3d says "Failed to copy read stream", and then waits for ever for the others, whose streams it never ends.
# That import is ended here, and "$work/broken" is left.
import_images() {
  # shellcheck disable=SC2016 # for the shell below, whose process becomes k3d
  {
    (k3d_environment && exec /bin/sh -c 'echo $$ >"$0" && exec k3d "$@"' "$work/k3d" \
      image import --mode direct --cluster "$CLUSTER_NAME" -- "$@") 2>&1 || : >"$work/failed"
  } | while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      *'Failed to copy read stream'*)
        : >"$work/broken"
        kill "$(cat "$work/k3d")" 2>/dev/null || :
        ;;
    esac
  done | relay_k3d
}

require_name
require_docker
require_k3d
require_its_server

set --
missing=
while IFS= read -r image; do
  case $image in
    '') continue ;;
    -* | *@* | sha256:*) fail "importImages: '$image' is not a tag, and k3d finds images by tag only: write name:tag" ;;
  esac
  docker image inspect -- "$image" >/dev/null 2>&1 || missing="$missing $image"
  set -- "$@" "$image"
done <<LIST
${IMAGES-}
LIST

[ -z "$missing" ] ||
  fail "importImages: the local Docker engine does not have:$missing. Build or pull them first (docker pull IMAGE), or take" \
    "them out of importImages"
[ "$#" -gt 0 ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM PIPE

log "cluster $CLUSTER_NAME: importing $# image(s) into its nodes"
attempt=1
while import_images "$@" && [ -e "$work/broken" ] && [ "$attempt" -lt 3 ]; do
  log "cluster $CLUSTER_NAME: k3d's import broke off and would never end: importing again"
  rm -f "$work/broken" "$work/failed" "$work/errors"
  attempt=$((attempt + 1))
done
[ ! -e "$work/failed" ] || fail "cluster $CLUSTER_NAME: images could not be imported. k3d says: $(first_k3d_error)"
printf '%s\n' "$@"
