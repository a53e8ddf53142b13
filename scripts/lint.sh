#!/usr/bin/env bash
# Static checks of everything in the repository. All of them run; those that failed are named at the end.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

# Without cgo no C compiler is needed, and the packages are those that the program is built from.
export CGO_ENABLED=0
export PATH=$home/bin:$PATH

# build_tools builds the linters that hack/tools pins, once for each state of its go.mod.
build_tools() {
  local stamp=$home/bin/.lint-tools want
  want=$(go env GOVERSION && cksum <hack/tools/go.mod) || return
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  say "building the linters: once, for some minutes"
  mkdir -p "$home/bin"
  go -C hack/tools build -ldflags='-s -w' -o "$home/bin/" tool && echo "$want" >"$stamp"
}

# get_shellcheck installs shellcheck where that needs no question. It is no Go program, so hack/tools cannot pin it.
get_shellcheck() {
  command -v shellcheck >/dev/null && return
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "installing shellcheck"
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends shellcheck
  else
    say "shellcheck is missing: install it (apt-get install shellcheck, brew install shellcheck), then run make lint again"
    return 1
  fi
} >&2

# each_script runs a command with the names of all shell scripts.
each_script() { shfmt -f . | grep -v '^\.canary/' | xargs "$@"; }

lint_lab() { (cd lab && golangci-lint run ./...); }

failed=()
# check NAME COMMAND... runs one check.
check() {
  local name=$1
  shift
  say "==> $name"
  "$@" || failed+=("$name")
}

build_tools || die "the linters could not be built: the last lines above say why"
if get_shellcheck; then
  check "shellcheck" each_script shellcheck
else
  failed+=("shellcheck")
fi
check "format of shell scripts (mend: shfmt -w .)" each_script shfmt -d
check "format of Go files (mend: golangci-lint fmt)" golangci-lint fmt --diff
check "actionlint" actionlint -pyflakes=
# The tags add the end-to-end tests and the one with a real Prometheus, and take nothing away.
check "go vet" go vet -tags e2e,bench,soak,faults,rivals,prometheus ./...
check "go vet in lab" go -C lab vet ./...
check "go vet in lab/parts/pulumi" go -C lab/parts/pulumi vet ./command/...
check "go vet in lab/parts/cluster" go -C lab/parts/cluster vet ./...
check "go vet in lab/parts/registry" go -C lab/parts/registry vet ./...
check "golangci-lint" golangci-lint run ./...
check "golangci-lint in lab" lint_lab

if [ ${#failed[@]} -gt 0 ]; then
  say ""
  for name in "${failed[@]}"; do say "error: $name: see above"; done
  exit 1
fi
say "lint: everything is clean"
