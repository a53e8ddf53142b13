# shellcheck shell=sh
# Whether the engine has room for a new cluster: memory and disk. Sourced after cluster.sh, never run.
#
# CLUSTER_ROOM is what the cluster takes at the very least, as words key=number, in MB: see components/cluster/room.go. Without it,
# and where the engine does not tell, nothing is refused: a cluster that does not work is better than one that is refused for nothing.

# asked KEY prints a number of CLUSTER_ROOM.
asked() {
  for word in $CLUSTER_ROOM; do
    [ "${word%%=*}" != "$1" ] || printf '%s\n' "${word#*=}"
  done
}

# check_memory fails when all the memory of the engine's machine, in use or not, is less than the cluster takes.
check_memory() {
  [ -n "${CLUSTER_ROOM-}" ] || return 0
  has=$(docker info --format '{{.MemTotal}}' 2>/dev/null) || return 0
  case $has in
    '' | 0 | *[!0-9]*) return 0 ;;
  esac
  has=$((has / 1000000))
  agents=$(asked agents)
  agent=$(asked agent)
  without=$(($(asked server) + $(asked pods)))
  needs=$((without + agents * agent))
  [ "$has" -lt "$needs" ] || return 0
  if [ "$has" -lt "$without" ]; then
    fewer="fewer agents are not enough"
  else
    fewer="or make do with fewer agents: pulumi config set agents $(((has - without) / agent))"
  fi
  fail "cluster $CLUSTER_NAME: the Docker engine has $has MB of memory in all, and the cluster needs $needs MB at the very least:" \
    "$(asked server) for its server, $agent for each of its $agents agents, and $(asked pods) that the pods of Istio, the app and" \
    "Kubernetes ask for. Nothing was made. Give the engine more (Docker Desktop: Settings, Resources, Memory limit); $fewer"
}

# disk_of_engine prints the size and the free part of the disk that has the engine's data, in MB, and their folder. It prints nothing
# where that is not known: the engine tells the folder alone, so it has to be on this machine, and no other may take its place.
disk_of_engine() {
  case $(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) in
    unix://*) ;;
    *) return 0 ;;
  esac
  docker info --format '{{.Name}} {{.DockerRootDir}}' 2>/dev/null | {
    read -r host folder || return 0
    [ "$host" = "$(uname -n)" ] && [ -d "$folder" ] || return 0
    blocks=$(df -P -k -- "$folder" 2>/dev/null | awk 'NR == 2 && $2 ~ /^[0-9]+$/ && $4 ~ /^[0-9]+$/ { print $2, $4 }')
    [ -n "$blocks" ] || return 0
    printf '%s %s %s\n' "$((${blocks% *} * 1024 / 1000000))" "$((${blocks#* } * 1024 / 1000000))" "$folder"
  }
}

# check_disk fails when the images leave less of the disk free than the 5 % below which K3s lets no pod run on a node (it sets the
# kubelet's evictionHard for imagefs and nodefs): all nodes are on the same disk.
check_disk() {
  [ -n "${CLUSTER_ROOM-}" ] || return 0
  disk=$(disk_of_engine)
  [ -n "$disk" ] || return 0
  size=${disk%% *}
  folder=${disk#* }
  free=${folder%% *}
  folder=${folder#* }
  spare=$((size / 20))
  needs=$(($(asked images) + spare))
  [ "$free" -lt "$needs" ] || return 0
  fail "cluster $CLUSTER_NAME: the Docker engine has its data in $folder, where $free of $size MB are free, and the cluster needs" \
    "$needs MB at the very least: $(asked images) for images, and $spare (5 %) that have to stay free, or K3s lets no pod run." \
    "Nothing was made. Make room there: docker system df tells what Docker keeps, and docker system prune removes what is not in" \
    "use, which stopped containers and stopped k3d clusters are, too"
}
