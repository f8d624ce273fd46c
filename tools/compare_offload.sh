#!/bin/sh
# Compares Fathom with llama.cpp where the device may hold only a part of a model's experts, on the same
# device, with the same bytes of device memory. The ways run in turn, three times each. Prints tokens a second
# (median, least to most), and the ratio of Fathom's rate to each way's in the same round.
#   tools/compare_offload.sh MODEL.gguf --vram MIB [-p N] [-n N] [-d N] [--rounds N] [-- FATHOM OPTIONS]
# Ways of llama.cpp:
#   ncmoe       -ncmoe N: the experts of the first N layers on the host, with the least N that keeps the limit
#   exps=CPU    all experts on the host (-ot)
#   moe-cache   all experts on the host, and as many MiB of slots for them as the limit leaves
# A way that the peer's programs do not know is named as absent. FATHOM names the program (build/fathom),
# LLAMA_BENCH and LLAMA_COMPLETION the peer's (llama-bench, llama-completion). The script builds nothing. All
# programs must see the same driver: set VK_DRIVER_FILES. GGML_VK_VISIBLE_DEVICES=0 makes llama.cpp accept a
# CPU driver, and "-- --discrete" makes Fathom treat it as a card.
set -eu
fathom=${FATHOM:-$(dirname "$0")/../build/fathom} peer=${LLAMA_BENCH:-llama-bench}
completion=${LLAMA_COMPLETION:-llama-completion}
prefill=128 decode=32 depth=0 rounds=3 vram= model=
usage() { sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
    --vram) vram=$2; shift ;;
    -p) prefill=$2; shift ;;
    -n) decode=$2; shift ;;
    -d) depth=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --) shift; break ;;
    -*) usage ;;
    *) model=$1 ;;
    esac
    shift
done
case $model,$vram in ,* | *,"" | *[!0-9]) usage ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/compare_rates.sh"

# MiB of device memory that the peer takes with these options, by its own count: weights, cache, compute buffers.
peer_mib() {
    "$peer" -m "$model" -p 0 -n 1 -r 1 -ngl 99 "$@" -v >/dev/null 2>"$work/probe.log" ||
        { tail -n 5 "$work/probe.log" >&2; return 1; }
    awk '/Vulkan[0-9]+ +[A-Za-z]+ buffer size += / { n++; size[$0] = $(NF - 1) }
        END { for (line in size) sum += size[line]; if (!n) exit 1; printf "%.0f\n", sum + 0.5 }' "$work/probe.log" ||
        { echo "$peer -v does not tell the sizes of its buffers" >&2; return 1; }
}

# The peer's rates with slots for experts; llama-bench has no such option. The prompt has a byte a token for the
# models of make_bench_gguf.py; the rate counts the tokens that there are.
rates_of_cache() { # WAY ROUND MIB
    "$completion" -m "$model" -ngl 99 -cmoe --moe-cache-mib "$3" -n "$decode" --temp 0 --ignore-eos -no-cnv \
        -c $((prefill + decode + 16)) -p "$(awk -v n="$prefill" 'BEGIN { for (i = 0; i < n; i++) printf "%c", 97 + i * i % 26 }')" --perf \
        >"$work/$1.log" 2>&1 </dev/null || return 0
    awk -v head="$1 $2" '/prompt eval time/ { kind = "pp" } / eval time/ && !/prompt/ { kind = "tg" }
        kind { n = split($0, word, /[ ,(]+/); for (i = 1; i <= n; i++) if (word[i] == "tokens" && word[i + 1] == "per") print head, kind, word[i - 1]; kind = "" }' \
        "$work/$1.log" >>"$work/rates"
}

low=0 high=$("$fathom" inspect "$model" --json 2>/dev/null | sed -n 's/^.*"layers":[^0-9]*\([0-9]*\),.*$/\1/p')
all_host=$(peer_mib -ot exps=CPU)
if [ "$all_host" -ge "$vram" ]; then
    echo "llama.cpp takes $all_host MiB of device memory for all but the experts: --vram must be more" >&2
    exit 1
fi
while [ "$low" -lt "$high" ]; do
    middle=$(((low + high) / 2))
    echo "llama.cpp with -ncmoe $middle" >&2
    if [ "$(peer_mib -ncmoe $middle)" -le "$vram" ]; then high=$middle; else low=$((middle + 1)); fi
done
ways="fathom ncmoe exps=CPU"
if "$completion" --help 2>/dev/null | grep -q -- --moe-cache-mib; then
    ways="$ways moe-cache"
    cache="--moe-cache-mib $((vram - all_host))"
else
    cache="absent: $completion does not know --moe-cache-mib"
fi
i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    echo "round $i of $rounds" >&2
    rates_of_peer ncmoe $i -ncmoe "$low"
    rates_of_peer exps=CPU $i -ot exps=CPU
    case $ways in *moe-cache) rates_of_cache moe-cache $i $((vram - all_host)) ;; esac
    rates_of_fathom fathom $i --vram "${vram}MiB" "$@"
done
check_rates "$rounds" $ways
print_device
echo "$vram MiB of device memory. ncmoe: -ncmoe $low. exps=CPU: $all_host MiB. moe-cache: $cache."
statistics | awk -v p="$prefill" -v n="$decode" -v d="$depth" '
    BEGIN { printf "%-12s %-12s %30s %26s\n", "", "", "tokens/s", "fathom/it" }
    {
        name = $1 ($1 == "pp" ? p : n) (d > 0 ? " @ d" d : "")
        printf "%-12s %-12s %12.2f (%.2f-%.2f)", name, $2, $3, $4, $5
        printf $2 == "fathom" ? "\n" : "%14.2f (%.2f-%.2f)\n", $6, $7, $8
    }'
