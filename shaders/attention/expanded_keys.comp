#version 460
#extension GL_GOOGLE_include_directive : require
// Computes the keys or values of a block of positions from their latents: key[h][j] = { sum_r k_b[h][r] *
// latent[j][r], rotary key[j] }, value[h][j][i] = v_b[h][i] . latent[j]. An invocation computes four adjacent
// numbers. Exact: sums are in order of r.
layout(local_size_x = 64) in;
#define RESULT_ELEMENT float
#include "attention/expanded_keys.glsl"
#include "quant/decode.glsl"

vec4 key(uint row, uint o) {
    if (o >= args.n_out) return cache4(row, args.kv_rank + o - args.n_out);
    const uint size = row_size(TYPE, args.n_out), first = gl_WorkGroupID.z * args.kv_rank * size;
    precise vec4 sum = vec4(0.0);
    for (uint r = 0u; r < args.kv_rank; r += 4u) {
        const vec4 c = cache4(row, r);
        for (uint i = 0u; i < 4u; i++) sum = sum + c[i] * w4(TYPE, first + (r + i) * size, o);
    }
    return sum;
}

vec4 value(uint row, uint o) {
    const uint size = row_size(TYPE, args.kv_rank), first = (gl_WorkGroupID.z * args.n_out + o) * size;
    precise vec4 sum = vec4(0.0);
    for (uint r = 0u; r < args.kv_rank; r += 4u) {
        const vec4 c = cache4(row, r);
        vec4 w[4];
        for (uint i = 0u; i < 4u; i++) w[i] = w4(TYPE, first + i * size, r);
        for (uint i = 0u; i < 4u; i++) sum = sum + c[i] * vec4(w[0][i], w[1][i], w[2][i], w[3][i]);
    }
    return sum;
}

void main() {
    const uint width = args.n_out + (VALUES ? 0u : args.n_rope), fours = width / 4u;
    for (uint i = gl_GlobalInvocationID.x; i < args.n_positions * fours; i += gl_NumWorkGroups.x * 64u) {
        const uint j = i / fours, o = i % fours * 4u, row = cache_row(args.first_position + j);
        const vec4 v = VALUES ? value(row, o) : key(row, o);
        const uint at = args.out_base + ((args.first_head + gl_WorkGroupID.z) * KV_BLOCK + j) * width + o;
        for (uint c = 0u; c < 4u; c++) result_out[at + c] = v[c];
    }
}
