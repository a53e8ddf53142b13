#!/bin/sh
# Gives the stack's running cluster the agents that it should have: makes those that are missing, and drains and removes those
# that are too many, those with the highest numbers. Prints their names.
#
# Environment: CLUSTER_NAME, CLUSTER_ID; CLUSTER_ENGINE, the id and the host of the cluster's engine, when they are recorded;
# CLUSTER_AGENTS, how many it should have (as many as it was made with); CLUSTER_READY_SECONDS, how long the load balancer may take
# to work with others (60).
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"

work=
leaving=canary.leaving # a label of nodes: it is drained to be removed

on_exit() {
  status=$?
  set +e
  end_k3d
  [ "$status" -eq 0 ] || stay 2>/dev/null
  forget_work
  exit "$status"
}

kube() {
  docker exec "k3d-$CLUSTER_NAME-server-0" kubectl "$@"
}

# agents prints the names of the cluster's agents by their numbers. With "unusable", of those that were never started.
agents() {
  docker ps --all --filter label=app=k3d --filter "label=k3d.cluster=$CLUSTER_NAME" --filter label=k3d.role=agent \
    --filter "label=canary.cluster-id=$CLUSTER_ID" --format '{{.State}} {{.Names}}' |
    awk -v unusable="${1-}" -v never="$never_started" -v prefix="k3d-$CLUSTER_NAME-agent-" '
      ($1 ~ never) == (unusable != "") { print substr($2, length(prefix) + 1) + 0, $2 }' |
    sort -n | sed 's/^[0-9]* //'
}

# forget_lost removes the agents whose containers are gone from the cluster's records, so that their pods are made elsewhere.
forget_lost() {
  agents unusable | for_each docker rm --force --volumes >/dev/null
  there=$(agents)
  kube get nodes --output name | sed 's|^node/||' | while IFS= read -r node; do
    case $node in
      "k3d-$CLUSTER_NAME-agent-"*) ;;
      *) continue ;;
    esac
    printf '%s\n' "$there" | grep -q -x -F -- "$node" || kube delete node "$node" --wait=false >/dev/null
  done
}

exists() {
  docker container inspect "$1" >/dev/null 2>&1
}

# add makes an agent like the others. k3d puts a number behind the name that it is given.
add() {
  i=0
  while exists "k3d-$CLUSTER_NAME-agent-$i" || exists "k3d-$CLUSTER_NAME-agent-$i-0"; do
    i=$((i + 1))
  done
  agent=k3d-$CLUSTER_NAME-agent-$i-0
  log "cluster $CLUSTER_NAME: making the agent $agent"
  k3d_in_background node create "$CLUSTER_NAME-agent-$i" --cluster "$CLUSTER_NAME" --role agent --timeout 300s \
    --runtime-label "canary.cluster-id=$CLUSTER_ID" --runtime-label "canary.cluster-nodes=$((made_with + 2))" \
    --runtime-label "canary.cluster-stack=$(cluster_label canary.cluster-stack)" ||
    fail "cluster $CLUSTER_NAME: an agent could not be made. k3d says: $(first_k3d_error)"
  kube wait --for=condition=Ready "node/$agent" --timeout=120s >/dev/null ||
    fail "cluster $CLUSTER_NAME: its new agent $agent is not ready after 120 s; what it says: docker logs $agent"
}

# stay lets pods come again to the agents that were drained and are still there.
stay() {
  for node in $(kube get nodes --selector "$leaving" --output name); do
    kube uncordon "${node#node/}" >/dev/null
    kube label "$node" "$leaving-" >/dev/null
  done
}

# drain makes a node's pods move to other nodes.
drain() {
  log "cluster $CLUSTER_NAME: draining the agent $1"
  kube label --overwrite node "$1" "$leaving=true" >/dev/null
  kube drain "$1" --ignore-daemonsets --delete-emptydir-data --timeout=300s >"$work/drain" 2>&1 ||
    fail "cluster $CLUSTER_NAME: the agent $1 cannot be drained, and stays. kubectl says: $(sed -n '$p' "$work/drain")"
}

