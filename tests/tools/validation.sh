#!/bin/sh
# Runs the demonstration, and some of its tuning, under the validation layer: first with core checks and
# synchronization, then GPU-assisted. The layer must print nothing. gpu/validation tests that the layer finds a
# missing barrier.
#   validation.sh FATHOM SOURCE_DIR [plain]
# plain: only the plain variants run GPU-assisted. lavapipe 22.3 compiles the layer's form of the others for
# minutes.
set -eu
fathom=$1 source=$2 plain=${3:-}
ls /usr/share/vulkan/explicit_layer.d/*validation*.json >/dev/null 2>&1 || { echo "skipped: the validation layer is not installed"; exit 77; }
export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
out=$(mktemp)
cache=$(mktemp -d)
trap 'rm -rf "$out" "$cache"' EXIT
# The output without progress and without drafting's count.
messages() { grep -v -e '^[a-z]*: [0-9]* %$' -e 'drafted tokens accepted' "$out"; }
run() {
    "$fathom" run "$source/tools/demo/minnow-q8_0.gguf" -p 'Paul a 8 boîtes de 62 livres. Combien de livres en tout ?' --greedy --no-think-print --no-tune "$@" >"$out" 2>&1
    [ "$(messages)" = 'Paul a 496 livres.' ] || { echo "with $VK_LAYER_ENABLES $*:"; head -c 4000 "$out"; exit 1; }
}
VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT:VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT
export VK_LAYER_ENABLES
run
run --exact
run --draft mtp:2
XDG_CACHE_HOME=$cache "$fathom" tune "$source/tools/demo/minnow-q8_0.gguf" --seconds 15 >/dev/null 2>"$out"
if messages; then echo "with $VK_LAYER_ENABLES, tuning"; exit 1; fi
VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT
[ -n "$plain" ] || run
run --exact
