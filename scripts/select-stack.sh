#!/usr/bin/env bash
# Selects the stack, made first if need be; frees it from the lock of an update that was killed on this machine.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
stack=$1

select_stack() {
  pulumi stack select --create --non-interactive "$stack"
}

# Only a backend of files has what outlives a process that was killed.
backend=${PULUMI_BACKEND_URL:-file://$home/state}
case $backend in
  file://*) folder=${backend#file://} ;;
  *)
    select_stack
    exit
    ;;
esac
folder=${folder%%\?*}
folder=${folder/#\~/$HOME}

# Beside the state there may be a file of attributes, of no use and not written in one piece: while it is empty nothing of the
# stack can be read ("failed to load checkpoint: EOF").
[ ! -d "$folder/.pulumi" ] || find "$folder/.pulumi" -name '*.attrs' -size 0 -exec rm -f {} +
select_stack

# A lock names the process that holds it. It is void when that ran on this machine and is gone; its id may have gone to
# another program since.
shopt -s nullglob
dead=
for lock in "$folder"/.pulumi/locks/organization/*/"$stack"/*.json; do
  pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$lock")
  host=$(sed -n 's/.*"hostname": *"\([^"]*\)".*/\1/p' "$lock")
  if [ "$host" != "$(hostname)" ] || [ -z "$pid" ] || [[ $(ps -o comm= -p "$pid" 2>/dev/null) == *pulumi* ]]; then
    say "the stack $stack is being updated by process ${pid:-?} on ${host:-?}"
    exit 0 # pulumi says what to do
  fi
  dead=$pid
done
if [ -n "$dead" ]; then
  say "the update with process $dead was killed: its lock on the stack is removed"
  pulumi cancel --yes --non-interactive --stack "$stack"
  # An import forgets what was under way. Every create of this project takes up what an earlier one left, so there is
  # nothing to look up by hand, as Pulumi would advise from now on.
  recorded=$(pulumi stack export --stack "$stack")
  pulumi stack import --stack "$stack" <<<"$recorded"
fi