# balance lets the load balancer send to these agents and to no others. k3d itself does so for servers only, and with a name
# that is gone the load balancer does not start again.
balance() {
  balancer=k3d-$CLUSTER_NAME-serverlb values=/etc/confd/values.yaml
  docker cp "$balancer:$values" "$work/values" >/dev/null
  printf '%s\n' "$@" | awk -v prefix="- k3d-$CLUSTER_NAME-agent-" '
    NR == FNR { agents[++n] = $0; next }
    { at = index($0, prefix) }
    !at { print; done = 0; next }
    !done { for (i = 1; i <= n; i++) printf "%s- %s\n", substr($0, 1, at - 1), agents[i]; done = 1 }
  ' - "$work/values" >"$work/wanted"
  [ "$(cat "$work/values")" != "$(cat "$work/wanted")" ] || return 0
  chmod 644 "$work/values" "$work/wanted"
  before=$(times_balanced)
  docker cp "$work/wanted" "$balancer:$values" >/dev/null
  waited=0
  until [ "$(times_balanced)" -gt "$before" ]; do
    if [ "$waited" -ge "${CLUSTER_READY_SECONDS:-60}" ]; then
      docker cp "$work/values" "$balancer:$values" >/dev/null || : # else the next run takes it for done
      fail "cluster $CLUSTER_NAME: its load balancer does not take on the agents $*; what it says: docker logs $balancer"
    fi
    sleep 1
    waited=$((waited + 1))
  done
}

# times_balanced tells how often the load balancer has begun to work with a file, as k3d sees it.
times_balanced() {
  docker logs "$balancer" 2>&1 | grep -c 'start worker process' || :
}

# reconnect makes the pods of the ingress gateways anew, one after the other: before one ends, it asks its clients to connect
# again. Connections go through the node that the load balancer chose for them, whichever node has the gateway's pod.
reconnect() {
  kube get deployments --all-namespaces --selector istio=ingressgateway --no-headers \
    --output custom-columns=:metadata.namespace,:metadata.name >"$work/gateways"
  while read -r namespace gateway; do
    kube --namespace "$namespace" rollout restart "deployment/$gateway" >/dev/null
    kube --namespace "$namespace" rollout status "deployment/$gateway" --timeout=300s >/dev/null ||
      fail "cluster $CLUSTER_NAME: $namespace/$gateway does not become ready again; why: kubectl -n $namespace get pods"
  done <"$work/gateways"
}

require_name
require_id
require_docker
require_its_engine
require_k3d

state=$(cluster_state)
case $state in
  running | short) ;;
  *) fail "cluster $CLUSTER_NAME: it is $state, so its agents are left as they are: 'make up' brings it back" ;;
esac
made_with=$(($(cluster_label canary.cluster-nodes) - 2))
: "${CLUSTER_AGENTS:=$made_with}"
if [ "$made_with" -eq 0 ] && [ "$CLUSTER_AGENTS" -gt 0 ] || [ "$made_with" -gt 0 ] && [ "$CLUSTER_AGENTS" -eq 0 ]; then
  fail "cluster $CLUSTER_NAME: agents is $CLUSTER_AGENTS and it was made with $made_with: its server takes pods only where there are" \
    "no agents, so it has to be made anew: pulumi destroy, then pulumi up; to keep it: pulumi config set agents $made_with"
fi

make_private_dir
end_unfinished_create
trap on_exit EXIT
trap_signals
work=$(mktemp -d)

forget_lost
stay # a killed run could not say so
there=$(agents | grep -c .) || :
while [ "$there" -lt "$CLUSTER_AGENTS" ]; do
  add
  there=$((there + 1))
done
surplus=$(agents | sed "1,${CLUSTER_AGENTS}d")
for agent in $surplus; do
  drain "$agent"
done
# shellcheck disable=SC2046 # names
balance $(agents | head -n "$CLUSTER_AGENTS")
if [ -n "$surplus" ]; then
  reconnect
  for agent in $surplus; do
    docker rm --force --volumes "$agent" >/dev/null
    kube delete node "$agent" --wait=false >/dev/null
  done
fi
agents
