#!/usr/bin/env bash
# Brings back a cluster of this stack that was stopped or removed by hand. Pulumi does not look at a
# cluster that a command made, so it would take it for running.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
stack=$1

if ! pulumi stack --show-urns --stack "$stack" | grep -q 'canary:cluster:Cluster\$command:local:Command::cluster$'; then
  say "no cluster was made yet"
  exit 0
fi
CLUSTER_NAME=$(pulumi config get clusterName --stack "$stack" 2>/dev/null || echo canary)
export CLUSTER_NAME
state=$(scripts/cluster-state.sh)
case $state in
  running) say "the cluster $CLUSTER_NAME is running" ;;
  stopped)
    say "the cluster $CLUSTER_NAME is stopped: starting it"
    k3d cluster start "$CLUSTER_NAME" --wait --timeout 300s
    ;;
  absent | partial)
    say "the cluster $CLUSTER_NAME is $state: the stack is destroyed and made anew"
    pulumi destroy --yes --skip-preview --non-interactive --stack "$stack"
    ;;
  *) say "the cluster $CLUSTER_NAME is $state: left to pulumi up" ;;
esac
