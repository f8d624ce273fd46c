#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "latent_store.h"
#include "include/exact.glsl"
// latent_store.comp with sums by subgroup operations.
layout(local_size_x_id = 2) in;
layout(constant_id = 0) const bool HALF = false;                   // the cache holds float16, else float32
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) readonly buffer Kv { float kv[]; };            // [n_tokens][kv_rank + n_rope]
layout(binding = 1) readonly buffer W { float w[]; };              // [kv_rank]
layout(binding = 2) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 3) readonly buffer Position { uint position[]; };
layout(binding = 4) readonly buffer PageTable { uint page_table[]; };
layout(binding = 5) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE][kv_rank + n_rope]
shared float partial[64]; // one a subgroup; 256 invocations, subgroups of 4 at least

float sum_all(float v) {
    v = subgroupAdd(v);
    if (gl_NumSubgroups == 1u) return v;
    barrier();
    if (subgroupElect()) partial[gl_SubgroupID] = v;
    barrier();
    v = 0.0;
    for (uint i = 0u; i < gl_NumSubgroups; i++) v += partial[i];
    return v;
}

void main() {
    const uint lane = gl_LocalInvocationID.x, width = args.kv_rank + args.n_rope;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        const uint at = position[args.position_base] + t, entry = at / PAGE;
        if (at >= args.n_positions || entry >= args.n_table) return; // the same for the whole workgroup
        const uint page = page_table[args.page_table_base + entry];
        if (page >= args.n_pages) return;
        const uint from = args.kv_base + t * width;
        const uint row = args.pages_base + (page * PAGE + at % PAGE) * (HALF ? width / 2u : width);

        float sum = 0.0;
        for (uint i = lane; i < args.kv_rank; i += gl_WorkGroupSize.x) sum += kv[from + i] * kv[from + i];
        const float scale = inversesqrt(sum_all(sum) * args.inv_kv_rank + args.eps);
        for (uint i = lane; i < width / 2u; i += gl_WorkGroupSize.x) {
            float a = kv[from + 2u * i], b = kv[from + 2u * i + 1u];
            if (2u * i < args.kv_rank) {
                a *= scale * w[args.w_base + 2u * i];
                b *= scale * w[args.w_base + 2u * i + 1u];
            } else {
                const uint angle = args.table_base + at * args.n_rope + 2u * i - args.kv_rank;
                const float c = table[angle], s = table[angle + 1u], turned = a * c - b * s;
                b = a * s + b * c;
                a = turned;
            }
            if (HALF) {
                pages[row + i] = half_encode(a) | (half_encode(b) << 16);
            } else {
                pages[row + 2u * i] = floatBitsToUint(a);
                pages[row + 2u * i + 1u] = floatBitsToUint(b);
            }
        }
    }
}
