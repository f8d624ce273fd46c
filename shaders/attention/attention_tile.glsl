// Attention of tiles of ROWS queries to tiles of BLOCK positions, one tile of positions after the other. The
// softmax is carried on from tile to tile. z counts groups of 128 values; each group has an m and an l of its
// own.
// Define before the include: EACH (1, 2 or 4: an invocation scores EACH queries x 4 positions), and
// local_size_x = 128. A shader defines, as for matrix_attention.glsl,
//   key_width(), value_width()
//   query4(row, k)               elements k to k + 3 of a query
//   key4(j, k), value4(j, k)     elements k to k + 3 of the tile's j-th position; any values past the last
//                                position, whose weight is 0
//   seen(row, j)                 whether the query attends to the tile's j-th position
// DEPTH: fours of a row at once; STRIDE avoids bank conflicts
const uint ROWS = 16u * EACH, BLOCK = 32u, DEPTH = 8u, STRIDE = 9u;
const uint SHARE = 128u / ROWS;                 // invocations a query in the softmax
const uint OWN = ROWS / 4u;                     // queries whose means an invocation keeps, for four values
const float LOWEST = -3.0e38, MASKED = -3.4e38; // finite, so that no difference is a NaN
shared vec4 q_tile[ROWS * STRIDE], k_tile[BLOCK * STRIDE], p[ROWS * STRIDE];
shared float part[128], score_max[ROWS], weight_sum[ROWS], old_factor[ROWS];
vec4 mean[OWN];

uint key_width();
uint value_width();
vec4 query4(uint row, uint k);
vec4 key4(uint j, uint k);
vec4 value4(uint j, uint k);
bool seen(uint row, uint j);

uint own_row(uint i) { return gl_LocalInvocationID.x / 32u * OWN + i; }
uint own_value() { return gl_WorkGroupID.z * 128u + gl_LocalInvocationID.x % 32u * 4u; } // the first of four
bool has_values() { return own_value() < value_width(); }

// Writes the scores of the tile to p.
void scores() {
    const uint lane = gl_LocalInvocationID.x, fours = key_width() / 4u;
    float sum[EACH * 4u];
    for (uint i = 0u; i < EACH * 4u; i++) sum[i] = 0.0;
    for (uint from = 0u; from < fours; from += DEPTH) {
        for (uint i = lane; i < (ROWS + BLOCK) * DEPTH; i += 128u) {
            const uint row = i / DEPTH, four = from + i % DEPTH;
            if (row < ROWS)
                q_tile[row * STRIDE + i % DEPTH] = four < fours ? query4(row, four * 4u) : vec4(0.0);
            else
                k_tile[(row - ROWS) * STRIDE + i % DEPTH] =
                    four < fours ? key4(row - ROWS, four * 4u) : vec4(0.0);
        }
        barrier();
        for (uint four = 0u; four < DEPTH; four++) {
            vec4 b[4];
            for (uint c = 0u; c < 4u; c++) b[c] = k_tile[(lane % 8u + 8u * c) * STRIDE + four];
            for (uint e = 0u; e < EACH; e++) {
                const vec4 a = q_tile[(lane / 8u + 16u * e) * STRIDE + four];
                for (uint c = 0u; c < 4u; c++)
                    sum[e * 4u + c] =
                        fma(a.w, b[c].w,
                        fma(a.z, b[c].z, fma(a.y, b[c].y, fma(a.x, b[c].x, sum[e * 4u + c]))));
            }
        }
        barrier();
    }
    for (uint e = 0u; e < EACH; e++)
        for (uint c = 0u; c < 4u; c++) {
            const uint row = lane / 8u + 16u * e, j = lane % 8u + 8u * c;
            p[row * STRIDE + j / 4u][j % 4u] = seen(row, j) ? sum[e * 4u + c] * args.scale : MASKED;
        }
    barrier();
}

// Replaces the scores in p by exp(score - m). Updates score_max (m) and weight_sum (l) of every query.
// old_factor becomes the factor for the earlier sums.
void soften() {
    const uint lane = gl_LocalInvocationID.x, row = lane / SHARE, i = lane % SHARE;
    float m = MASKED;
    for (uint four = i; four < BLOCK / 4u; four += SHARE) {
        const vec4 s = p[row * STRIDE + four];
        m = max(m, max(max(s.x, s.y), max(s.z, s.w)));
    }
    part[lane] = m;
    barrier();
    const float m_old = score_max[row];
    m = m_old;
    for (uint s = 0u; s < SHARE; s++) m = max(m, part[row * SHARE + s]);
    barrier(); // all invocations have read part and score_max
    float l = 0.0;
    for (uint four = i; four < BLOCK / 4u; four += SHARE) {
        const vec4 e = exp(p[row * STRIDE + four] - m);
        p[row * STRIDE + four] = e;
        l += (e.x + e.y) + (e.z + e.w);
    }
    part[lane] = l;
    barrier();
    if (i == 0u) {
        for (uint s = 1u; s < SHARE; s++) l += part[lane + s];
        const float keep = exp(m_old - m);
        old_factor[row] = keep;
        weight_sum[row] = weight_sum[row] * keep + l;
        score_max[row] = m;
    }
    barrier();
}

// Attends to n positions, at most BLOCK. Set score_max, weight_sum and mean before the first call;
// the call needs no barrier before it.
void attend_tile(uint n) {
    scores();
    soften();
    for (uint r = 0u; r < OWN; r++) mean[r] *= old_factor[own_row(r)];
    for (uint four = 0u; four * 4u < n; four++) {
        vec4 v[4];
        for (uint c = 0u; c < 4u; c++) v[c] = has_values() ? value4(four * 4u + c, own_value()) : vec4(0.0);
        for (uint r = 0u; r < OWN; r++) {
            const vec4 w = p[own_row(r) * STRIDE + four];
            for (uint c = 0u; c < 4u; c++) mean[r] = fma(vec4(w[c]), v[c], mean[r]);
        }
    }
    barrier(); // all invocations have read p and old_factor
}
