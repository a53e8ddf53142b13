#!/usr/bin/env bash
# Brings back a cluster of this stack that was stopped, or lost in whole or in part. Pulumi does not look at a cluster
# that a command made, so it would take it for running.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
stack=$1

recorded=$(pulumi stack export --stack "$stack")

# value KEY prints what the state has for a key of the cluster's commands. What counts is the cluster that was made, not
# the one that the configuration asks for now.
value() { sed -n "/^ *\"$1\": \"/{s/^[^:]*: \"\([^\"]*\)\".*/\1/p;q;}" <<<"$recorded"; }

CLUSTER_NAME=$(value CLUSTER_NAME) CLUSTER_ID=$(value CLUSTER_ID) CLUSTER_ENGINE=$(value CLUSTER_ENGINE) CLUSTER_AGENTS=$(value CLUSTER_AGENTS)
if [ -z "$CLUSTER_ID" ]; then
  say "the stack $stack has made no cluster yet"
  exit 0
fi
export CLUSTER_NAME CLUSTER_ID CLUSTER_ENGINE CLUSTER_AGENTS

state=$(scripts/cluster-state.sh)
case $state in
  absent | foreign)
    [ -n "$CLUSTER_ENGINE" ] ||
      die "the cluster $CLUSTER_NAME is not found, and nothing was changed. The state does not say which Docker engine it lives on" \
        "(it is from before that was recorded): when docker talks to another one here, talk to that one (DOCKER_HOST, docker" \
        "context); when the cluster is gone: make down, then make up"
    ;;
esac
if [ "$state" = stopped ]; then
  say "the cluster $CLUSTER_NAME is stopped: starting it"
  if LOG_COLORS=false k3d cluster start "$CLUSTER_NAME" --wait --timeout 300s; then
    state=$(scripts/cluster-state.sh)
  else
    say "the cluster $CLUSTER_NAME does not start"
  fi
fi
# Without a server in the state, its create was cut short.
CLUSTER_SERVER=$(value CLUSTER_SERVER)
[ "$state" != short ] || [ -n "$CLUSTER_SERVER" ] || state=partial
case $state in
  running)
    say "the cluster $CLUSTER_NAME is running"
    exit 0
    ;;
  short)
    say "the cluster $CLUSTER_NAME lacks agents: making them again"
    scripts/cluster-agents.sh
    IMAGES=$(printf '%b' "$(value IMAGES)") CLUSTER_SERVER=$CLUSTER_SERVER scripts/cluster-import-images.sh
    exit 0
    ;;
  absent) say "the cluster $CLUSTER_NAME is gone" ;;
  partial) say "the cluster $CLUSTER_NAME lacks nodes" ;;
  foreign) say "the cluster $CLUSTER_NAME is gone, and another one has its name" ;;
esac
say "what was installed in it is lost: the stack is destroyed, and made anew by pulumi up"
pulumi destroy --yes --skip-preview --non-interactive --stack "$stack"
