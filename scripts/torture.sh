#!/usr/bin/env bash
# Draws faults from TORTURE_SEED (any) for TORTURE_MINUTES (120), under load, and writes docs/torture.md.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export TORTURE_MINUTES=${TORTURE_MINUTES:-120} TORTURE_REPORT=$project/docs/torture.md
mkdir -p docs
# The stack comes up before, and the last fault and destroy come after.
scripts/e2e.sh -tags e2e,faults -run '^TestTorture$' -timeout "$((TORTURE_MINUTES + 90))m"
