// Attention of tiles of ROWS queries to tiles of BLOCK positions, one after the other, with the softmax carried on. z counts groups of 128
// values, each with its own m and l.
// Before: EACH (1, 2 or 4: an invocation scores EACH queries x 4 positions), with local_size_x = 128. A shader defines, as for
// matrix_attention.glsl,
//   key_width(), value_width()
//   query4(row, k)                     elements k to k + 3 of a query
//   key4(j, k), value4(j, k)           of the tile's j-th position; past the last one it may be any, and has no weight
//   seen(row, j)                       does the query attend to it?
const uint ROWS = 16u * EACH, BLOCK = 32u, DEPTH = 8u, STRIDE = 9u; // DEPTH: fours of a row at once; STRIDE spreads the banks
const uint SHARE = 128u / ROWS;                                    // invocations a query for the softmax
const uint OWN = ROWS / 4u;                                        // queries whose means an invocation carries, for four values
const float LOWEST = -3.0e38, MASKED = -3.4e38;                    // finite, so that no difference is a NaN
shared vec4 q_tile[ROWS * STRIDE], k_tile[BLOCK * STRIDE], p[ROWS * STRIDE];
shared float part[128], m_of[ROWS], l_of[ROWS], keep_of[ROWS];
vec4 mean[OWN];

uint key_width();
uint value_width();
vec4 query4(uint row, uint k);
vec4 key4(uint j, uint k);
vec4 value4(uint j, uint k);
bool seen(uint row, uint j);

uint own_row(uint i) { return gl_LocalInvocationID.x / 32u * OWN + i; }
uint own_value() { return gl_WorkGroupID.z * 128u + gl_LocalInvocationID.x % 32u * 4u; } // and the next three
bool has_values() { return own_value() < value_width(); }

// Scores of the tile into p.
void scores() {
    const uint lane = gl_LocalInvocationID.x, fours = key_width() / 4u;
    float sum[EACH * 4u];
    for (uint i = 0u; i < EACH * 4u; i++) sum[i] = 0.0;
    for (uint from = 0u; from < fours; from += DEPTH) {
        for (uint i = lane; i < (ROWS + BLOCK) * DEPTH; i += 128u) {
            const uint row = i / DEPTH, four = from + i % DEPTH;
            if (row < ROWS) q_tile[row * STRIDE + i % DEPTH] = four < fours ? query4(row, four * 4u) : vec4(0.0);
            else k_tile[(row - ROWS) * STRIDE + i % DEPTH] = four < fours ? key4(row - ROWS, four * 4u) : vec4(0.0);
        }
        barrier();
        for (uint four = 0u; four < DEPTH; four++) {
            vec4 b[4];
            for (uint c = 0u; c < 4u; c++) b[c] = k_tile[(lane % 8u + 8u * c) * STRIDE + four];
            for (uint e = 0u; e < EACH; e++) {
                const vec4 a = q_tile[(lane / 8u + 16u * e) * STRIDE + four];
                for (uint c = 0u; c < 4u; c++)
                    sum[e * 4u + c] = fma(a.w, b[c].w, fma(a.z, b[c].z, fma(a.y, b[c].y, fma(a.x, b[c].x, sum[e * 4u + c]))));
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

// Scores in p to exp(score - m); m, l and the factor for what was summed before are kept for every query.
void soften() {
    const uint lane = gl_LocalInvocationID.x, row = lane / SHARE, i = lane % SHARE;
    float m = MASKED;
    for (uint four = i; four < BLOCK / 4u; four += SHARE) {
        const vec4 s = p[row * STRIDE + four];
        m = max(m, max(max(s.x, s.y), max(s.z, s.w)));
    }
    part[lane] = m;
    barrier();
    const float m_old = m_of[row];
    m = m_old;
    for (uint s = 0u; s < SHARE; s++) m = max(m, part[row * SHARE + s]);
    barrier(); // part and m_of have been read
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
        keep_of[row] = keep;
        l_of[row] = l_of[row] * keep + l;
        m_of[row] = m;
    }
    barrier();
}

// Of n positions, BLOCK or fewer. Before the first call m_of, l_of and mean are to be set; no barrier is needed for it.
void attend_tile(uint n) {
    scores();
    soften();
    for (uint r = 0u; r < OWN; r++) mean[r] *= keep_of[own_row(r)];
    for (uint four = 0u; four * 4u < n; four++) {
        vec4 v[4];
        for (uint c = 0u; c < 4u; c++) v[c] = has_values() ? value4(four * 4u + c, own_value()) : vec4(0.0);
        for (uint r = 0u; r < OWN; r++) {
            const vec4 w = p[own_row(r) * STRIDE + four];
            for (uint c = 0u; c < 4u; c++) mean[r] = fma(vec4(w[c]), v[c], mean[r]);
        }
    }
    barrier(); // p and keep_of have been read
}
