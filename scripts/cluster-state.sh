#!/bin/sh
# Prints the state of a cluster as one word: absent, running, stopped, partial or foreign (see cluster_state).
#
# Environment: CLUSTER_NAME; CLUSTER_ID, the id of the stack's cluster (without it any stack's cluster counts);
# CLUSTER_ENGINE, the id and the host of its engine, when they are recorded; FORGET_ENGINE, that id, when the engine is gone
# for ever, and its cluster with it.
# Exit code: 1 when docker is missing or does not answer, or talks to another engine.
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

require_name
[ -z "${CLUSTER_ID-}" ] || require_id
if is_forgotten; then
  echo absent
  exit 0
fi
require_docker
require_its_engine
cluster_state
