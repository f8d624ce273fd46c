#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "attention/latent_attention.h"
// Latent attention on matrix units. A workgroup takes ROWS heads of one token and a range of the rows that
// the token attends to. A range grows with the context, so that there are at most n_splits of them.
#define COOP_CONSTANT 11
#define SAME_ROWS
#define RANGES
#include "attention/latent_heads.glsl"
#include "attention/matrix_attention.glsl"
#include "attention/attention_split.glsl"
#include "include/cache_half.glsl"
uint split_size() {
    const uint n = (n_attended() + BLOCK - 1u) / BLOCK;
    return (n + args.n_splits - 1u) / args.n_splits * BLOCK;
}

shared uint row_at[BLOCK];
Heads heads;
uint n_left; // rows of the range from this block on

vec4 query4(uint row, uint k) {
    const uint i = query_at(args.first_token + gl_WorkGroupID.z, min(heads.first + row, heads.end - 1u)) + k;
    return vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u]);
}

f16vec4 key4(uint j, uint k) { return cache4_half(row_at[j], k); }

bool seen(uint row, uint j) { return j < n_left; }

void put_mean(uint row, uint k, float value) {
    if (heads.first + row < heads.end) scratch[partial_at(gl_WorkGroupID.x, heads.first + row) + k] = value;
}

// Looks up the rows of the block at i. Entries past the last row repeat that row, with weight 0.
void find_rows(uint i, uint end) {
    for (uint j = gl_LocalInvocationID.x; j < BLOCK; j += INVOCATIONS)
        row_at[j] = cache_row(attended_position(min(i + j, end - 1u)));
}

void main() {
    if (MERGE) {
        merge(gl_WorkGroupID.y);
        return;
    }
    heads = pick_heads(gl_WorkGroupID.y, ROWS);
    const uint n_all = n_attended(), first = gl_WorkGroupID.x * split_size();
    if (first >= n_all) return;
    const uint end = min(first + split_size(), n_all);
    find_rows(first, end);
    begin(args.scale);
    for (uint i = first; i < end; i += BLOCK) {
        n_left = end - i;
        load_block();
        barrier(); // all invocations have read row_at, too
        find_rows(i + BLOCK, end);
        attend_block();
    }
    const float sum = whole_l();
    const uint row = my_row();
    if (is_heard() && gl_LocalInvocationID.x % SHARE == 0u && heads.first + row < heads.end) {
        const uint at = partial_at(gl_WorkGroupID.x, heads.first + row) + value_width();
        scratch[at] = m;
        scratch[at + 1u] = sum;
    }
    put_means();
}
