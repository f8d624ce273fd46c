#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/index_select.h"
// Selects the top_k positions of a token with the highest scores, one workgroup a token. The workgroup finds
// the k-th highest score digit by digit from the top, 8 bits at a time, then writes the positions at or above
// this score in ascending order. Of equal scores the first positions are taken, so the selection is exact.
layout(local_size_x = 128) in;
layout(binding = 0) readonly buffer Scores { float scores[]; };      // [tokens][stride]
layout(binding = 1) readonly buffer Position { uint position[]; };
layout(binding = 2) writeonly buffer Selected { uint selected[]; };  // [n_tokens][top_k]
const uint LANES = 128u;
shared uint counts[256], threshold, missing; // missing: how many of the scores equal to the threshold to take
// Counts of a lane's segment, then of all segments before it
shared uint above[LANES], equal[LANES];

// A key that is larger for a higher score; -0 is 0
uint rank_of(uint i) {
    const uint bits = floatBitsToUint(scores[i]);
    if (bits == 0x80000000u) return bits;
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

void main() {
    const uint lane = gl_LocalInvocationID.x, t = gl_WorkGroupID.x,
        first = args.scores_base + t * args.stride;
    const uint n = min((position[args.position_base] + args.first_token + t + 1u) / args.ratio, args.stride);
    const uint out_at = args.selected_base + (args.first_token + t) * args.top_k;
    if (n <= args.top_k) { // the same for the whole workgroup
        for (uint i = lane; i < n; i += LANES) selected[out_at + i] = i;
        return;
    }
    if (lane == 0u) {
        threshold = 0u;
        missing = args.top_k;
    }
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (uint i = lane; i < 256u; i += LANES) counts[i] = 0u;
        barrier();
        const uint known = shift == 24 ? 0u : ~0u << (shift + 8), wanted = threshold;
        for (uint i = lane; i < n; i += LANES) {
            const uint rank = rank_of(first + i);
            if ((rank & known) == wanted) atomicAdd(counts[(rank >> shift) & 255u], 1u);
        }
        barrier();
        if (lane == 0u) {
            uint digit = 255u;
            while (digit > 0u && counts[digit] < missing) missing -= counts[digit--];
            threshold |= digit << shift;
        }
        barrier();
    }

    const uint each = (n + LANES - 1u) / LANES, begin = min(lane * each, n), end = min(begin + each, n);
    uint n_above = 0u, n_equal = 0u;
    for (uint i = begin; i < end; i++) {
        const uint rank = rank_of(first + i);
        n_above += uint(rank > threshold);
        n_equal += uint(rank == threshold);
    }
    above[lane] = n_above;
    equal[lane] = n_equal;
    barrier();
    if (lane == 0u) {
        uint a = 0u, e = 0u;
        for (uint i = 0u; i < LANES; i++) {
            const uint next_a = a + above[i], next_e = e + equal[i];
            above[i] = a;
            equal[i] = e;
            a = next_a;
            e = next_e;
        }
    }
    barrier();
    uint n_before = equal[lane], to = out_at + above[lane] + min(n_before, missing);
    for (uint i = begin; i < end; i++) {
        const uint rank = rank_of(first + i);
        const bool tied = rank == threshold;
        if (rank > threshold || (tied && n_before < missing)) selected[to++] = i;
        n_before += uint(tied);
    }
}
