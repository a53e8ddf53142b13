#!/bin/sh
# Prints the cluster's kubeconfig and writes it to .canary/kubeconfig-<name>.yaml, for the user alone (0600).
#
# Environment: CLUSTER_NAME; CLUSTER_SERVER, the container ID of its server: Pulumi runs this again when that is another one.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

require_name
require_docker
require_k3d
require_its_server

make_private_dir
work=$(mktemp -d "$private_dir/kubeconfig.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM PIPE

if ! run_k3d kubeconfig get "$CLUSTER_NAME" >"$work/raw" 2>"$work/log"; then
  relay_k3d <"$work/log"
  fail "cluster $CLUSTER_NAME: its kubeconfig could not be read. k3d says: $(first_k3d_error)"
fi
sed -e '/^---$/d' "$work/raw" >"$work/kubeconfig.yaml"
[ -s "$work/kubeconfig.yaml" ] || fail "cluster $CLUSTER_NAME: k3d gave an empty kubeconfig"
mv -f "$work/kubeconfig.yaml" "$(kubeconfig_file "$CLUSTER_NAME")"
# Printed last: what a failing command has written so far goes into Pulumi's error message.
cat "$(kubeconfig_file "$CLUSTER_NAME")"
