# shellcheck shell=sh
# What the cluster scripts share; sourced, never run.
#
# Docker's labels are the record of what exists. k3d puts app=k3d, k3d.cluster=<name> and k3d.role=<role> on every
# container; ours are
#   canary.cluster-id           the id that the stack made for its cluster: whose container it is
#   canary.cluster-nodes        how many containers it was made with
#   canary.cluster-settings     the settings it was made with, as words key=value
#   canary.cluster-stack        the stack's name, for messages
#   canary.cluster-image-cache  the imageCache that it was made with; clusters from before there was this label have none
# k3d puts none of ours on a network, an image volume, its tools container and a registry: see remove_leftovers.
#
# Everything is passed by environment variable. Progress goes to stderr: stdout is the result that Pulumi records.

# Ranges such as [a-z] mean the same everywhere only in this locale.
LC_ALL=C
export LC_ALL

# What is written here (kubeconfig, k3d's configuration) is for the user alone.
umask 077

# The folder of what belongs to this machine, relative to the project folder, where Pulumi runs commands.
private_dir=.canary

log() {
  printf '%s\n' "$*" >&2
}

fail() {
  log "error: $*"
  exit 1
}

# require_name refuses what cannot be a cluster's name, before it becomes part of a path, a filter or a command line.
require_name() {
  case ${CLUSTER_NAME-} in
    '' | -* | *- | *[!a-z0-9-]*)
      fail "CLUSTER_NAME is '${CLUSTER_NAME-}': a cluster's name has small letters, digits and inner hyphens only;" \
        "set another: pulumi config set clusterName canary"
      ;;
  esac
}

require_id() {
  case ${CLUSTER_ID-} in
    '' | *[!0-9a-f]*) fail "CLUSTER_ID is '${CLUSTER_ID-}': it must be the hexadecimal id that cluster-identity.sh printed" ;;
  esac
}

require_docker() {
  command -v docker >/dev/null 2>&1 ||
    fail "docker is not installed or not on PATH, and k3d makes the cluster from containers: install it" \
      "(https://docs.docker.com/get-docker/), or use a cluster that you have: pulumi config set clusterProvider existing"
  require_engine
}

require_engine() {
  if ! engine_says=$(docker version --format '{{.Server.Version}}' 2>&1 >/dev/null); then
    fail "the Docker engine does not answer: start it and run the command again. It says: $engine_says"
  fi
}

# engine prints the id and the host name of the engine that docker talks to; an engine that gives no id prints nothing.
engine() {
  docker info --format '{{if .ID}}{{.ID}} {{.Name}}{{end}}' 2>/dev/null || :
}

# require_its_engine refuses to go on when the cluster lives on another engine than docker talks to: what is not found here
# is not gone. CLUSTER_ENGINE is the recorded id and host; empty means that none was recorded. Where the cluster's containers
# are, it lives, for an engine can change its id and its host's name; where they are not, both have to be the recorded ones,
# for a cloned machine has an engine of the same id.
require_its_engine() {
  [ -n "${CLUSTER_ENGINE-}" ] || return 0
  ! is_here || return 0
  here=$(engine)
  [ "$here" != "$CLUSTER_ENGINE" ] || return 0
  fail "cluster $CLUSTER_NAME: it lives on the Docker engine ${CLUSTER_ENGINE%% *} of the host ${CLUSTER_ENGINE#* }, and" \
    "docker here talks to ${here:-no engine that answers with an id}: nothing was changed or removed. Start that engine, or" \
    "talk to it (DOCKER_HOST, docker context); if it is gone for ever: FORGET_ENGINE=${CLUSTER_ENGINE%% *} pulumi destroy"
}

# require_its_server refuses to go on, where k3d is going to act by name, when the cluster of that name is not the one whose
# server is the container CLUSTER_SERVER.
require_its_server() {
  found=$(server_id)
  [ "$found" != "${CLUSTER_SERVER:?}" ] || return 0
  fail "cluster $CLUSTER_NAME: its server is the container $(short "$CLUSTER_SERVER"), and docker here has" \
    "$(short "${found:-none}") under that name: talk to the engine that it lives on (DOCKER_HOST, docker context); if it is" \
    "gone, 'make up' brings it back"
}

# short cuts a container's id as docker does.
short() {
  printf '%.12s' "$1"
}

# is_here tells whether docker talks to an engine that has any of the cluster's containers.
is_here() {
  [ -n "${CLUSTER_ID-}" ] && [ -n "$(our_containers 2>/dev/null)" ]
}

# is_forgotten tells whether the user gave up the engine that the cluster lives on, and the cluster is not here after all.
is_forgotten() {
  [ -n "${CLUSTER_ENGINE-}" ] && [ "${FORGET_ENGINE-}" = "${CLUSTER_ENGINE%% *}" ] && ! is_here
}

require_k3d() {
  command -v k3d >/dev/null 2>&1 ||
    fail "k3d is not installed or not on PATH: 'make up' installs the right version into this folder and" \
      "'eval \"\$(make -s env)\"' puts it on PATH"
}

