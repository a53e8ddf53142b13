#!/bin/sh
# Fails when cluster-delete.sh would: when docker talks to another engine than the one that the cluster lives on, or to none
# that answers. Pulumi runs it first when it destroys: by the time that cluster-delete.sh has its turn, what is in the
# cluster is no longer in the state.
#
# Environment: CLUSTER_NAME; CLUSTER_ID; CLUSTER_ENGINE, the id and the host of the engine, when they are recorded; FORGET_ENGINE,
# the id of the cluster's engine, when that is gone for ever.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

require_name
[ -z "${CLUSTER_ID-}" ] || require_id # a stack may have recorded this step without it
! is_forgotten || exit 0
require_its_engine
if command -v docker >/dev/null 2>&1; then require_engine; fi
