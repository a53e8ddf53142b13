#!/bin/sh
# Prints the identity of the stack's cluster, made once: a random id, and the id and the host of the Docker engine that the
# cluster is going to live on. Pulumi hands it back in PULUMI_COMMAND_STDOUT. Stacks that were made before engines were
# recorded have the id alone: an update adds the engine where the cluster is found, and fails nowhere.
# The first step of all: what the cluster needs on this machine is checked here, so that nothing is recorded without it.
#
# Environment: CLUSTER_NAME.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

recorded=${PULUMI_COMMAND_STDOUT-}
if [ -n "$recorded" ]; then
  CLUSTER_ID=$recorded
  lives_on=
  case $recorded in *' '*) ;; *) ! is_here || lives_on=$(engine) ;; esac
  printf '%s\n' "$recorded${lives_on:+ $lives_on}"
  exit 0
fi

require_name
require_docker
require_k3d

id=$(od -An -N 8 -t x1 /dev/urandom | tr -d ' \n')
[ "${#id}" -eq 16 ] || fail "no random id could be read from /dev/urandom: got '$id'"
lives_on=$(engine)
printf '%s\n' "$id${lives_on:+ $lives_on}"