make_private_dir() {
  mkdir -p "$private_dir"
  chmod 700 "$private_dir"
}

kubeconfig_file() {
  printf '%s/kubeconfig-%s.yaml\n' "$private_dir" "$1"
}

# k3d_environment shields k3d from what would change its meaning, in this shell. It takes settings of the same names as
# its configuration file's from the environment (K3D_AGENTS=5 would win over the file), logs to stdout as LOG_LEVEL says,
# and leaves copies of its configuration in TMPDIR. Needs work, a folder of ours.
k3d_environment() {
  unset K3D_CONFIG K3D_SERVERS K3D_AGENTS K3D_IMAGE K3D_NETWORK K3D_SUBNET K3D_TOKEN LOG_TIMESTAMPS
  TMPDIR=${work:?} KUBECONFIG=${work:?}/kubeconfig LOG_LEVEL=info LOG_COLORS=false
  export TMPDIR KUBECONFIG LOG_LEVEL LOG_COLORS
}

# k3d_in_background runs k3d so that a signal to this script is handled at once: a shell waits for a child in the foreground.
k3d_in_background() {
  mkfifo "$work/log"
  relay_k3d <"$work/log" &
  relay_pid=$!
  { k3d_environment && exec k3d "$@"; } >"$work/log" 2>&1 &
  k3d_pid=$!
  printf '%s\n' "$$" "$k3d_pid" >"$(pid_file)"
  k3d_status=0
  wait "$k3d_pid" || k3d_status=$?
  k3d_pid=
  wait "$relay_pid" || :
  rm -f "$work/log"
  return "$k3d_status"
}

# trap_signals lets a signal end the script with the usual exit code, through its trap on EXIT.
trap_signals() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
}

# end_k3d ends what k3d_in_background began. Nothing may cut it short.
end_k3d() {
  trap '' HUP INT TERM PIPE
  [ -z "${k3d_pid-}" ] || kill -s TERM "$k3d_pid" 2>/dev/null
  wait
}

# forget_work removes what k3d was given, and the note of who is at work.
forget_work() {
  [ -z "$work" ] || rm -rf "$work"
  rm -f "$(pid_file)"
}

run_k3d() {
  (k3d_environment && exec k3d "$@")
}

# relay_k3d reads k3d's log on stdin, shows each message and keeps the errors in "$work/errors".
relay_k3d() {
  while IFS= read -r line; do
    message=$line
    case $line in
      *' msg="'*'"')
        message=${line#*' msg="'}
        message=${message%'"'}
        ;;
      *' msg='*) message=${line#*' msg='} ;;
    esac
    case $line in
      *' level=error '* | *' level=fatal '*) printf '%s\n' "$message" >>"$work/errors" ;;
    esac
    log "  k3d: $message"
  done
}

# first_k3d_error prints the cause that k3d gave: its first error, for the later ones tell of its own cleaning up.
first_k3d_error() {
  if [ -s "$work/errors" ]; then
    head -n 1 "$work/errors"
  else
    printf '%s\n' "it ended without a message"
  fi
}

# The states of a container that was never started, or is ending for good, for awk.
never_started='^(created|removing|dead)$'

# cluster_state prints the state of the cluster CLUSTER_NAME:
#   absent   there is no node of that name
#   foreign  there is one, and it is not this stack's (with no CLUSTER_ID: not made by any stack of this project)
#   partial  the server or the load balancer is missing or was never started
#   stopped  not every node runs, or its registry does not
#   short    the nodes run, and agents are missing or were never started: removed by hand, or made by a command that was cut short
#   running  every node runs
# CLUSTER_AGENTS is how many agents it should have; where it is not set, as many as it was made with.
cluster_state() {
  nodes=$(docker ps --all --filter label=app=k3d --filter "label=k3d.cluster=$CLUSTER_NAME" --format \
    '{{.State}}|{{.Label "k3d.role"}}|{{.Label "canary.cluster-id"}}|{{.Label "canary.cluster-nodes"}}') ||
    fail "cluster $CLUSTER_NAME: docker could not list its containers"
  printf '%s\n' "$nodes" | awk -F '|' -v id="${CLUSTER_ID-}" -v agents="${CLUSTER_AGENTS-}" -v never="$never_started" '
    $2 == "server" || $2 == "agent" || $2 == "loadbalancer" {
      nodes++
      if ($3 != "" && (id == "" || $3 == id)) { ours++; if (agents == "") agents = $4 - 2 }
      if ($1 ~ never) next
      role[$2]++
      if ($1 != "running") idle = 1
    }
    $2 == "registry" && $1 != "running" { idle = 1 }
    END {
      if (!nodes) print "absent"
      else if (!ours) print "foreign"
      else if (!role["server"] || !role["loadbalancer"]) print "partial"
      else if (idle) print "stopped"
      else if (role["agent"] < agents) print "short"
      else print "running"
    }'
}

# cluster_label prints a label of the cluster's first node.
cluster_label() {
  docker ps --all --filter label=app=k3d --filter "label=k3d.cluster=$CLUSTER_NAME" --filter label=k3d.role=server \
    --format "{{.Label \"$1\"}}" | head -n 1
}

