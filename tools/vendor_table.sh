#!/bin/sh
# Prints a Markdown table of what the vendors' compilers make of the hot pipelines: registers, spills,
# occupancy, shared memory, instructions, matrix and dot instructions. Exits with 1 if a pipeline spills.
# Nothing runs, so no card is needed: Mesa's drivers compile for a chip that a shim pretends.
#   tools/vendor_table.sh BUILD RUNNER [CHIP…]
# BUILD: a build folder with the operators' tests. RUNNER CHIP COMMAND… runs a command on a chip, and shows
# the command the current folder. A chip's name begins with its driver: amd (RADV), intel (ANV) or nv (NVK).
set -eu
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
build=$(realpath "$1") runner=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- amd:navi31 amd:navi21 amd:vega10 intel:dg2 intel:bmg intel:tgl nv:172 nv:192
work=$(mktemp -d "$build/vendor_table.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$build"

# Shader, operator, variant, case. Shapes are DeepSeek-V2-Lite's; weights are Q4_0, expanded_attention's Q8_0.
pipelines='matmul_vec|matmul|vec|type 2 1x10944x2048, 1 tokens
matmul_dot|matmul|dot|type 2 1x10944x2048, 1 tokens
matmul_tile|matmul|tile|type 2 1x10944x2048, 64 tokens
matmul_dot_tile|matmul|dot_tile|type 2 1x10944x2048, 64 tokens
matmul_coop|matmul|coop|type 2 1x10944x2048, 64 tokens
expert_up_vec|expert_up|vec|types 2 2 2 2, 6 of 64 x 1408 + 2816 x 2048, 1 tokens
expert_up_grouped|expert_up|grouped|types 2 2 2 2, 6 of 64 x 1408 + 2816 x 2048, 64 tokens
expert_up_grouped_dot|expert_up|grouped_dot|types 2 2 2 2, 6 of 64 x 1408 + 2816 x 2048, 64 tokens
expert_up_grouped_coop|expert_up|grouped_coop|types 2 2 2 2, 6 of 64 x 1408 + 2816 x 2048, 64 tokens
expert_down_vec|expert_down|vec|types 2 2, 6 of 64 x 1408 + 2816 to 2048, 1 tokens
expert_down_grouped|expert_down|grouped|types 2 2, 6 of 64 x 1408 + 2816 to 2048, 64 tokens
expert_down_grouped_dot|expert_down|grouped_dot|types 2 2, 6 of 64 x 1408 + 2816 to 2048, 64 tokens
expert_down_grouped_coop|expert_down|grouped_coop|types 2 2, 6 of 64 x 1408 + 2816 to 2048, 64 tokens
expert_place|expert_place|plain|64 slots, 8 of 256 experts, 1 tokens
expert_fetch_quads|expert_fetch|quads|6 of 12 slots from 1 sources
latent_attention_heads|latent_attention|heads|type 1, 1 tokens at 4095 of 0, 128 heads
latent_attention_coop|latent_attention|coop|type 1, 1 tokens at 4095 of 0, 128 heads
expanded_keys_tile|expanded_attention|tile|cache 1, weights 8, 256 tokens
expanded_keys_coop|expanded_attention|coop|cache 1, weights 8, 256 tokens
expanded_attention_tile|expanded_attention|tile|cache 1, weights 8, 256 tokens
expanded_attention_coop|expanded_attention|coop|cache 1, weights 8, 256 tokens
grouped_attention_heads|grouped_attention|heads|type 1, 1 tokens at 4095
grouped_attention_tile|grouped_attention|tile|type 1, 128 tokens at 1920
grouped_attention_coop|grouped_attention|coop|type 1, 128 tokens at 1920'

# The whole output goes to files: filters would load the shims, too, and the shims print.
echo "$pipelines" | while IFS='|' read -r shader op variant case; do
    echo "tests/test_ops_$op --compile-only --statistics --bench --variant $variant --case '$case' >$work/$shader 2>$work/$shader.listing || true"
done >"$work/run.sh"

# Prints one row from a pipeline's statistics and listing. A shader may have several pipelines (keys and
# values, a merge): the row has the pipeline with the most instructions, and the most spills of any. NVK lists
# every pass, and the driver's own shaders: matrix and dot are the largest counts of any section.
row() {
    cat "$2" "$2.listing" | awk -v chip="$1" -v shader="$(basename "$2")" '
        function value(name,   n) { return match(line, name " [0-9.e+]+") ? substr(line, RSTART + length(name) + 1, RLENGTH - length(name) - 1) : "" }
        function first(a, b, c) { return a != "" ? a : b != "" ? b : c != "" ? c : "-" }
        index($0, "statistics of " shader ", ") == 1 {
            last = line
            line = $0
            spilled = value("Spilled VGPRs") + value("Spilled SGPRs") + value("Spill Count") + value("Spills to memory") + value("Spills to reg")
            if (spilled > spills) spills = spilled
            size = first(value("Instructions"), value("Instruction Count"), value("Instruction count")) + 0
            if (size > most) most = size; else line = last
        }
        /^NAK IR|^disasm:|^Native code/ { m = d = 0 }
        /v_wmma|dpas\.|[hi]mma\./ { if (++m > matrices) matrices = m }
        /v_dot[0-9]|dp4a|idp4/ { if (++d > dots) dots = d }
        END {
            if (line == "") exit
            printf "| %s | %s | %s | %s | %d | %s | %s | %s | %s | %d | %d |\n", chip, shader, value("subgroups of"),
                first(value(" VGPRs"), value("Max live registers"), value("Number of GPRs")), spills,
                first(value("Subgroups per SIMD"), value("Max warps/SM")), first(value("LDS size"), value("Workgroup Memory Size")),
                first(value("Instructions"), value("Instruction Count"), value("Instruction count")),
                first(value("Inverse Throughput"), value("Cycle Count"), value("Static cycle count")), matrices, dots
        }'
}

echo '| chip | pipeline | subgroup | registers | spills | waves | shared | instructions | cycles | matrix | dot |'
echo '|---|---|---|---|---|---|---|---|---|---|---|'
for chip in "$@"; do
    rm -f "$work"/*_* "$work"/*.listing
    "$runner" "$chip" env MESA_SHADER_CACHE_DISABLE=1 RADV_DEBUG=asm INTEL_DEBUG=cs NAK_DEBUG=print sh "$work/run.sh" 2>/dev/null
    echo "$pipelines" | while IFS='|' read -r shader op variant case; do row "$chip" "$work/$shader"; done
done | tee "$work/rows"
! awk -F'|' '$6 > 0 { bad = 1 } END { exit !bad }' "$work/rows"
