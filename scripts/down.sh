#!/usr/bin/env bash
# Destroys the stack and stops what `make up` started. STATE=remove also removes the project's own folder, and the
# cache of images unless another cluster uses it.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

if [ -z "$(mode)" ]; then
  say "nothing is set up here"
  exit 0
fi
load_env
end_orphans
stack=$(stack)

destroy() {
  scripts/select-stack.sh "$stack" &&
    pulumi destroy --yes --skip-preview --non-interactive --stack "$stack"
}

if [ "$(mode)" = lab ]; then
  step engine lab start
fi
step destroy destroy
if [ "${STATE:-}" = remove ]; then
  step cache scripts/cluster-remove-image-cache.sh
fi
if [ "$(mode)" = lab ]; then
  if [ "${STATE:-}" = remove ]; then
    step stop lab stop --purge
  else
    step stop lab stop
  fi
fi
if [ "${STATE:-}" = remove ]; then
  rm -rf "$home" Pulumi.lab.yaml
fi
say "Everything is removed."
