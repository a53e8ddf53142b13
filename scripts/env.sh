#!/usr/bin/env bash
# Prints the environment in which pulumi, k3d and canary work on this checkout, as shell commands. CANARY_CHECKOUT says whose
# it is, and CANARY_ENV which of the variables are not the user's own: another checkout in the same shell drops them.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

[ -n "$(mode)" ] || die 'nothing is set up here yet: run "make up" first'

quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# made NAME VALUE exports a value of this checkout's; own NAME VALUE does, unless the user has one.
names=
made() {
  names="$names $1"
  printf 'export %s=%s\n' "$1" "$(quote "$2")"
}
own() {
  case " ${CANARY_ENV:-} " in
    *" $1 "*) made "$1" "${!1}" ;;
    *) if [ -n "${!1:-}" ]; then printf 'export %s=%s\n' "$1" "$(quote "${!1}")"; else made "$1" "$2"; fi ;;
  esac
}

[ -z "$left_aside" ] || printf 'export PATH=%s\n' "$(quote "$PATH")"
# shellcheck disable=SC2016 # the shell that evaluates it expands PATH
printf 'export PATH=%s:"$PATH"\n' "$(quote "$home/bin")"
made PULUMI_HOME "$home/pulumi"
printf 'export PULUMI_SKIP_UPDATE_CHECK=true\n'
# Without attributes beside the state's files: one that a killed command had begun to write makes the state unreadable.
own PULUMI_BACKEND_URL "file://$home/state?metadata=skip"
if [ -z "${PULUMI_CONFIG_PASSPHRASE:-}" ]; then
  own PULUMI_CONFIG_PASSPHRASE_FILE "$home/passphrase"
fi
if [ "$(mode)" = lab ]; then
  of_lab=$(lab env)
  printf '%s\n' "$of_lab"
  names="$names $(sed -n 's/^export \([A-Z_]*\)=.*/\1/p' <<<"$of_lab" | tr '\n' ' ')"
fi
# What another checkout set, or this one in its other mode, goes.
for name in $left_aside ${CANARY_ENV:-}; do
  [[ $name == *[!A-Z_]* || " $names " == *" $name "* ]] || printf 'unset %s\n' "$name"
done
printf 'export CANARY_CHECKOUT=%s CANARY_ENV=%s\n' "$(quote "$project")" "$(quote "${names# }")"
