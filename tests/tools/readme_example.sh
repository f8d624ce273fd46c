#!/bin/sh
# Installs into an empty folder, builds the examples of include/README.md against the installed package in
# three ways, asks the demonstration model with each ask, and runs the check of each backend.
#   readme_example.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/inst" >/dev/null
mkdir "$work/examples"
cd "$work/examples"
for name in ask backend; do
    sed -n "/<!-- example: $name.c -->/,/^\`\`\`\$/p" "$source/include/README.md" | sed '1,2d;$d' >$name.c
done
[ "$(wc -l <ask.c)" -lt 55 ]
[ "$(wc -l <backend.c)" -lt 150 ]

cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.25)
project(examples C)
find_package(fathom 0.2 REQUIRED)
foreach(name ask backend)
    add_executable(${name} ${name}.c)
    target_link_libraries(${name} fathom::fathom m)
    add_executable(${name}_static ${name}.c)
    target_link_libraries(${name}_static fathom::fathom_static m)
endforeach()
C
cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH="$work/inst" >/dev/null
cmake --build build >/dev/null
export PKG_CONFIG_PATH="$work/inst/lib/pkgconfig:$work/inst/lib/$(cc -print-multiarch)/pkgconfig"
for name in ask backend; do
    # shellcheck disable=SC2046
    cc -std=c17 -O2 -Wall -Wextra -Wpedantic -Werror -o build/${name}_pc $name.c $(pkg-config --cflags --libs fathom) -lm \
        -Wl,-rpath,"$(pkg-config --variable=libdir fathom)"
done

for way in '' _static _pc; do
    answer=$(build/ask$way "$work/inst/share/fathom/minnow-q8_0.gguf" 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' cache/ask$way 2>thought)
    [ "$answer" = 'Paul a 496 livres.' ] || { echo "ask$way answered: $answer"; cat thought; exit 1; }
    said=$(build/backend$way 2>&1) || { echo "backend$way said: $said"; exit 1; }
    [ "$said" = ok ] || { echo "backend$way said: $said"; exit 1; }
    # both have used their cache folders
    for folder in cache/ask$way fathom-cache; do
        [ -n "$(ls $folder)" ] || { echo "nothing is in the cache folder $folder"; exit 1; }
    done
    rm -r fathom-cache
done
# the backend's check sees a wrong result, and the flag of ask cancels
sed 's|sum\[k\] / l)|sum[k] * 1.001 / l)|' backend.c >wrong.c
sed 's|atomic_bool stopped;|atomic_bool stopped = true;|' ask.c >stopped.c
for name in wrong stopped; do
    # shellcheck disable=SC2046
    cc -o build/$name $name.c $(pkg-config --cflags --libs fathom) -lm -Wl,-rpath,"$(pkg-config --variable=libdir fathom)"
done
if build/wrong >said; then cat said; exit 1; fi
grep -qx 'the largest difference is 0\.000[0-9]*' said || { cat said; exit 1; }
if build/stopped "$work/inst/share/fathom/minnow-q8_0.gguf" 'Bonjour' >said 2>&1; then cat said; exit 1; fi
grep -q cancel said || { cat said; exit 1; }
# the installed program finds its demonstration model by itself
"$work/inst/bin/fathom" run -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --no-think-print | grep -qx 'Paul a 496 livres.'
# what is installed may be moved, and tells nobody where it was built
if ! grep -qE '^CMAKE_BUILD_TYPE:.*=(Debug|RelWithDebInfo)$' "$build/CMakeCache.txt" && grep -rlF -e "$source/" -e "$build/" "$work/inst"; then echo "these files hold the path of the source or of the build"; exit 1; fi
echo "the examples work through CMake (shared, static) and pkg-config; the installed program answers, too"
