#!/usr/bin/env bash
# Releases the same bad versions by this stack, by Flagger and by Argo Rollouts, and writes docs/rivals.md. The first time,
# the controllers of the two are built, for some minutes.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

command -v prometheus >/dev/null || die "prometheus is missing, which both rivals need: install it (apt-get install prometheus), then run make bench-rivals again"
mkdir -p "$home/rivals" docs
for rival in flagger argo; do
  CGO_ENABLED=0 go -C "test/rivals/$rival" build -ldflags='-s -w' -o "$home/rivals/" tool
done
export PATH=$home/rivals:$PATH RIVALS_REPORT=$project/docs/rivals.md
scripts/e2e.sh -tags e2e,rivals -run '^TestRivals$' -timeout 60m