# server_id prints the container ID of the cluster's server: new when the cluster was made anew, the same after a stop.
server_id() {
  docker ps --all --no-trunc --filter label=app=k3d --filter "label=k3d.cluster=$CLUSTER_NAME" \
    --filter label=k3d.role=server --format '{{.ID}}' | head -n 1
}

# names_of_our_clusters prints the names of the clusters whose containers carry CLUSTER_ID, one a line.
names_of_our_clusters() {
  docker ps --all --filter label=app=k3d --filter "label=canary.cluster-id=$CLUSTER_ID" \
    --format '{{.Label "k3d.cluster"}}' | sort -u
}

our_containers() {
  docker ps --all --quiet --filter label=app=k3d --filter "label=canary.cluster-id=$CLUSTER_ID"
}

# remove_ours removes every cluster that carries CLUSTER_ID, whole or in parts, and what k3d made for CLUSTER_NAME.
# `k3d cluster delete` is not used: it goes by name, whoever made the cluster, and edits the user's own kubeconfig.
remove_ours() {
  names=$(printf '%s\n%s\n' "$CLUSTER_NAME" "$(names_of_our_clusters)" | sort -u)
  attempt=1
  while containers=$(our_containers) && [ -n "$containers" ]; do
    [ "$attempt" -le 5 ] ||
      fail "cluster $CLUSTER_NAME: docker does not remove its containers: $(printf '%s ' "$containers")"
    [ "$attempt" -eq 1 ] || sleep 1
    printf '%s\n' "$containers" | xargs docker rm --force --volumes >/dev/null || :
    attempt=$((attempt + 1))
  done
  for name in $names; do
    remove_leftovers "$name"
  done
}

# remove_leftovers removes what k3d makes for a cluster of this name and labels by name only (registry, tools container,
# image volume, network), and our kubeconfig file. They are left alone as long as any node of that name exists: they are its.
remove_leftovers() {
  owner=$(docker ps --all --filter label=app=k3d --filter "label=k3d.cluster=$1" --format '{{.Label "k3d.role"}}') ||
    fail "cluster $1: docker could not list its containers"
  case $owner in
    *server* | *agent* | *loadbalancer*) return 0 ;;
  esac

  docker ps --all --quiet --filter label=app=k3d --filter "label=k3d.cluster=$1" --filter label=k3d.role=noRole |
    for_each docker rm --force --volumes || fail "cluster $1: docker does not remove k3d's tools container"
  docker ps --all --quiet --filter label=app=k3d --filter "label=k3d.cluster=$1" --filter label=k3d.role=registry |
    for_each docker rm --force --volumes || fail "cluster $1: docker does not remove its registry"
  docker volume ls --quiet --filter label=app=k3d --filter "label=k3d.cluster=$1" |
    for_each docker volume rm || fail "cluster $1: docker does not remove its image volume"
  docker network ls --quiet --filter label=app=k3d --filter "name=^k3d-$1\$" |
    for_each remove_network || fail "cluster $1: docker does not remove its network"
  rm -f "$(kubeconfig_file "$1")"
}

# for_each runs a command once for each line of stdin, the line as its last argument.
for_each() {
  while IFS= read -r item; do
    if [ -n "$item" ]; then "$@" "$item" >/dev/null || exit 1; fi
  done
}

# remove_network removes a cluster's network; a container that somebody else attached to it, as the cache of images, is
# detached, and stays. One that is stopped would not start again otherwise.
remove_network() {
  docker ps --all --quiet --filter "network=$1" |
    for_each docker network disconnect --force "$1" || return 1
  docker network rm "$1"
}

# A create notes its process ids, so that whoever comes after a killed `pulumi up` can end what it left at work.
pid_file() {
  printf '%s/create-%s.pids\n' "$private_dir" "$CLUSTER_NAME"
}

# creates_at_work prints the noted processes that still are what they were: ids are used again.
creates_at_work() {
  [ -f "$(pid_file)" ] || return 0
  while read -r pid; do
    case $pid in
      '' | *[!0-9]* | "$$") continue ;;
    esac
    case $(ps -o args= -p "$pid" 2>/dev/null) in
      *cluster-create.sh* | *k3d*cluster*create* | *cluster-agents.sh* | *k3d*node*create*) printf '%s\n' "$pid" ;;
    esac
  done <"$(pid_file)"
}

end_unfinished_create() {
  waited=0
  while pids=$(creates_at_work) && [ -n "$pids" ]; do
    [ "$waited" -lt 60 ] ||
      fail "cluster $CLUSTER_NAME: an earlier create is still at work and does not end: processes $(printf '%s ' "$pids")"
    if [ "$waited" -eq 0 ]; then
      log "cluster $CLUSTER_NAME: ending an earlier create that is still at work"
      for pid in $pids; do kill -s TERM "$pid" 2>/dev/null || :; done
    fi
    sleep 1
    waited=$((waited + 1))
  done
  rm -f "$(pid_file)"
}
