#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/expanded_keys.h"
// Keys or values of a block of positions from their latents: key[h][j] = { sum_r k_b[h][r] * latent[j][r], rotary key[j] },
// value[h][j][i] = v_b[h][i] . latent[j]. An invocation makes four adjacent numbers; sums in order of r. Exact.
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const bool VALUES = false;
layout(constant_id = 4) const uint BLOCK = 512;                    // rows of a head
layout(binding = 0) readonly buffer W { uint words[]; };           // [heads][kv_rank][n_out], VALUES: [heads][n_out][kv_rank]
layout(binding = 1) readonly buffer PageTable { uint page_table[]; };
layout(binding = 2) readonly buffer Pages { uint pages[]; };
layout(binding = 3) writeonly buffer Out { float result_out[]; };  // [n_heads][BLOCK][n_out + (VALUES ? 0 : n_rope)]
uint row_width() { return args.kv_rank + args.n_rope; }
#include "include/cache_read.glsl"
#define W_NAME w
#define W_WORD(i) words[i]
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
        const uint at = args.out_base + ((args.first_head + gl_WorkGroupID.z) * BLOCK + j) * width + o;
        for (uint c = 0u; c < 4u; c++) result_out[at + c] = v[c];
    }
}
