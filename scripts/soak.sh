#!/usr/bin/env bash
# Changes everything under load until SOAK_REQUESTS (250000) requests were sent, checks a weight of 0.05 % over
# SOAK_SMALL_WEIGHT_REQUESTS (200000), and writes docs/soak.md.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export LOAD_REQUESTS=${SOAK_REQUESTS:-250000} LOAD_REPORT=$project/docs/soak.md
export SMALL_WEIGHT_REQUESTS=${SOAK_SMALL_WEIGHT_REQUESTS:-200000}
mkdir -p docs
scripts/e2e.sh -tags e2e,soak -run '^(TestLoad|TestSmallWeight)$' -timeout 180m
