#!/bin/sh
# Fails when docker talks to another engine than the one that the cluster lives on. Pulumi runs it first when it destroys: by
# the time that cluster-delete.sh has its turn, what is in the cluster is no longer in the state.
#
# Environment: CLUSTER_NAME; CLUSTER_ENGINE, the id and the host of the engine, when they are recorded; FORGET_ENGINE.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

require_name
require_its_engine
