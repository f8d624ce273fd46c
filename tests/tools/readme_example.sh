#!/bin/sh
# Installs into an empty folder, builds the example of include/README.md against the installed package in
# three ways, and asks the demonstration model with each program.
#   readme_example.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/inst" >/dev/null
mkdir "$work/ask"
sed -n '/<!-- example: ask.c -->/,/^```$/p' "$source/include/README.md" | sed '1,2d;$d' >"$work/ask/ask.c"
[ "$(wc -l <"$work/ask/ask.c")" -lt 50 ]

cat >"$work/ask/CMakeLists.txt" <<'C'
cmake_minimum_required(VERSION 3.25)
project(ask C)
find_package(fathom 0.2 REQUIRED)
add_executable(ask ask.c)
target_link_libraries(ask fathom::fathom)
add_executable(ask_static ask.c)
target_link_libraries(ask_static fathom::fathom_static)
C
cmake -S "$work/ask" -B "$work/ask/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/inst" >/dev/null
cmake --build "$work/ask/build" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
export PKG_CONFIG_PATH="$work/inst/lib/pkgconfig:$work/inst/lib/$(cc -print-multiarch)/pkgconfig"
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror -o "$work/ask/ask_pc" "$work/ask/ask.c" $(pkg-config --cflags --libs fathom) -Wl,-rpath,"$(pkg-config --variable=libdir fathom)"

for program in build/ask build/ask_static ask_pc; do
    answer=$("$work/ask/$program" "$work/inst/share/fathom/minnow-q8_0.gguf" 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' 2>"$work/thought")
    [ "$answer" = 'Paul a 496 livres.' ] || { echo "$program answered: $answer"; cat "$work/thought"; exit 1; }
done
# the installed program finds its demonstration model by itself
"$work/inst/bin/fathom" run -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --no-think-print | grep -qx 'Paul a 496 livres.'
# what is installed may be moved, and tells nobody where it was built
if ! grep -qE '^CMAKE_BUILD_TYPE:.*=(Debug|RelWithDebInfo)$' "$build/CMakeCache.txt" && grep -rlF -e "$source/" -e "$build/" "$work/inst"; then echo "these files hold the path of the source or of the build"; exit 1; fi
echo "the example answers through CMake (shared, static) and pkg-config; the installed program too"
