#!/bin/sh
# Checks that lines have at most 110 columns, and that C files have the layout of clang-format 14
# (.clang-format). clang-format does not know GLSL's buffer blocks, so for shaders only the columns are
# checked.
#   format.sh SOURCE_DIR
set -eu
cd "$1"
bad=0
long=$(find include src shaders tools tests -type f \( -name '*.[ch]' -o -name '*.comp' -o -name '*.glsl' \) \
    ! -path 'tests/data/*' -exec env LC_ALL=C.UTF-8 grep -nE '^.{111,}' {} +) || true
if [ -n "$long" ]; then
    echo "longer than 110 columns:"
    echo "$long"
    bad=1
fi
formatter=$(command -v clang-format-14 || command -v clang-format || true)
case $([ -z "$formatter" ] || "$formatter" --version) in
*' 14.'*)
    find include src tools tests -type f -name '*.[ch]' ! -path 'tests/data/*' -print0 |
        xargs -0 "$formatter" --dry-run --Werror || bad=1 ;;
*) [ $bad = 1 ] || { echo "skipped: the check of the layout needs clang-format 14, which is not installed"; exit 77; } ;;
esac
exit $bad
