#!/bin/sh
# Compares the speed of Fathom and of llama.cpp's Vulkan backend on the same device. The two programs run in
# turn, three times each. Prints tokens a second (median, least to most) and the ratios of the pairs.
#   tools/compare_peer.sh MODEL.gguf [-p N] [-n N] [-d N] [--rounds N] [--json FILE]
# FATHOM names the program (build/fathom), LLAMA_BENCH the peer (llama-bench). The script builds nothing. Both
# programs must see the same driver: set VK_DRIVER_FILES. GGML_VK_VISIBLE_DEVICES=0 makes llama.cpp accept a
# CPU driver.
set -eu
fathom=${FATHOM:-$(dirname "$0")/../build/fathom} peer=${LLAMA_BENCH:-llama-bench}
prefill=128 decode=32 depth=0 rounds=3 json= model=
while [ $# -gt 0 ]; do
    case $1 in
    -p) prefill=$2; shift ;;
    -n) decode=$2; shift ;;
    -d) depth=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --json) json=$2; shift ;;
    -*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
    *) model=$1 ;;
    esac
    shift
done
[ -n "$model" ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/compare_rates.sh"

i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    echo "round $i of $rounds" >&2
    rates_of_peer peer $i
    rates_of_fathom fathom $i
done
check_rates "$rounds" fathom peer
print_device
statistics | awk -v p="$prefill" -v n="$decode" -v d="$depth" -v json="$json" -v device="$device" -v driver="$driver" -v model="$(basename "$model")" '
    $2 == "fathom" { f = $3; low = $4; high = $5; next }
    {
        if (!n_lines++) printf "%-16s %24s %24s %20s\n", "tokens/s", "fathom", "llama.cpp Vulkan", "ratio"
        name = $1 ($1 == "pp" ? p : n) (d > 0 ? " @ d" d : "")
        printf "%-16s %8.2f (%.2f-%.2f) %10.2f (%.2f-%.2f) %8.2f (%.2f-%.2f)\n", name, f, low, high, $3, $4, $5, $6, $7, $8
        if (json) out = out (out ? ", " : "") sprintf("{\"test\": \"%s\", \"fathom\": %.4f, \"peer\": %.4f, \"ratio\": %.4f, \"ratio_min\": %.4f, \"ratio_max\": %.4f}", name, f, $3, $6, $7, $8)
    }
    END { if (json) printf "{\"model\": \"%s\", \"device\": \"%s\", \"driver\": \"%s\", \"tests\": [%s]}\n", model, device, driver, out > json }'
