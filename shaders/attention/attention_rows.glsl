// Attention on CPUs, ROWS queries to BLOCK positions at a time. The softmax is carried on from block to
// block. The workgroup is one subgroup. A lane stands for a position while scores are computed, then for
// values. Where all lanes need the same data, each lane loads a part and broadcasts that part (see
// include/broadcast.glsl). A lane reads from shared memory only what the lane itself has written, so no
// barrier is needed: lavapipe compiles a shader with a barrier into a coroutine.
// Define before the include: LANES (4, 8, 16 or 32), ROWS (4, 8 or 16). Enable GL_KHR_shader_subgroup_ballot.
// A shader defines
//   key_width(), value_width()
//   query_of(row)                index in q[] of a query
//   key_of(j), value_of(j)       where the key and the value of the block's j-th position begin
//   key4(at, k), value4(at, k)   elements k to k + 3 of the key or value that begins there
//   seen(row, j)                 whether the query attends to the block's j-th position
//   old_mean4(row, k)            elements k to k + 3 of the sum of exp(score - m) * value before this block
//   put_mean4(row, k, mean)      stores that sum
const uint BLOCK = 256u, EACH = 4u;             // EACH: positions that a lane scores at once
// queries that the lanes load together, four elements a lane
const uint SPREAD = LANES / 4u < ROWS ? LANES / 4u : ROWS;
const float LOWEST = -3.0e38, MASKED = -3.4e38; // finite, so that no difference is a NaN
shared float p[ROWS * BLOCK];
float score_max[ROWS], weight_sum[ROWS], old_factor[ROWS]; // the same for all lanes

uint key_width();
uint value_width();
uint query_of(uint row);
uint key_of(uint j);
uint value_of(uint j);
vec4 key4(uint at, uint k);
vec4 value4(uint at, uint k);
bool seen(uint row, uint j);
vec4 old_mean4(uint row, uint k);
void put_mean4(uint row, uint k, vec4 mean);

float max_of_lanes(float v) {
    float most = v;
    [[unroll]] for (uint i = 0u; i < LANES; i++) most = max(most, subgroupBroadcast(v, i));
    return most;
}

float sum_of_lanes(float v) {
    float sum = 0.0;
    [[unroll]] for (uint i = 0u; i < LANES; i++) sum += subgroupBroadcast(v, i);
    return sum;
}

// Writes the scores of n positions to p. high: the highest score of each query that this lane has computed.
void scores(uint n, out float high[ROWS]) {
    const uint lane = gl_LocalInvocationID.x;
    uint q_at[ROWS / SPREAD];
    [[unroll]] for (uint r = 0u; r < ROWS / SPREAD; r++)
        q_at[r] = query_of(r * SPREAD + min(lane / 4u, SPREAD - 1u)) + lane % 4u;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) high[r] = MASKED;
    for (uint first = 0u; first < n; first += EACH * LANES) {
        uint at[EACH];
        [[unroll]] for (uint e = 0u; e < EACH; e++) at[e] = key_of(min(first + e * LANES + lane, n - 1u));
        float sum[EACH * ROWS];
        [[unroll]] for (uint i = 0u; i < EACH * ROWS; i++) sum[i] = 0.0;
        for (uint k = 0u; k < key_width(); k += 4u) {
            vec4 c[EACH];
            [[unroll]] for (uint e = 0u; e < EACH; e++) c[e] = key4(at[e], k);
            [[unroll]] for (uint r = 0u; r < ROWS; r += SPREAD) {
                const float a = q[q_at[r / SPREAD] + k];
                [[unroll]] for (uint s = 0u; s < SPREAD; s++)
                    [[unroll]] for (uint i = 0u; i < 4u; i++) {
                        const float b = subgroupBroadcast(a, s * 4u + i);
                        [[unroll]] for (uint e = 0u; e < EACH; e++)
                            sum[e * ROWS + r + s] = fma(c[e][i], b, sum[e * ROWS + r + s]);
                    }
            }
        }
        [[unroll]] for (uint e = 0u; e < EACH; e++) {
            const uint j = first + e * LANES + lane;
            if (j < BLOCK)
                [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                    const float s = j < n && seen(r, j) ? sum[e * ROWS + r] * args.scale : MASKED;
                    p[r * BLOCK + j] = s;
                    high[r] = max(high[r], s);
                }
        }
    }
}

// Replaces scores by exp(score - m), and those past n by 0. Updates m and l.
void soften(uint n, float high[ROWS]) {
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        const float m = max(score_max[r], max_of_lanes(high[r]));
        float l = 0.0;
        for (uint j = gl_LocalInvocationID.x; j < n; j += LANES) {
            const float e = exp(p[r * BLOCK + j] - m);
            p[r * BLOCK + j] = e;
            l += e;
        }
        old_factor[r] = exp(score_max[r] - m);
        weight_sum[r] = weight_sum[r] * old_factor[r] + sum_of_lanes(l);
        score_max[r] = m;
    }
}

void add_values(uint n) {
    const uint lane = gl_LocalInvocationID.x;
    for (uint first = 0u; first < value_width(); first += LANES * 4u) {
        const bool has_values = first + lane * 4u < value_width();
        const uint k = has_values ? first + lane * 4u : 0u;
        vec4 mean[ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++) mean[r] = old_factor[r] * old_mean4(r, k);
        for (uint j = 0u; j < n; j += LANES) {
            const uint at = value_of(min(j + lane, n - 1u));
            vec4 v[LANES];
            [[unroll]] for (uint i = 0u; i < LANES; i++) v[i] = value4(subgroupBroadcast(at, i), k);
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                const float w = j + lane < n ? p[r * BLOCK + j + lane] : 0.0;
                [[unroll]] for (uint i = 0u; i < LANES; i++)
                    mean[r] = fma(vec4(subgroupBroadcast(w, i)), v[i], mean[r]);
            }
        }
        if (has_values)
            [[unroll]] for (uint r = 0u; r < ROWS; r++) put_mean4(r, k, mean[r]);
    }
}

// Attends to n positions, at most BLOCK. Set score_max and weight_sum before the first call.
void attend_block(uint n) {
    float high[ROWS];
    scores(n, high);
    soften(n, high);
    add_values(n);
}
