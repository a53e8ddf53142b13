#!/usr/bin/env bash
# Takes nodes away under load, and writes docs/faults.md.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export FAULTS_REPORT=$project/docs/faults.md
mkdir -p docs
scripts/e2e.sh -tags e2e,faults -run '^TestNodeLoss$' -timeout 120m
