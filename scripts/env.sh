#!/usr/bin/env bash
# Prints the environment in which pulumi, k3d and canary work on this checkout, as shell exports.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

[ -n "$(mode)" ] || die 'nothing is set up here yet: run "make up" first'

quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# shellcheck disable=SC2016 # the shell that evaluates it expands PATH
printf 'export PATH=%s:"$PATH"\n' "$(quote "$home/bin")"
printf 'export PULUMI_HOME=%s\n' "$(quote "$home/pulumi")"
printf 'export PULUMI_SKIP_UPDATE_CHECK=true\n'
printf 'export PULUMI_BACKEND_URL=%s\n' "$(quote "${PULUMI_BACKEND_URL:-file://$home/state}")"
if [ -z "${PULUMI_CONFIG_PASSPHRASE:-}" ]; then
  printf 'export PULUMI_CONFIG_PASSPHRASE_FILE=%s\n' "$(quote "${PULUMI_CONFIG_PASSPHRASE_FILE:-$home/passphrase}")"
fi
if [ "$(mode)" = lab ]; then
  lab env
fi
