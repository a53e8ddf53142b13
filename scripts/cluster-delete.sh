#!/bin/sh
# Removes the stack's cluster, whole or in parts, and nothing else. Harmless when it is gone.
#
# Environment: CLUSTER_NAME; PULUMI_COMMAND_STDOUT, what cluster-identity.sh printed (or CLUSTER_ID). FORGET_ENGINE, the id of
# the cluster's engine, when that is gone for ever.
# Exit code: 1 when it cannot be known whether something is left (the engine does not answer, or is another one).
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

CLUSTER_ID=${PULUMI_COMMAND_STDOUT:-${CLUSTER_ID-}}
case $CLUSTER_ID in
  *' '*' '*)
    CLUSTER_ENGINE=${CLUSTER_ID#* }
    CLUSTER_ID=${CLUSTER_ID%% *}
    ;;
esac

require_name
require_id
if is_forgotten; then
  end_unfinished_create
  [ "$(cluster_state 2>/dev/null)" = foreign ] || rm -f "$(kubeconfig_file "$CLUSTER_NAME")"
  log "cluster $CLUSTER_NAME: its engine $CLUSTER_ENGINE is forgotten, and what is on it is left there"
  exit 0
fi
if ! command -v docker >/dev/null 2>&1; then
  require_its_engine
  rm -f "$(kubeconfig_file "$CLUSTER_NAME")"
  log "cluster $CLUSTER_NAME: docker is not installed here, so there is nothing to remove"
  exit 0
fi
require_engine
require_its_engine

end_unfinished_create
state=$(cluster_state)
remove_ours
case $state in
  absent) log "cluster $CLUSTER_NAME: already gone" ;;
  foreign) log "cluster $CLUSTER_NAME: left alone, for it is not this stack's" ;;
  *) log "cluster $CLUSTER_NAME: removed" ;;
esac
