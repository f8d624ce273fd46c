#!/bin/sh
# Builds the preset tsan and runs the tests of threads under ThreadSanitizer on lavapipe: one gpu in four threads,
# staged and not; sessions of one engine and several engines; two chats in two threads for SECONDS (60). Fails at
# any report. build-tsan/tsan.log has the reports.
#   tsan.sh [SECONDS]
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
icd=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -n 1)
driver=$(ls /usr/lib/*/libvulkan_lvp.so | head -n 1)
[ -d build-tsan ] || cmake --preset tsan >/dev/null
cmake --build build-tsan --target tests/test_gpu_threads tests/test_engine_threads
# The driver stays loaded, as called_from_lib in tsan.supp asks. The sanitizer comes before it.
preload=$(cc -print-file-name=libtsan.so):$driver
export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" LP_NATIVE_VECTOR_WIDTH=256
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp history_size=4"
bad=0
run() {
    echo "== $*"
    env LD_PRELOAD="$preload" "$@" >build-tsan/tsan.log 2>&1 || bad=1
    grep -E 'answers|slots changed|FAILED|SUMMARY|tests?\(' build-tsan/tsan.log || :
    if [ $bad = 1 ]; then
        echo "see build-tsan/tsan.log"
        exit 1
    fi
}
run build-tsan/tests/test_gpu_threads 40
run env FATHOM_TEST_CARD=1 build-tsan/tests/test_gpu_threads 40
run build-tsan/tests/test_engine_threads "$seconds"
