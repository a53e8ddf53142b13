#!/bin/sh
# Makes the stack's cluster, or finds it as it should be. The last line on stdout is the container ID of its server.
#
# Pulumi runs this to create and to update. On update it never makes a cluster: what the stack has installed would be
# missing in it, and Pulumi would not know.
#
# Environment:
#   CLUSTER_NAME, CLUSTER_ID
#   CLUSTER_ENGINE        the id and the host of the engine that the cluster lives on, when they are recorded
#   CLUSTER_CONFIG        k3d's configuration file, as text
#   CLUSTER_SETTINGS      the settings that the configuration was made from, as words key=value
#   CLUSTER_PORTS         the host ports that the configuration maps, as words key=port
#   CLUSTER_ROOM          what a new cluster takes of the engine, as words key=number; empty asks for nothing
#   CLUSTER_REGISTRY_SET  whether registryPort is set, and not the default: true or false
#   IMAGE_CACHE_FROM      the registry that the cache of images pulls from; empty for no cache
#   IMAGE_CACHE_IMAGE     the image of the cache
#   CLUSTER_READY_SECONDS how long the API server of a cluster found running may take to answer (60)
#   PULUMI_COMMAND_STDOUT the last result; set on update
set -eu

# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
. "$(dirname -- "$0")/lib/cluster.sh"
# shellcheck source-path=SCRIPTDIR source=lib/image-cache.sh
. "$(dirname -- "$0")/lib/image-cache.sh"
# shellcheck source-path=SCRIPTDIR source=lib/room.sh
. "$(dirname -- "$0")/lib/room.sh"

remedy="'make up' brings it back; by hand: pulumi destroy, then pulumi up"
work=
join_pid=
half_made=

# on_exit ends k3d and removes what it had made, unless the cluster is whole.
on_exit() {
  status=$?
  set +e
  [ -z "$join_pid" ] || kill -s TERM "$join_pid" 2>/dev/null
  end_k3d
  if [ -n "$half_made" ]; then
    (remove_ours) || log "cluster $CLUSTER_NAME: not all of it could be removed: 'pulumi destroy' tries again"
  fi
  forget_work
  exit "$status"
}

create() {
  for port in $CLUSTER_PORTS; do
    check_port "${port#*=}" "${port%%=*}"
  done
  check_memory
  remove_ours
  check_disk # afterwards: what a create that was cut short has left takes of it
  printf '%s\n' "$CLUSTER_CONFIG" >"$work/k3d.yaml"
  log "cluster $CLUSTER_NAME: creating it"
  if [ -n "${IMAGE_CACHE_FROM-}" ] && run_image_cache; then
    join_image_cache >/dev/null 2>&1 &
    join_pid=$!
  fi
  half_made=yes
  k3d_in_background cluster create "$CLUSTER_NAME" --config "$work/k3d.yaml" \
    --runtime-label "canary.cluster-id=$CLUSTER_ID@all" \
    --runtime-label "canary.cluster-image-cache=${IMAGE_CACHE_FROM:-off}@all" ||
    fail "cluster $CLUSTER_NAME: it could not be created, and what was made of it is removed. k3d says: $(first_k3d_error)"
  half_made=
  [ -z "$join_pid" ] || check_image_cache
}

start() {
  log "cluster $CLUSTER_NAME: starting it"
  k3d_in_background cluster start "$CLUSTER_NAME" --timeout 300s ||
    fail "cluster $CLUSTER_NAME: it is stopped and could not be started. k3d says: $(first_k3d_error). $remedy"
  wait_until_ready || fail "cluster $CLUSTER_NAME: it was started and its API server does not answer. $remedy"
}

wait_until_ready() {
  waited=0
  until docker exec "k3d-$CLUSTER_NAME-server-0" kubectl get --raw /readyz >/dev/null 2>&1; do
    [ "$waited" -lt "${CLUSTER_READY_SECONDS:-60}" ] || return 1
    sleep 2
    waited=$((waited + 2))
  done
}

# remake is for what only a create that was cut short leaves: nothing of the stack can be installed in it.
remake() {
  [ -z "${PULUMI_COMMAND_STDOUT-}" ] || fail "cluster $CLUSTER_NAME: $1, and what this stack installed is lost. $remedy"
  log "cluster $CLUSTER_NAME: $1; making it anew"
  remove_ours
  create
}

# check_port PORT KEY fails when a host port is taken, naming what has it and the key that sets it.
check_port() {
  case $2 in
    registryPort) free=$(($1 % 65535 + 1)) ;;
    *) free=$((8000 + $1 % 1000)) ;;
  esac
  holder=$(docker ps --filter "publish=$1" --format '{{.Names}}' | head -n 1)
  [ -z "$holder" ] ||
    fail "port $1 of this machine is taken by the container $holder: stop it, or choose another port:" \
      "pulumi config set $2 $free"
  case ${DOCKER_HOST-} in
    '' | unix:*)
      if port_is_taken "$1"; then
        fail "port $1 of this machine is taken by $(port_holder "$1"): stop it, or choose another port:" \
          "pulumi config set $2 $free"
      fi
      ;;
  esac
}

# listeners prints the sockets that listen on a TCP port here, by /proc.
listeners() {
  # Fields: local address as hex:PORT, the state, where 0A is LISTEN, and the socket.
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$(printf ':%04X' "$1")" \
    '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }'
}

