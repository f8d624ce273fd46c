#!/bin/sh
# Runs glslang with options of glslc. It takes the options that this build uses. -O is spirv-opt -O. A warning
# is an error.
#   glslang_as_glslc.sh GLSLANG SPIRV_OPT OPTION... SOURCE      SPIRV_OPT "none": no optimisation
set -eu
glslang=$1 spirv_opt=$2 only_preprocess= optimize= format= depfile= target= out=
shift 2
n=$#
while [ "$n" -gt 0 ]; do # takes each option from the front, and appends glslang's own
    used=1
    case $1 in
    -O) [ "$spirv_opt" = none ] || optimize=$spirv_opt ;;
    -O0 | -Werror | -MD) ;;
    -mfmt=num) format=numbers ;;
    -E) only_preprocess=1 ;;
    -I) set -- "$@" "-I$2"; used=2 ;;
    -I*) set -- "$@" "$1" ;;
    -MF) depfile=$2 used=2 ;;
    -MT) target=$2 used=2 ;;
    -o) out=$2 used=2 ;;
    --target-env=*) set -- "$@" --target-env "${1#*=}" ;;
    -*) echo "$0: unknown option $1" >&2; exit 2 ;;
    *) set -- "$@" "$1" ;;
    esac
    shift "$used"
    n=$((n - used))
done
# PyPI's programs do not find their own libraries
lib=$(dirname "$glslang")/../lib
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
[ -z "$only_preprocess" ] || exec "$glslang" -E "$@"
trap 'rm -f "$out.spv" "$out.opt"' EXIT
messages=$("$glslang" -V --quiet ${depfile:+--depfile "$depfile"} -o "$out.spv" "$@") ||
    { echo "$messages" >&2; exit 1; }
case $messages in *WARNING:*) echo "$messages" >&2; exit 1 ;; esac
if [ -n "$depfile" ]; then
    sed "s|^[^:]*:|$target:|" "$depfile" >"$depfile.new"
    mv "$depfile.new" "$depfile"
fi
if [ -n "$optimize" ]; then
    # the first option is needed: -O alone leaves bindings that nothing uses
    "$optimize" --remove-unused-interface-variables -O "$out.spv" -o "$out.opt"
    mv "$out.opt" "$out.spv"
fi
case $format in
numbers) od -An -v -t x4 "$out.spv" | sed 's/ *\([0-9a-f]\{8\}\)/0x\1,/g' >"$out" ;;
*) mv "$out.spv" "$out" ;;
esac
