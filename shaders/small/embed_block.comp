#version 460
#extension GL_GOOGLE_include_directive : require
// embed.comp with 32 columns an invocation, so that a block's scale is read once. n_cols is a multiple of 32.
layout(local_size_x = 32) in;
#include "small/embed.glsl"
#include "quant/decode.glsl"

void main() {
    const uint k = gl_GlobalInvocationID.x * 32u;
    if (k >= args.n_cols) return;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        const uint row = ids[args.ids_base + t] - args.first_row;
        if (row >= args.n_rows) continue;
        vec4 q[8];
        const float scale = w32(TYPE, row * row_size(TYPE, args.n_cols), k, q);
        const uint at = args.x_base + t * args.n_cols + k;
        for (uint i = 0u; i < 32u; i++) x[at + i] = scale * q[i / 4u][i % 4u];
    }
}