# port_is_taken tells whether anything listens on a TCP port here. Where that cannot be seen, k3d is left to find out.
port_is_taken() {
  if [ -r /proc/net/tcp ]; then
    [ -n "$(listeners "$1")" ]
  elif command -v netstat >/dev/null 2>&1; then
    netstat -an | awk -v port="$1" '$NF == "LISTEN" && $4 ~ "[.:]" port "$" { found = 1 } END { exit !found }'
  else
    return 1
  fi
}

# port_holder says which program listens on a TCP port here, where the system tells this user.
port_holder() {
  pid=
  if [ -r /proc/net/tcp ]; then
    for socket in $(listeners "$1"); do
      [ -n "$pid" ] || pid=$(find /proc/[0-9]*/fd -lname "socket:\[$socket\]" 2>/dev/null | head -n 1)
    done
    pid=${pid#/proc/}
    pid=${pid%%/*}
  elif command -v lsof >/dev/null 2>&1; then
    pid=$(lsof -nP -t -iTCP:"$1" -sTCP:LISTEN 2>/dev/null | head -n 1)
  fi
  name=
  [ -z "$pid" ] || name=$(ps -o comm= -p "$pid" 2>/dev/null) || :
  if [ -n "$name" ]; then
    printf 'the program %s (process %s)\n' "$name" "$pid"
  else
    printf 'another program\n'
  fi
}

# check_settings refuses settings that the cluster was not made with: it cannot take them on, and it is in use. Another cache of
# images, which no cluster needs, it only tells of.
check_settings() {
  cache=$(cluster_label canary.cluster-image-cache)
  case $cache in
    '' | "${IMAGE_CACHE_FROM:-off}") ;;
    *)
      log "cluster $CLUSTER_NAME: imageCache is ${IMAGE_CACHE_FROM:-off} now, and a living cluster keeps the one that it was made" \
        "with, $cache: to have the other: pulumi destroy, then pulumi up; to keep this one: pulumi config set imageCache $cache"
      ;;
  esac
  made_with=$(cluster_label canary.cluster-settings)
  case $made_with in
    agents=*) made_with=${made_with#* } ;; # made before these could change: see cluster-agents.sh
  esac
  case $made_with in
    *metricsServer=*) ;;
    *) # made before there were these keys
      made_with="${made_with%% k3sImage=*} httpsPort=0 k3sImage=${made_with##* k3sImage=} metricsServer=false"
      ;;
  esac
  case $made_with in
    *registryPort=*) ;;
    *) # made before there was this key, and without a registry, which its default does not ask for
      registry_port=0
      [ "${CLUSTER_REGISTRY_SET-}" = true ] || registry_port=${CLUSTER_SETTINGS##*registryPort=}
      made_with="$made_with registryPort=$registry_port"
      ;;
  esac
  [ "$made_with" != "$CLUSTER_SETTINGS" ] || return 0
  set -f
  changes=
  keep=
  port=
  for wanted in $CLUSTER_SETTINGS; do
    key=${wanted%%=*}
    for made in $made_with; do
      if [ "${made%%=*}" = "$key" ] && [ "$made" != "$wanted" ]; then
        changes="$changes $key is ${made#*=} and ${wanted#*=} is asked for;"
        keep="$keep pulumi config set $key ${made#*=};"
        case $key in
          *Port) port=" (k3d adds a port only by replacing the load balancer, which carries the API server too)" ;;
        esac
      fi
    done
  done
  fail "cluster $CLUSTER_NAME: it was made with other settings, and a living cluster is left as it is$port:$changes" \
    "to have them: pulumi destroy, then pulumi up; to keep the cluster:$keep"
}

require_name
require_id
require_docker
require_its_engine
require_k3d
: "${CLUSTER_CONFIG:?}" "${CLUSTER_SETTINGS:?}" "${CLUSTER_PORTS:?}"

make_private_dir
end_unfinished_create
trap on_exit EXIT
trap_signals
work=$(mktemp -d)

other=$(names_of_our_clusters | grep -v -x -F -- "$CLUSTER_NAME" | head -n 1) || :
[ -z "$other" ] ||
  fail "clusterName is $CLUSTER_NAME and this stack's cluster is called $other: to keep it, pulumi config set clusterName" \
    "$other; to have another, pulumi destroy, then pulumi up"

state=$(cluster_state)
case $state in
  foreign)
    stack=$(cluster_label canary.cluster-stack)
    fail "a k3d cluster called $CLUSTER_NAME exists already and is not this stack's${stack:+ (stack $stack made it)}: choose" \
      "another name: pulumi config set clusterName $CLUSTER_NAME-2; or, if nobody needs it, remove it:" \
      "k3d cluster delete $CLUSTER_NAME"
    ;;
  absent)
    [ -z "${PULUMI_COMMAND_STDOUT-}" ] || fail "cluster $CLUSTER_NAME: it is gone, and what this stack installed is lost. $remedy"
    create
    ;;
  partial)
    remake "nodes of it are missing or were never started"
    ;;
  short)
    # Of a create that was cut short. Later cluster-agents.sh sees to them.
    [ -n "${PULUMI_COMMAND_STDOUT-}" ] || remake "agents of it are missing or were never started"
    check_settings
    ;;
  stopped)
    check_settings
    start
    ;;
  running)
    check_settings
    if wait_until_ready; then
      log "cluster $CLUSTER_NAME: it is running"
    else
      remake "it runs and its API server does not answer"
    fi
    ;;
esac

server_id
