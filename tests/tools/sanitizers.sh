#!/bin/sh
# Runs the tests of threads, cancelling, copies of sessions, tokens and programs with their own Vulkan on lavapipe
# under ThreadSanitizer (thread), AddressSanitizer and UBSan (address), or Valgrind's memcheck (memory). Two chats in
# two threads run for SECONDS (60). Fails at any report. build*/sanitizers.log has the whole output.
#   sanitizers.sh thread|address|memory [SECONDS]
set -eu
cd "$(dirname "$0")/../.."
tool=${1:-} seconds=${2:-60}
icd=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -n 1)
driver=$(ls /usr/lib/*/libvulkan_lvp.so | head -n 1)
case $tool in
    thread) build=build-tsan preset=tsan preload=$(cc -print-file-name=libtsan.so) ;;
    address) build=build-sanitize preset=sanitize preload=$(cc -print-file-name=libasan.so) ;;
    memory)
        build=build preset=release
        command -v valgrind
        ;;
    *)
        echo "usage: $0 thread|address|memory [SECONDS]" >&2
        exit 2
        ;;
esac
# configured: the target own_volk is there if volk is installed
[ -f $build/build.ninja ] || cmake --preset $preset >/dev/null
programs="test_gpu_threads test_engine_threads test_engine_cancel test_engine_session_copies
    test_engine_session_file test_text_tokens own_vulkan_static"
if [ -f /usr/include/volk.c ]; then programs="$programs own_volk"; fi
cmake --build $build --target $(printf 'tests/%s ' $programs)

export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd" LP_NATIVE_VECTOR_WIDTH=256
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp history_size=4"
export UBSAN_OPTIONS=print_stacktrace=1
if [ $tool = memory ]; then
    # While one thread waits in io_uring, Valgrind 3.19 lets no other run: files are read by threads.
    preload=$build/no_uring.so
    echo 'int io_uring_queue_init(void) { return -38; }' | cc -shared -fPIC -x c -o $preload -
fi
under_valgrind() {
    env LD_PRELOAD="$PWD/$preload" valgrind --fair-sched=yes "$@"
}
log=$build/sanitizers.log
bad=0
: >$log
run() {
    echo "== $*" | tee -a $log
    start=$(date +%s) code=0 program=$1
    shift
    if [ $tool = memory ]; then
        # The tool none is several times as fast, and leaves compiled shaders for Valgrind's CPU in Mesa's cache.
        under_valgrind --tool=none $build/tests/$program "$@" >/dev/null 2>&1 || :
        under_valgrind --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
            --errors-for-leak-kinds=definite --suppressions=tests/valgrind.supp \
            $build/tests/$program "$@" >$log.part 2>&1 || code=$?
    else
        # The driver stays loaded: suppressions name it, and what it leaks is known. The sanitizer comes before it.
        env LD_PRELOAD="$preload:$driver" $build/tests/$program "$@" >$log.part 2>&1 || code=$?
    fi
    cat $log.part >>$log
    grep -E 'answers|slots changed|submits|latest return|FAILED|SUMMARY|test\(s\) run' $log.part || :
    rm $log.part
    echo "   exit status $code after $(($(date +%s) - start)) s"
    [ $code = 0 ] || bad=1
}
if [ $tool = memory ]; then # the whole would take a day
    run test_gpu_threads 2
    FATHOM_TEST_CARD=1 run test_gpu_threads 2
    run test_engine_threads "$seconds" test_chats
    run test_engine_threads 0 test_engines
    run test_engine_session_copies caches
else
    run test_gpu_threads 40
    FATHOM_TEST_CARD=1 run test_gpu_threads 40
    run test_engine_threads "$seconds"
    run test_engine_session_copies
fi
run test_engine_cancel
run test_engine_session_file
run test_text_tokens
for program in own_vulkan_static own_volk; do
    case $programs in *$program*) run $program ;; esac
done
[ $bad = 0 ] || echo "see $log"
exit $bad
