// Reading ahead, in variants for CPUs: 32 short rows at once are more streams than some CPUs' prefetchers follow, so with the constant AHEAD
// each round also loads words of the rows that the workgroup, or the next one on its core, will take. Nothing may depend on these words and
// yet the loads must stay: their bits are collected and masked with args.zero, which is 0, but no compiler knows it.
uint read_ahead = 0u;

// Byte offset of this invocation's word in round k / 32, when n_rows rows of `type` an invocation are read from `next` on; at most `last`.
uint ahead_at(const uint type, uint n_rows, uint k, uint next, uint last) {
    return min(next + (k / 32u * gl_WorkGroupSize.x + gl_LocalInvocationID.x) * n_rows * (row_size(type, 256u) / 8u), last);
}

// In a loop over k: eight rounds' words at once, as each waits for memory
#define READ_AHEAD(NAME, type, n_rows, k, next, last) \
    if (AHEAD && (k) % 256u == 0u) \
        [[unroll]] for (uint i = 0u; i < 8u; i++) read_ahead |= NAME##_bits16(ahead_at(type, n_rows, (k) + 32u * i, next, last));

// 0
float read_nothing() {
    return uintBitsToFloat(read_ahead & args.zero);
}
