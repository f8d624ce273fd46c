// The end of latent attention, shared by its variants: the splits of one token and head, partial[n_splits][n_heads][kv_rank + 2] =
// { sum of exp(score - m) * latent, m, sum of exp(score - m) }, become one mean. Ascending order; exact.

uint token_position() {
    return min(position[args.position_base] + args.first_token + gl_WorkGroupID.z, args.max_positions - 1u);
}

uint partial_at(uint split, uint head) {
    return args.scratch_base + ((gl_WorkGroupID.z * args.n_splits + split) * args.n_heads + head) * (args.kv_rank + 2u);
}

void merge(uint head) {
    const uint n = token_position() / SPLIT + 1u, stride = args.n_heads * (args.kv_rank + 2u), first = partial_at(0u, head);
    float m = scratch[first + args.kv_rank];
    for (uint s = 1u; s < n; s++) m = max(m, scratch[first + s * stride + args.kv_rank]);
    for (uint k = gl_LocalInvocationID.x * 4u; k < args.kv_rank; k += gl_WorkGroupSize.x * 4u) {
        precise vec4 sum = vec4(0.0);
        precise float l = 0.0;
        for (uint s = 0u; s < n; s++) {
            const uint at = first + s * stride;
            precise float d = scratch[at + args.kv_rank] - m;
            const float w = exact_exp(d);
            sum = sum + w * vec4(scratch[at + k], scratch[at + k + 1u], scratch[at + k + 2u], scratch[at + k + 3u]);
            l = l + w * scratch[at + args.kv_rank + 1u];
        }
        precise vec4 result = sum * exact_reciprocal(l);
        const uint to = args.out_base + ((args.first_token + gl_WorkGroupID.z) * args.n_heads + head) * args.kv_rank + k;
        for (uint i = 0u; i < 4u; i++) result_out[to + i] = result[i];
    }
}
