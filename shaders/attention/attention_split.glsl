// The common part of all forms of attention over splits of the cache: constants, bindings, and the merge of
// the splits. A workgroup takes one split of SPLIT positions, some heads and one token. A second dispatch
// (MERGE) merges the splits. Include this file after the argument block and
//   row_width(), key_width(), value_width()   values of a row of the cache, of a head's key and of its value
//   query_at(token, head)                     index in q[] of a query
//   struct heads pick_heads(group, n)         at most n heads of workgroup `group`
//   n_attended()                              number of rows of the cache that this token attends to
//   attended_position(i)                      position in the cache of the i-th of these rows
//   split_size()                              with RANGES: number of these rows in a split; else SPLIT
//   SINK(head)                                optional: a score without a value, which takes part in the
//                                             softmax alone
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const uint SPLIT = 256;                    // FATHOM_SPLIT
layout(constant_id = 3) const bool MERGE = false;
layout(binding = 0) readonly buffer Q { float q[]; };
layout(binding = 1) readonly buffer Position { uint position[]; };
layout(binding = 2) readonly buffer PageTable { uint page_table[]; };
layout(binding = 3) readonly buffer Pages { uint pages[]; };       // [n_pages][PAGE] rows
// [tokens][n_splits][n_heads][value_width() + 2]
layout(binding = 4) coherent buffer Scratch { float scratch[]; };
layout(binding = 5) writeonly buffer Out { float result_out[]; };  // [n_tokens][n_heads][value_width()]
layout(binding = 6) coherent buffer Counters { uint counters[]; }; // [tokens][workgroups of heads]
#include "include/cache_read.glsl"

#ifdef RANGES
uint split_size();
#else
uint split_size() { return SPLIT; }
#endif
uint token_position() { return position[args.position_base] + args.first_token + gl_WorkGroupID.z; }

// Index in scratch[]
uint partial_at(uint split, uint head) {
    return args.scratch_base +
        ((gl_WorkGroupID.z * args.n_splits + split) * args.n_heads + head) * (value_width() + 2u);
}

// Merges the splits of one token and head, each { sum of exp(score - m) * value, m, sum of exp(score - m) },
// into one mean. Exact: the splits are added in ascending order.
void merge(uint head) {
    const uint n = (n_attended() + split_size() - 1u) / split_size(),
        stride = args.n_heads * (value_width() + 2u), first = partial_at(0u, head);
    float m = scratch[first + value_width()];
    for (uint s = 1u; s < n; s++) m = max(m, scratch[first + s * stride + value_width()]);
#ifdef SINK
    if (SINKS) m = max(m, SINK(head));
#endif
    for (uint k = gl_LocalInvocationID.x * 4u; k < value_width(); k += gl_WorkGroupSize.x * 4u) {
        precise vec4 sum = vec4(0.0);
        precise float l = 0.0;
        for (uint s = 0u; s < n; s++) {
            const uint at = first + s * stride;
            precise float d = scratch[at + value_width()] - m;
            const float w = exact_exp(d);
            sum = sum +
                w * vec4(scratch[at + k], scratch[at + k + 1u], scratch[at + k + 2u], scratch[at + k + 3u]);
            l = l + w * scratch[at + value_width() + 1u];
        }
#ifdef SINK
        if (SINKS) {
            precise float d = SINK(head) - m;
            l = l + exact_exp(d);
        }
#endif
        precise vec4 result = sum * exact_reciprocal(l);
        const uint to = args.out_base +
            ((args.first_token + gl_WorkGroupID.z) * args.n_heads + head) * value_width() + k;
        for (uint i = 0u; i < 4u; i++) result_out[to + i] = result[i];
    }
}
