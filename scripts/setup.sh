#!/usr/bin/env bash
# Chooses how this checkout runs (MODE=auto|normal|lab) and installs what is missing for that.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

registries_answer() { curl --silent --output /dev/null --max-time 5 https://registry-1.docker.io/v2/; }

choose() {
  case ${MODE:-auto} in
    normal | lab)
      say "mode: $MODE, as asked for"
      echo "$MODE"
      ;;
    auto)
      if [ -n "$(mode)" ]; then
        say "mode: $(mode), as before (MODE=normal or MODE=lab changes it)"
        mode
      elif registries_answer; then
        say "mode: normal, since container registries can be reached"
        echo normal
      elif [ "$(uname -sm)" = "Linux x86_64" ]; then
        say "mode: lab, since no container registry can be reached from here: every part is built from package registries"
        echo lab
      else
        die "no container registry can be reached, and the offline lab needs Linux on x86_64 (this is $(uname -sm)): check the network"
      fi
      ;;
    *) die "MODE is \"$MODE\": allowed are auto, normal and lab" ;;
  esac
}

command -v go >/dev/null || die "Go is missing: install it from https://go.dev/dl (go.mod names the version)"
mkdir -p "$home/bin" "$home/logs" "$home/state"
chosen=$(choose)
echo "$chosen" >"$home/mode"

if [ ! -s "$home/passphrase" ]; then
  (umask 077 && head -c 24 /dev/urandom | base64 >"$home/passphrase")
fi

if [ "$chosen" = lab ]; then
  lab start
else
  scripts/tools.sh
fi
load_env
go build -o "$home/bin/canary" ./cmd/canary
