#!/bin/sh
# Installs missing packages, builds, and runs all tests. Arguments go to ctest (tools/test.sh -R ops).
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
# chromium has SwiftShader, the smallest device of the tests
# shellcheck disable=SC2086 # lists of words
need $BUILD_PACKAGES $RUN_PACKAGES g++ libcmocka-dev vulkan-validationlayers chromium clang-format abigail-tools libvulkan-volk-dev
need_matrices
[ -e build/glslang ] || need spirv-tools # the fetched compiler has a spirv-val of its own

cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFATHOM_BUILD_TESTS=ON >/dev/null
cmake --build build -- --quiet
# From the output of a failed program, the tests that succeeded are left out: a log that is cut must still
# show the failure.
rm -f build/failed
{ ctest --test-dir build --output-on-failure -j "$(nproc)" "$@" || echo $? >build/failed; } | sed -u '/^\[ RUN  /d; /^\[       OK /d'
[ ! -e build/failed ] || exit "$(cat build/failed)"
