# Shared by the scripts that people and make call (bash). Sourced from the project's folder.
# shellcheck shell=bash

set -o errexit -o nounset -o pipefail

# project is the checkout; home is its own folder for tools, state and logs.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=$project/.canary
cd "$project"

# say prints a line for the person who watches.
say() { printf '%s\n' "$*" >&2; }

# die says what is wrong and ends the script.
die() {
  say "error: $*"
  exit 1
}

# The environment of another checkout, which a shell got from its `make env`, is not for this one: its state, its tools and
# its engine are that checkout's. left_aside names the variables.
left_aside=
if [ -n "${CANARY_CHECKOUT:-}" ] && [ "$CANARY_CHECKOUT" != "$project" ]; then
  say "this shell has the environment of $CANARY_CHECKOUT: it is left aside here"
  for name in ${CANARY_ENV:-}; do
    case $name in *[!A-Z_]*) ;; *) unset "$name" && left_aside="$left_aside $name" ;; esac
  done
  PATH=:$PATH:
  while [[ $PATH == *":$CANARY_CHECKOUT/.canary/bin:"* ]]; do PATH=${PATH/":$CANARY_CHECKOUT/.canary/bin:"/:}; done
  PATH=${PATH#:} PATH=${PATH%:}
  unset CANARY_CHECKOUT CANARY_ENV
fi

# mode is how this checkout runs: normal or lab, as the first `make up` chose; nothing before that.
mode() { cat "$home/mode" 2>/dev/null || true; }

# lab runs the lab's own command.
lab() {
  go -C "$project/lab" build -o "$home/bin/lab" . || return
  "$home/bin/lab" --project "$project" "$@"
}

# stack is the Pulumi stack that this checkout works on.
stack() {
  if [ -n "${STACK:-}" ]; then
    echo "$STACK"
  elif [ "$(mode)" = lab ]; then
    echo lab
  else
    echo dev
  fi
}

# end_orphans ends language hosts of this checkout whose pulumi was killed, and the programs that they started: they wait for
# it for ever. They are known by their program's path; that no pulumi has them, by their parent and by nobody answering any
# more at the address of their pulumi, which is their last argument.
end_orphans() {
  local processes pid parent args program address one
  processes=$(ps -A -ww -o pid= -o ppid= -o args=)
  while read -r pid parent args; do
    program=${args#"$home"/}
    [ "$program" != "$args" ] || continue
    case ${program%% *} in pulumi-language-* | */pulumi-language-*) ;; *) continue ;; esac
    address=${args##* }
    [[ $address == 127.0.0.1:* && $(ps -o comm= -p "$parent") != *pulumi* ]] || continue
    if (exec 3<>"/dev/tcp/${address/://}") 2>/dev/null; then continue; fi
    say "ending the language host $pid, which a killed pulumi left"
    for one in "$pid" $(awk -v host="$pid" '$2 == host { print $1 }' <<<"$processes"); do
      kill "$one" 2>/dev/null || true
    done
  done <<<"$processes"
}

# load_env sets the environment of `make env` in this shell.
load_env() {
  local exports
  exports=$("$project/scripts/env.sh") || exit
  eval "$exports"
}

# step NAME COMMAND... runs one named step, with its output on the screen and in a log, and remembers its time.
steps=()
step() {
  local name=$1 log=$home/logs/$1.log start=$SECONDS
  shift
  mkdir -p "$home/logs"
  say "==> $name"
  if ! "$@" 2>&1 | tee "$log" >&2; then
    say ""
    say "error: the step \"$name\" failed."
    say "  its log:    $log"
    say "  what to do: mend what the last lines above name, then run the same command again: it goes on from here."
    exit 1
  fi
  steps+=("$(printf '%-10s %4d s' "$name" $((SECONDS - start)))")
}
