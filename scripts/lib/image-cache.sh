# shellcheck shell=sh
# The cache of images, for all k3d clusters of this machine: a registry in a container that keeps in a volume what nodes pull
# from another one. No stack owns it. Sourced after cluster.sh, never run.
#
# Its label is
#   canary.image-cache   the URL of the registry that it pulls from
# It has k3d's labels of a registry, too: k3d lists it, and `k3d cluster delete` lets go of it.

# The container and its volume. Nodes know it by this name, see components/cluster.
image_cache=canary-image-cache

# image_cache_shows prints of the container what a format says, and nothing when there is none.
image_cache_shows() {
  docker ps --all --filter "name=^$image_cache\$" --format "$1"
}

# image_cache_is_used tells whether it is in a cluster's network.
image_cache_is_used() {
  case ,$(image_cache_shows '{{.Networks}}') in
    *,k3d-*) ;;
    *) return 1 ;;
  esac
}

# run_image_cache makes or finds the cache that pulls from IMAGE_CACHE_FROM, and starts it. No cluster needs it: when it does
# not run, this says why, and fails.
run_image_cache() {
  found=$(image_cache_shows '{{.Names}} {{.Label "canary.image-cache"}}')
  keep=
  case $found in
    '') ;;
    "$image_cache ")
      without_cache "the container $image_cache is somebody else's: docker rename $image_cache another-name"
      return 1
      ;;
    "$image_cache $IMAGE_CACHE_FROM") keep=yes ;;
    *)
      if image_cache_is_used; then
        log "image cache: it still pulls from ${found#* }, for another cluster uses it"
        keep=yes
      fi
      ;;
  esac
  # It does not start when it was stopped, and a network that it was in is gone.
  if [ -n "$keep" ] && docker start "$image_cache" >/dev/null 2>&1; then
    return
  fi
  [ -z "$found" ] || docker rm --force "$image_cache" >/dev/null || :
  # A registry removes what it has had for a week only where removing is enabled; clients cannot ask this one for it.
  if docker_says=$(docker run --detach --quiet --name "$image_cache" --restart unless-stopped \
    --label app=k3d --label k3d.role=registry --label "canary.image-cache=$IMAGE_CACHE_FROM" \
    --env "REGISTRY_PROXY_REMOTEURL=$IMAGE_CACHE_FROM" --env REGISTRY_STORAGE_DELETE_ENABLED=true \
    --volume "$image_cache:/var/lib/registry" "$IMAGE_CACHE_IMAGE" 2>&1 >/dev/null); then
    return
  fi
  # Another create may have made it in the meantime.
  docker start "$image_cache" >/dev/null 2>&1 || {
    without_cache "docker says: $(printf '%s\n' "$docker_says" | head -n 1)"
    return 1
  }
}

without_cache() {
  log "image cache: the nodes pull from $IMAGE_CACHE_FROM themselves: $*"
}

# join_image_cache connects the cache to the cluster's network as soon as k3d has made that: before nodes pull.
join_image_cache() {
  until docker network connect "k3d-$CLUSTER_NAME" "$image_cache"; do
    sleep 1
  done
}

# check_image_cache says so when a cluster that was made has to do without the cache.
check_image_cache() {
  docker network connect "k3d-$CLUSTER_NAME" "$image_cache" >/dev/null 2>&1 || : # it is, as a rule
  case $(image_cache_shows '{{.State}},{{.Networks}},') in
    running,*",k3d-$CLUSTER_NAME,"*) ;;
    running,*) without_cache "the container $image_cache is not in their network" ;;
    *) without_cache "the container $image_cache does not run: docker logs $image_cache" ;;
  esac
}
