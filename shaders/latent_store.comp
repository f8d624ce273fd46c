#version 460
#extension GL_GOOGLE_include_directive : require
#include "latent_store.h"
#include "include/exact.glsl"
// One workgroup a token: RMS norm of the latent, rotary turn of the key, both into the cache. Exact: the norm is that of rms_norm.comp.
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool HALF = false;                   // the cache holds float16, else float32
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) readonly buffer Kv { float kv[]; };            // [n_tokens][kv_rank + n_rope]
layout(binding = 1) readonly buffer W { float w[]; };              // [kv_rank]
layout(binding = 2) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 3) readonly buffer Position { uint position[]; };
layout(binding = 4) readonly buffer PageTable { uint page_table[]; };
layout(binding = 5) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE][kv_rank + n_rope]
shared float partial[64];

void store_pair(uint row, uint pair, float a, float b) {
    if (HALF) {
        pages[row + pair] = half_encode(a) | (half_encode(b) << 16);
    } else {
        pages[row + 2u * pair] = floatBitsToUint(a);
        pages[row + 2u * pair + 1u] = floatBitsToUint(b);
    }
}

void main() {
    const uint lane = gl_LocalInvocationID.x, width = args.kv_rank + args.n_rope;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        const uint from = args.kv_base + t * width;
        precise float sum = 0.0;
        for (uint i = lane; i < args.kv_rank; i += 64u) {
            const float v = kv[from + i];
            sum = sum + v * v;
        }
        barrier(); // the last token's partial[0] has been read
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
        const float scale = exact_rsqrt(mean);

        const uint at = position[args.position_base] + t, entry = at / PAGE;
        if (at >= args.n_positions || entry >= args.n_table) return; // the same for the whole workgroup
        const uint page = page_table[args.page_table_base + entry];
        if (page >= args.n_pages) return;
        const uint row = args.pages_base + (page * PAGE + at % PAGE) * (HALF ? width / 2u : width);
        for (uint i = lane; i < width / 2u; i += 64u) {
            const float a = kv[from + 2u * i], b = kv[from + 2u * i + 1u];
            precise float out_a, out_b;
            if (2u * i < args.kv_rank) {
                out_a = a * scale;
                out_a = out_a * w[args.w_base + 2u * i];
                out_b = b * scale;
                out_b = out_b * w[args.w_base + 2u * i + 1u];
            } else {
                const uint angle = args.table_base + at * args.n_rope + 2u * i - args.kv_rank;
                const float c = table[angle], s = table[angle + 1u];
                out_a = a * c - b * s;
                out_b = a * s + b * c;
            }
            store_pair(row, i, out_a, out_b);
        }
    }
}
