#!/bin/sh
# Removes the copies of a kubeconfig, given on stdin, that Pulumi's Kubernetes provider left in the folder for temporary
# files: see internal/leftover, which does the same wherever the program runs. A destroy does not run it, and deletes the
# resource that has this script after the provider, which by then was ended.
set -eu

# Ranges such as [0-9] mean the same everywhere only in this locale.
LC_ALL=C
export LC_ALL

# comparable prints a kubeconfig so that two which say the same are the same: whoever writes one anew may choose another
# order or indentation, and leave out what is empty.
comparable() {
  sed -e 's/^[ -]*//' -e '/^preferences: {}$/d' | sort
}

kubeconfig=$(comparable)
[ -n "$kubeconfig" ] || exit 0
find "${TMPDIR:-/tmp}/." ! -name . -prune -type f -name 'kubeconfig[0-9]*' -user "$(id -u)" -perm 600 |
  while IFS= read -r file; do
    case ${file##*/kubeconfig} in
      *[!0-9]*) continue ;;
    esac
    [ "$(comparable <"$file")" != "$kubeconfig" ] || rm -f "$file"
  done
