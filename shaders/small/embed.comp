#version 460
#extension GL_GOOGLE_include_directive : require
// x[t] = row ids[t] of w. An invocation writes 4 columns.
// Tokens whose rows are in other slices are not written.
layout(local_size_x = 64) in;
#include "small/embed.glsl"
#include "quant/decode.glsl"

void main() {
    const uint k = gl_GlobalInvocationID.x * 4u;
    if (k >= args.n_cols) return;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        const uint row = ids[args.ids_base + t] - args.first_row;
        if (row >= args.n_rows) continue;
        const vec4 v = w4(TYPE, row * row_size(TYPE, args.n_cols), k);
        const uint at = args.x_base + t * args.n_cols + k;
        for (uint i = 0u; i < 4u; i++) x[at + i] = v[i];
    }
}
