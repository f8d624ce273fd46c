#version 460
#extension GL_GOOGLE_include_directive : require
// Norms the latent (RMS), rotates the key, and writes both to the cache. One workgroup a token. Exact: the
// norm is that of rms_norm.comp.
layout(local_size_x = 64) in;
#include "attention/latent_store.glsl"
shared float partial[64];

vec2 cache_pair(uint i) {
    const float a = kv[from + 2u * i], b = kv[from + 2u * i + 1u];
    precise vec2 v = vec2(a, b);
    if (2u * i < args.kv_rank) {
        v = v * scale;
        v = v * vec2(w[args.w_base + 2u * i], w[args.w_base + 2u * i + 1u]);
    }
    if (2u * i < args.first_rotated) return v;
    const uint angle = args.table_base + at * args.n_rope + 2u * i - args.first_rotated;
    const float c = table[angle], s = table[angle + 1u];
    precise vec2 rotated = vec2(v.x * c - v.y * s, v.x * s + v.y * c);
    return rotated;
}
#include "include/cache_write.glsl"

void main() {
    const uint lane = gl_LocalInvocationID.x;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        from = args.kv_base + t * row_width();
        precise float sum = 0.0;
        for (uint i = lane; i < args.kv_rank; i += 64u) {
            const float v = kv[from + i];
            sum = sum + v * v;
        }
        barrier(); // all invocations have read the last token's partial[0]
        partial[lane] = sum;
        for (uint half_n = 32u; half_n > 0u; half_n /= 2u) {
            barrier();
            if (lane < half_n) {
                precise float pair = partial[lane] + partial[lane + half_n];
                partial[lane] = pair;
            }
        }
        barrier();
        precise float mean = partial[0] * args.inv_kv_rank + args.eps;
        scale = exact_rsqrt(mean);

        at = position[args.position_base] + t;
        const uint entry = at / PAGE;
        if (at >= args.n_positions || entry >= args.n_table) return; // the same for the whole workgroup
        const uint page = page_table[args.page_table_base + entry];
        if (page >= args.n_pages) return;
        write_row(args.pages_base + (page * PAGE + at % PAGE) * row_words(), 0u, row_width(), lane, 64u);
    }
}
