#!/bin/sh
# Installs what is missing, builds, and runs all tests; arguments go to ctest (tools/test.sh -R ops).
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
# chromium brings SwiftShader, the smallest device that the tests run on
# shellcheck disable=SC2086 # lists of words
need $BUILD_PACKAGES $RUN_PACKAGES g++ libcmocka-dev vulkan-validationlayers chromium clang-format
need_matrices
[ -e build/glslang ] || need spirv-tools # spirv-val comes with the fetched compiler, too

cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON >/dev/null
cmake --build build -- --quiet
# of a suite that fails, what succeeded is left out: a log that is cut must still show the failure
rm -f build/failed
{ ctest --test-dir build --output-on-failure -j "$(nproc)" "$@" || echo $? >build/failed; } | sed -u '/^\[ RUN  /d; /^\[       OK /d'
[ ! -e build/failed ] || exit "$(cat build/failed)"
