#!/usr/bin/env bash
# Measures the default stack and writes docs/figures.md and docs/figures.json. BENCH_CHANGES is the number of changes (30).
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

export BENCH_OUT=$project/docs
mkdir -p docs
scripts/e2e.sh -tags e2e,bench -run '^TestFigures$'
