# Sourced by compare_peer.sh and compare_offload.sh: runs Fathom and llama-bench, and computes the statistics.
# Reads the variables fathom, peer (programs), model, prefill, decode, depth, and work (an own folder). Lines
# "WAY ROUND KIND RATE" go to $work/rates; KIND is pp (prefill) or tg (decode), RATE tokens a second.

# rates_of_fathom WAY ROUND OPTIONS...
rates_of_fathom() {
    way=$1 round=$2
    shift 2
    "$fathom" bench "$model" -p "$prefill" -n "$decode" -d "$depth" -r 1 "$@" --json 2>"$work/$way.log" >"$work/fathom.json"
    awk -F'[:,]' -v head="$way $round" '/"test"/ { p = $2 ~ /prefill/ } /"median"/ { print head, (p ? "pp" : "tg"), $2 + 0 }' \
        "$work/fathom.json" >>"$work/rates"
}

# rates_of_peer WAY ROUND OPTIONS...
rates_of_peer() {
    way=$1 round=$2
    shift 2
    "$peer" -m "$model" -p "$prefill" -n "$decode" -d "$depth" -r 1 -ngl 99 "$@" -o json 2>"$work/$way.log" |
        awk -F'[:,]' -v head="$way $round" '/"n_prompt"/ { p = $2 + 0 } /"avg_ts"/ { print head, (p > 0 ? "pp" : "tg"), $2 + 0 }' \
            >>"$work/rates"
}

# Every way must have given rates in every round. Prints the logs of those that have not.
check_rates() { # ROUNDS WAY...
    rounds=$1
    shift
    for way; do
        kinds=$(((prefill > 0) + (decode > 0)))
        [ "$(grep -c "^$way " "$work/rates")" -ge $((rounds * kinds)) ] ||
            { echo "$way: a program printed no figures:"; tail -n 20 "$work/$way.log"; exit 1; } >&2
    done
}

# Prints the device of Fathom's last run, the date and the cores.
print_device() {
    device=$(sed -n 's/^.*"device":[^"]*"\(.*\)",$/\1/p' "$work/fathom.json")
    driver=$(sed -n 's/^.*"driver":[^"]*"\(.*\)",$/\1/p' "$work/fathom.json")
    echo "$(basename "$model") on $device, $driver, $(date -u +%Y-%m-%d), $(nproc) cores"
}

# Prints lines "KIND WAY MEDIAN LEAST MOST RATIO LEAST MOST": rates, and the ratios of Fathom's rate to the way's
# in the same round. Prefill comes first, and Fathom, then the other ways in the order of the first round.
statistics() {
    awk '
    BEGIN { known["fathom"] = n = 1; ways[1] = "fathom" }
    { rate[$1, $3, $2] = $4; if ($2 > rounds) rounds = $2; seen[$3] = 1 }
    !($1 in known) { known[$1] = 1; ways[++n] = $1 }
    function sort(way, kind, ratio,   i, j, t) {
        for (i = 1; i <= rounds; i++) v[i] = ratio ? rate["fathom", kind, i] / rate[way, kind, i] : rate[way, kind, i]
        for (i = 2; i <= rounds; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return sprintf("%.4f %.4f %.4f", v[int((rounds + 1) / 2)], v[1], v[rounds])
    }
    END {
        for (k = 1; k <= 2; k++) {
            kind = k == 1 ? "pp" : "tg"
            for (i = 1; seen[kind] && i <= n; i++) print kind, ways[i], sort(ways[i], kind, 0), sort(ways[i], kind, 1)
        }
    }' "$work/rates"
}
