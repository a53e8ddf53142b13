# Each target is one script or one command; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
MODE ?= auto
export MODE

## up: bring up cluster, mesh and app, and send it 100 requests (MODE=auto|normal|lab)
.PHONY: up
up:
	@scripts/up.sh

## down: destroy everything that `make up` made; STATE=remove also removes the stack's state, the installed tools and the cache of images
.PHONY: down
down:
	@scripts/down.sh

## env: print the environment for your own pulumi and canary commands: eval "$$(make -s env)"
.PHONY: env
env:
	@scripts/env.sh

## test: unit tests of all modules (needs only Go and the module proxy)
.PHONY: test
test:
	@scripts/test.sh

## lint: static checks of everything; builds the pinned linters once
.PHONY: lint
lint:
	@scripts/lint.sh

## e2e: end-to-end tests on a real cluster (MODE as for up)
.PHONY: e2e
e2e:
	@scripts/e2e.sh -short -timeout 80m

## e2e-long: the same with every case, where e2e has what fits into an hour
.PHONY: e2e-long
e2e-long:
	@scripts/e2e.sh

## soak: change everything under load for a long time and write docs/soak.md (SOAK_REQUESTS=250000)
.PHONY: soak
soak:
	@scripts/soak.sh

## bench: measure the default stack and write docs/figures.md and docs/figures.json (BENCH_CHANGES=30)
.PHONY: bench
bench:
	@scripts/bench.sh

## bench-rivals: release bad versions by this stack, Flagger and Argo Rollouts, and write docs/rivals.md
.PHONY: bench-rivals
bench-rivals:
	@scripts/bench-rivals.sh

## faults: take nodes away under load, trouble and upgrade Istio, kill commands half-way, and write docs/faults.md, docs/istio-faults.md and docs/killed.md
.PHONY: faults
faults:
	@scripts/faults.sh

## torture: draw faults of all kinds from a seed under load for hours, and write docs/torture.md (TORTURE_MINUTES=120 TORTURE_SEED=any)
.PHONY: torture
torture:
	@scripts/torture.sh

## help: list the targets
.PHONY: help
help:
	@sed -n 's/^## \([a-z0-9-]*\): /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
