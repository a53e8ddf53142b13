#!/usr/bin/env bash
# End-to-end tests on a real cluster. The engine of the lab is stopped afterwards if it was started for them.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

stop_engine() {
  status=$?
  if [ "$(mode)" = lab ] && [ "$engine_ran" = no ]; then
    lab stop || status=1
  fi
  exit "$status"
}

engine_ran=no
if [ "$(mode)" = lab ] && load_env && docker version >/dev/null 2>&1; then
  engine_ran=yes
fi
trap stop_engine EXIT
scripts/setup.sh
load_env
if [ "$(mode)" = lab ]; then
  export E2E_STACK_FILE=lab/Pulumi.lab.yaml # what a new stack's file starts with
fi
go test -tags e2e -count=1 -timeout 150m -v "$@" ./test/e2e
