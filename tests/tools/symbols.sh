#!/bin/sh
# Checks that both libraries show functions fathom_... alone, and that programs with Vulkan functions and
# names of their own run beside them.
#   symbols.sh LIBFATHOM_A LIBFATHOM_SO PROGRAM...
set -eu
archive=$1 shared=$2
shift 2
bad=0
if nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | grep -v '^fathom_'; then
    echo "$archive shows these names, too"
    bad=1
fi
if nm -D --defined-only "$shared" | awk '{ print $3 }' | grep -v '^fathom_'; then
    echo "$shared shows these names, too"
    bad=1
fi
nm -g --defined-only "$archive" | grep -q ' T fathom_version$' || { echo "$archive has no fathom_version"; bad=1; }
for program in "$@"; do
    "$program" || { echo "$program failed"; bad=1; }
done
exit $bad
