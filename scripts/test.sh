#!/usr/bin/env bash
# Unit tests of every module. Only Go and the module proxy are needed.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

# Without cgo no C compiler is needed, and the packages are those that the program is built from.
export CGO_ENABLED=0
failed=()
for module in . lab lab/parts/pulumi; do
  packages=./...
  # The Kubernetes provider beside it embeds a file that only the lab's build puts there.
  [ "$module" != lab/parts/pulumi ] || packages=./command/...
  say "==> go test in $module"
  go -C "$module" test "$packages" || failed+=("$module")
done
[ ${#failed[@]} -eq 0 ] || die "tests failed in: ${failed[*]}"
