#!/bin/sh
# Copies images from the local engine into every node of the cluster.
#
# Environment: CLUSTER_NAME; CLUSTER_SERVER, the container ID of its server: Pulumi runs this again when that is another one;
# IMAGES, one a line, by tag.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

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
{ run_k3d image import --mode direct --cluster "$CLUSTER_NAME" -- "$@" 2>&1 || : >"$work/failed"; } | relay_k3d
[ ! -e "$work/failed" ] || fail "cluster $CLUSTER_NAME: images could not be imported. k3d says: $(first_k3d_error)"
printf '%s\n' "$@"
