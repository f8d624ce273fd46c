#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/grouped_attention.h"
// grouped_attention.comp for many tokens.
layout(local_size_x = 128) in;
layout(constant_id = 2) const uint EACH = 4;
#include "attention/attention_tile.glsl"
#include "attention/grouped_tiles.glsl"
// query_at: index in q[]. end_of: end of the positions that the query attends to.
shared uint query_at[ROWS], end_of[ROWS];

vec4 query4(uint row, uint k) {
    const uint i = query_at[row] + k;
    return vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
}

vec4 key4(uint j, uint k) { return cache4_fast(row_of(j), key_column(k)); }
vec4 value4(uint j, uint k) { return cache4_fast(row_of(j), value_column(k)); }
bool seen(uint row, uint j) { return j0 + j < end_of[row]; }

void main() {
    const uint lane = gl_LocalInvocationID.x;
    if (lane < ROWS) {
        query_at[lane] = query_of(lane);
        end_of[lane] = n_seen(lane);
        score_max[lane] = LOWEST;
        weight_sum[lane] = 0.0;
    }
    for (uint r = 0u; r < OWN; r++) mean[r] = vec4(0.0);
    begin_tiles();
    barrier();
    for (; j0 < n; j0 += BLOCK) {
        find_rows(j0 + BLOCK);
        attend_tile(min(n - j0, BLOCK));
    }
    for (uint r = 0u; r < OWN; r++) {
        const uint row = own_row(r);
        if (!has_values() || !is_query(row)) continue;
        const vec4 v = mean[r] * (1.0 / weight_sum[row]);
        for (uint c = 0u; c < 4u; c++) result_out[result_of(row) + own_value() + c] = v[c];
    }
}
