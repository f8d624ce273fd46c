#!/bin/sh
# Installs what is missing, builds, and runs all tests; arguments go to ctest (tools/test.sh -R ops).
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
# chromium brings SwiftShader, the smallest device that the tests run on
# shellcheck disable=SC2086 # lists of words
need $BUILD_PACKAGES $RUN_PACKAGES g++ libcmocka-dev vulkan-validationlayers chromium

cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON >/dev/null
cmake --build build -- --quiet
exec ctest --test-dir build --output-on-failure -j "$(nproc)" "$@"
