#!/usr/bin/env bash
# Takes nodes away under load, troubles and upgrades Istio, and kills commands half-way; writes docs/faults.md,
# docs/istio-faults.md and docs/killed.md.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export FAULTS_REPORT=$project/docs/faults.md ISTIO_REPORT=$project/docs/istio-faults.md KILLED_REPORT=$project/docs/killed.md
mkdir -p docs
scripts/e2e.sh -tags e2e,faults -run '^(TestNodeLoss|TestIstioFaults|TestKilled)$' -timeout 150m
