// Reading ahead, in variants for CPUs. Some CPUs' prefetchers cannot follow 32 short rows at once. With the
// constant AHEAD each round therefore also loads words of the rows that this workgroup, or the next one on
// the same core, takes next. No result depends on these words, but the loads must stay: their bits are
// collected and masked with args.zero, which is 0, and no compiler knows this.
uint read_ahead = 0u;

// Byte offset, at most `last`, of this invocation's word in round k / 32, when an invocation reads n_rows
// rows of `type` from `next` on.
uint ahead_at(const uint type, uint n_rows, uint k, uint next, uint last) {
    return min(next +
        (k / 32u * gl_WorkGroupSize.x + gl_LocalInvocationID.x) * n_rows * (row_size(type, 256u) / 8u), last);
}

// For a loop over k: reads the words of eight rounds at once, because each read waits for memory
#define READ_AHEAD(NAME, type, n_rows, k, next, last) \
    if (AHEAD && (k) % 256u == 0u) \
        [[unroll]] for (uint i = 0u; i < 8u; i++) \
            read_ahead |= NAME##_bits16(ahead_at(type, n_rows, (k) + 32u * i, next, last));

// Returns 0
float read_nothing() {
    return uintBitsToFloat(read_ahead & args.zero);
}
