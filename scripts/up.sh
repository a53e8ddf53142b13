#!/usr/bin/env bash
# Brings up everything, sends requests to it, and says what to type next.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

bring_up() {
  pulumi up --yes --skip-preview --non-interactive --stack "$stack"
}

# An image of the user's own need not say which subset it is. Then its answers cannot be judged (3), and the release is
# no worse for it.
send_requests() {
  canary requests --stack "$stack" && return
  local code=$? image
  image=$(pulumi config get stableImage --stack "$stack" 2>/dev/null) || image=
  [ "$code" -eq 3 ] && [ -n "$image" ]
}

step setup scripts/setup.sh
load_env
end_orphans
stack=$(stack)
step stack scripts/select-stack.sh "$stack"
step cluster scripts/recover-cluster.sh "$stack"
step up bring_up
step requests send_requests

say ""
say "Time: "
printf '  %s\n' "${steps[@]}" >&2
say ""
say "Serving at $(pulumi stack output url --stack "$stack"), split $(pulumi stack output split --stack "$stack" --json | tr -d ' \n')"
say ""
say "Next:"
say "  eval \"\$(make -s env)\"                               # the tools and the state of this checkout, in this shell"
say "  pulumi config set canaryWeight 50 && pulumi up       # half of the traffic to the canary"
say "  canary requests --count 1000 --from mesh             # count who answers, from inside the mesh"
say "  make down                                            # remove everything"
