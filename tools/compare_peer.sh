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

# Each prints lines "KIND RATE" of one run. KIND is pp (prefill) or tg (decode).
peer_rates() {
    "$peer" -m "$model" -p "$prefill" -n "$decode" -d "$depth" -r 1 -ngl 99 -o json 2>"$work/peer.log" |
        awk -F'[:,]' '/"n_prompt"/ { p = $2 + 0 } /"avg_ts"/ { print (p > 0 ? "pp" : "tg"), $2 + 0 }'
}
fathom_rates() {
    "$fathom" bench "$model" -p "$prefill" -n "$decode" -d "$depth" -r 1 --json 2>"$work/fathom.log" >"$work/fathom.json"
    awk -F'[:,]' '/"test"/ { p = $2 ~ /prefill/ } /"median"/ { print (p ? "pp" : "tg"), $2 + 0 }' "$work/fathom.json"
}
i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    echo "round $i of $rounds" >&2
    peer_rates | sed "s/^/peer $i /" >>"$work/rates"
    fathom_rates | sed "s/^/fathom $i /" >>"$work/rates"
done
[ "$(wc -l <"$work/rates")" -gt 1 ] || { echo "a program printed no figures:"; cat "$work/peer.log" "$work/fathom.log"; exit 1; } >&2

device=$(sed -n 's/^.*"device":[^"]*"\(.*\)",$/\1/p' "$work/fathom.json") driver=$(sed -n 's/^.*"driver":[^"]*"\(.*\)",$/\1/p' "$work/fathom.json")
echo "$(basename "$model") on $device, $driver, $(date -u +%Y-%m-%d), $(nproc) cores"
awk -v p="$prefill" -v n="$decode" -v d="$depth" -v json="$json" -v device="$device" -v driver="$driver" -v model="$(basename "$model")" '
    { rate[$1, $3, $2] = $4; if ($2 > rounds) rounds = $2; seen[$3] = 1 }
    function sorted(who, kind,   i, j, t) {
        for (i = 1; i <= rounds; i++) v[i] = who == "ratio" ? rate["fathom", kind, i] / rate["peer", kind, i] : rate[who, kind, i]
        for (i = 2; i <= rounds; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int((rounds + 1) / 2)]
    }
    END {
        printf "%-16s %24s %24s %20s\n", "tokens/s", "fathom", "llama.cpp Vulkan", "ratio"
        for (k = 1; k <= 2; k++) {
            kind = k == 1 ? "pp" : "tg"
            if (!seen[kind]) continue
            name = kind (k == 1 ? p : n) (d > 0 ? " @ d" d : "")
            f = sorted("fathom", kind); fl = v[1]; fh = v[rounds]; q = sorted("peer", kind); ql = v[1]; qh = v[rounds]; r = sorted("ratio", kind)
            printf "%-16s %8.2f (%.2f-%.2f) %10.2f (%.2f-%.2f) %8.2f (%.2f-%.2f)\n", name, f, fl, fh, q, ql, qh, r, v[1], v[rounds]
            if (json) out = out (out ? ", " : "") sprintf("{\"test\": \"%s\", \"fathom\": %.4f, \"peer\": %.4f, \"ratio\": %.4f, \"ratio_min\": %.4f, \"ratio_max\": %.4f}", name, f, q, r, v[1], v[rounds])
        }
        if (json) printf "{\"model\": \"%s\", \"device\": \"%s\", \"driver\": \"%s\", \"tests\": [%s]}\n", model, device, driver, out > json
    }' "$work/rates"
