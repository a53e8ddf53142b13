#!/usr/bin/env bash
# Takes nodes away under load, and kills commands half-way, and writes docs/faults.md and docs/killed.md.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export FAULTS_REPORT=$project/docs/faults.md KILLED_REPORT=$project/docs/killed.md
mkdir -p docs
scripts/e2e.sh -tags e2e,faults -run '^(TestNodeLoss|TestKilled)$' -timeout 120m
