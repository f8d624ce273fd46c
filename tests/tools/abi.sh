#!/bin/sh
# Compares the public headers, and the symbols of the shared library, with the committed dump
# tests/data/abi/fathom.abi. What a compiled program stands on must not change within a version: fields,
# enums, arguments, functions. Functions may be added, and fields at the end of a struct that begins with
# `size_t size`; the test then fails, too, until the dump is renewed, so that a commit shows what was added.
#   abi.sh SOURCE_DIR LIBRARY      compares
#   abi.sh SOURCE_DIR --renew      writes the dump anew
# The types come from a library of empty functions, which this script makes from the headers in a second:
# Fathom itself need not be built with debug information.
set -eu
source=$1 library=$2
dump=$source/tests/data/abi/fathom.abi
command -v abidw >/dev/null && command -v abidiff >/dev/null ||
    { echo "skipped: abidw and abidiff (Debian's package abigail-tools) are not installed"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the dump is of x86-64"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^#define FATHOM_VERSION_M[AI][JN]OR \([0-9]*\).*/\1/p' "$source/include/fathom/version.h" | paste -sd .)
# The types of Vulkan that vulkan.h uses, by name alone: what is in them is Vulkan's.
mkdir -p "$work/vulkan"
cat >"$work/vulkan/vulkan_core.h" <<'C'
typedef struct VkInstance_T *VkInstance;
typedef struct VkPhysicalDevice_T *VkPhysicalDevice;
typedef struct VkDevice_T *VkDevice;
typedef struct VkQueue_T *VkQueue;
typedef void (*PFN_vkGetInstanceProcAddr)(void);
typedef struct VkPhysicalDeviceFeatures2 VkPhysicalDeviceFeatures2;
C
for header in "$source"/include/fathom/*.h; do
    echo "#include <fathom/$(basename "$header")>"
done | cc -std=c17 -ffreestanding -E -P -I "$work" -I "$source/include" -x c - >"$work/headers.i"
# -ffreestanding takes the integers from the compiler: the dump must not depend on the C library.
# Each declaration becomes a definition: the first semicolon behind the attribute of FATHOM_API. An enum without a
# name gets one, since abidw would number them.
tr '\n' ' ' <"$work/headers.i" | sed -E 's/enum \{ *([A-Z0-9_]+)/enum of_\1 { \1/g' | sed 's/__attribute__((visibility("default")))/\n&/g' |
    sed '/^__attribute__/ s/;/ { __builtin_trap(); }/' >"$work/empty.c"
cc -std=c17 -w -g -O0 -fPIC -fno-eliminate-unused-debug-types -shared -nostdlib -Wl,-soname,"libfathom.so.$version" \
    -ffile-prefix-map="$work=" -o "$work/libfathom.so" "$work/empty.c"
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --type-id-style hash --load-all-types \
    --out-file "$work/fathom.abi" "$work/libfathom.so"

if [ "$library" = --renew ]; then
    mkdir -p "$(dirname "$dump")"
    cp "$work/fathom.abi" "$dump"
    exit
fi
symbols() { nm -D --defined-only "$1" | awk '{ print $3 }' | sort; }
symbols "$work/libfathom.so" >"$work/declared"
symbols "$library" >"$work/exported"
if ! diff "$work/declared" "$work/exported" >"$work/out"; then
    echo "the headers declare (<) other functions than $library exports (>):"
    grep '^[<>]' "$work/out"
    exit 1
fi

# The new dump without the fields that were appended to structs that may grow. What is left must equal the old one.
sized=$(tr '\n' ' ' <"$work/headers.i" | grep -oE 'struct [a-z0-9_]+ \{ *size_t size;' | awk '{ print $2 }' | paste -sd ' ')
awk -v sized="$sized" -F "'" '
    function value(attribute,   i) {
        for (i = 1; i < NF; i += 2) if ($i ~ " " attribute "=$") return $(i + 1)
    }
    BEGIN { n = split(sized, names, " "); for (i = 1; i <= n; i++) may_grow[names[i]] = 1 }
    / <class-decl / { name = value("name"); size = value("size-in-bits") }
    NR == FNR { if (/ <class-decl /) old[name] = size; next }
    / <class-decl / && may_grow[name] && old[name] { sub("size-in-bits=.[0-9]*", "size-in-bits=\047" old[name]) }
    / <data-member / && may_grow[name] && old[name] && value("layout-offset-in-bits") >= old[name] + 0 { skip = 1 }
    !skip
    / <\/data-member>/ { skip = 0 }
' "$dump" "$work/fathom.abi" >"$work/clipped.abi"
renew="tests/tools/abi.sh . --renew, and commit the dump"
if ! abidiff --no-added-syms "$dump" "$work/clipped.abi" >"$work/out" ||
    abidiff --no-added-syms --non-reachable-types "$dump" "$work/clipped.abi" |
    tee "$work/out" | grep -qE '^Unreachable types.* [1-9][0-9]* (removed|changed)'; then
    cat "$work/out"
    echo "Programs that were compiled with the headers of the dump break. If that version was released, raise"
    echo "FATHOM_VERSION_MINOR of include/fathom/version.h. Then: $renew"
    exit 1
fi
if ! abidiff --harmless --non-reachable-types "$dump" "$work/fathom.abi" >"$work/out"; then
    cat "$work/out"
    echo "Something was added or renamed, which breaks no compiled program. The dump must know it: $renew"
    exit 1
fi
echo "the headers, and the $(wc -l <"$work/exported") functions of the library, are those of the dump"
