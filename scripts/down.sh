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

# forget_passphrase takes the salt of a passphrase that goes with the project's folder out of the stack's file, which stays:
# with it Pulumi would ask for that passphrase again.
forget_passphrase() {
  local file=Pulumi.$stack.yaml
  if [ "${PULUMI_CONFIG_PASSPHRASE_FILE:-}" != "$home/passphrase" ] || [ ! -f "$file" ]; then return; fi
  sed -i.old '/^encryptionsalt:/d' "$file" && rm "$file.old"
  if grep -q '^ *secure:' "$file"; then
    say "the secrets in $file cannot be read any more, since their passphrase goes: set them again (pulumi config set --secret)"
  fi
}

if [ "$(mode)" = lab ]; then
  step engine lab start
fi
# Where Pulumi could not be installed, nothing was made.
if [ -x "$home/bin/pulumi" ] || [ -d "$home/pulumi" ]; then
  step destroy destroy
fi
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
  forget_passphrase
  rm -rf "$home" Pulumi.lab.yaml
fi
say "Everything is removed."
