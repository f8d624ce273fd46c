#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// latent_store.comp with sums by subgroup operations.
layout(local_size_x_id = 2) in;
#include "attention/latent_store.glsl"
shared float partial[64]; // one a subgroup; 256 invocations, subgroups of at least 4

vec2 cache_pair(uint i) {
    vec2 v = vec2(kv[from + 2u * i], kv[from + 2u * i + 1u]);
    if (2u * i < args.kv_rank) v *= scale * vec2(w[args.w_base + 2u * i], w[args.w_base + 2u * i + 1u]);
    if (2u * i < args.first_rotated) return v;
    const uint angle = args.table_base + at * args.n_rope + 2u * i - args.first_rotated;
    const float c = table[angle], s = table[angle + 1u];
    return vec2(v.x * c - v.y * s, v.x * s + v.y * c);
}
#include "include/cache_write.glsl"

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
    const uint lane = gl_LocalInvocationID.x;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        at = position[args.position_base] + t;
        const uint entry = at / PAGE;
        if (at >= args.n_positions || entry >= args.n_table) return; // the same for the whole workgroup
        const uint page = page_table[args.page_table_base + entry];
        if (page >= args.n_pages) return;
        from = args.kv_base + t * row_width();
        const uint row = args.pages_base + (page * PAGE + at % PAGE) * row_words();

        float sum = 0.0;
        for (uint i = lane; i < args.kv_rank; i += gl_WorkGroupSize.x) sum += kv[from + i] * kv[from + i];
        scale = inversesqrt(sum_all(sum) * args.inv_kv_rank + args.eps);
        write_row(row, 0u, row_width(), lane, gl_WorkGroupSize.x);
    }
}
