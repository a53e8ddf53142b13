#!/usr/bin/env bash
# Selects the stack, made first if need be; frees it from the lock of an update that was killed on this machine.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
stack=$1

pulumi stack select --create --non-interactive "$stack"

# A lock names the process that holds it. Only when that ran on this machine and is gone is the lock void.
shopt -s nullglob
for lock in "$home"/state/.pulumi/locks/organization/*/"$stack"/*.json; do
  pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$lock")
  host=$(sed -n 's/.*"hostname": *"\([^"]*\)".*/\1/p' "$lock")
  if [ "$host" = "$(hostname)" ] && [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
    say "the update with process $pid was killed: its lock on the stack is removed"
    pulumi cancel --yes --non-interactive --stack "$stack"
    break
  fi
done
