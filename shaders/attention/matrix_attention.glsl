// Attention on matrix units: ROWS queries to blocks of BLOCK positions, one block after the other. Operands
// are float16; sums and softmax are float32. Queries and means stay in matrices: a subgroup has a share of
// the key's width in scores(), and of the values' width in add_values().
// src/op/attention/matrix_attention.c chooses all sizes. Define before the include: COOP_CONSTANT, the number
// of the first constant; SAME_ROWS where a position's value is the beginning of its key; CARRIED where means
// begin with the result of earlier dispatches. A shader defines
//   key_width(), value_width()
//   query4(row, k)             elements k to k + 3 of a query
//   key4(j, k), value4(j, k)   elements k to k + 3 of the block's j-th position
//   seen(row, j)               whether the query attends to the block's j-th position
//   put_mean(row, k, value)    stores a sum of exp(score - m) * value at the end
//   old_mean(row, k)           with CARRIED, for get_means(): the sum of the earlier dispatches
//
// Matrices cannot scale their rows, so a row's reference m is no running maximum. m changes only where a
// score exceeds m by RISE, and then becomes that score minus HEADROOM, so that weights keep their bits in
// float16 from exp(-9.7) to exp(RISE).
// matrices: of queries [M][K], of keys and of values [K][N]
layout(constant_id = COOP_CONSTANT) const uint M = 16;
layout(constant_id = COOP_CONSTANT + 1) const uint N = 16;
layout(constant_id = COOP_CONSTANT + 2) const uint K = 16;
layout(constant_id = COOP_CONSTANT + 3) const uint LANES = 32;         // of a subgroup
layout(constant_id = COOP_CONSTANT + 4) const uint INVOCATIONS = 256;
layout(constant_id = COOP_CONSTANT + 5) const uint ROWS = 32;
layout(constant_id = COOP_CONSTANT + 6) const uint BLOCK = 32;
layout(constant_id = COOP_CONSTANT + 7) const uint KEY_TILES = 9;    // matrices of the key's width a subgroup
layout(constant_id = COOP_CONSTANT + 8) const uint KEY_PARTS = 4;    // subgroups that share a score
// matrices of the values' width a subgroup
layout(constant_id = COOP_CONSTANT + 9) const uint VALUE_TILES = 4;
layout(constant_id = COOP_CONSTANT + 10) const uint VALUE_PARTS = 8; // subgroups that share a row's means
layout(local_size_x_id = COOP_CONSTANT + 4) in;
const uint SUBGROUPS = INVOCATIONS / LANES;
// widths, padded to whole matrices
const uint KEYS = K * KEY_TILES * KEY_PARTS, VALUES = N * VALUE_TILES * VALUE_PARTS;
// subgroups that share a block's positions in scores()
const uint BLOCK_PARTS = SUBGROUPS * M / (ROWS * KEY_PARTS);
// matrices of the rows a subgroup in add_values()
const uint ROW_TILES = ROWS * VALUE_PARTS / (SUBGROUPS * M);
// invocations a row in the softmax; the others repeat their work
const uint SHARE = INVOCATIONS / ROWS < BLOCK ? INVOCATIONS / ROWS : BLOCK;
const uint EACH = BLOCK / SHARE;                                       // scores an invocation
#ifdef SAME_ROWS
// fours of a position; 2 more against bank conflicts
const uint KEY_STRIDE = (KEYS > VALUES ? KEYS : VALUES) / 4u + 2u;
const uint VALUE_STRIDE = KEY_STRIDE, VALUES_AT = 0u, TILE = BLOCK * KEY_STRIDE;
#else
const uint KEY_STRIDE = KEYS / 4u + 2u, VALUE_STRIDE = VALUES / 4u + 2u, VALUES_AT = BLOCK * KEY_STRIDE,
    TILE = VALUES_AT + BLOCK * VALUE_STRIDE;
#endif
const uint SCORE_STRIDE = BLOCK + 4u, P_STRIDE = BLOCK + 8u;
const uint SCORES = KEY_PARTS * ROWS * SCORE_STRIDE, SUMS = SUBGROUPS * M * N;
const float LOWEST = -3.0e38, MASKED = -3.4e38; // finite, so that no difference is a NaN
const float RISE = 10.3, HEADROOM = 4.8;
#define SUM coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
#define ROW_MATRIX coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define POSITION_MATRIX coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB>
#define ROW_MAJOR gl_CooperativeMatrixLayoutRowMajor
#define COLUMN_MAJOR gl_CooperativeMatrixLayoutColumnMajor

shared f16vec4 tile[TILE]; // keys [BLOCK][KEY_STRIDE], values [BLOCK][VALUE_STRIDE]; at first the queries
// scores [KEY_PARTS][ROWS][SCORE_STRIDE]; factors; matrices of means
shared float sums[SCORES > SUMS ? SCORES : SUMS];
shared float16_t p[ROWS * P_STRIDE];
shared uint row_high[ROWS]; // queries: bits of the largest magnitude; then order() of a score above RISE
shared uint raised;
shared float part[INVOCATIONS];

vec4 query4(uint row, uint k);
uint key_width();
uint value_width();
f16vec4 key4(uint j, uint k);
#ifndef SAME_ROWS
f16vec4 value4(uint j, uint k);
#endif
#ifdef CARRIED
float old_mean(uint row, uint k);
#endif
bool seen(uint row, uint j);
void put_mean(uint row, uint k, float value);

ROW_MATRIX query[KEY_TILES];
SUM mean[ROW_TILES * VALUE_TILES];
float row_scale; // of the scores of this invocation's row
float m, l;      // m of that row; l: this invocation's part of that row's l

uint my_row() { return gl_LocalInvocationID.x / SHARE % ROWS; }
bool is_heard() { return INVOCATIONS == ROWS * SHARE || gl_LocalInvocationID.x < ROWS * SHARE; }
uint key_row() { return gl_SubgroupID % (ROWS / M) * M; } // first row of this subgroup's matrices
uint key_part() { return gl_SubgroupID / (ROWS / M) % KEY_PARTS; }
uint block_part() { return gl_SubgroupID / (ROWS / M * KEY_PARTS); }
uint mean_row(uint i) { return (gl_SubgroupID / VALUE_PARTS * ROW_TILES + i / VALUE_TILES) * M; }
uint mean_column(uint i) { return (gl_SubgroupID % VALUE_PARTS * VALUE_TILES + i % VALUE_TILES) * N; }

// An integer in the order of the floats; never 0
uint order(float v) {
    const uint bits = floatBitsToUint(v);
    return bits ^ (bits >> 31 == 1u ? ~0u : 0x80000000u);
}
float from_order(uint v) { return uintBitsToFloat(v ^ (v >> 31 == 1u ? 0x80000000u : ~0u)); }

// Loads the queries into matrices. Each query is scaled by a power of two so that its largest element is 2^13
// to 2^14. Resets the state to that of no position.
void begin(float scale) {
    const uint lane = gl_LocalInvocationID.x, row = my_row();
    if (lane < ROWS) row_high[lane] = 0u;
    if (lane == 0u) raised = 0u;
    barrier();
    float most = 0.0;
    for (uint k = lane % SHARE * 4u; k < key_width(); k += SHARE * 4u) {
        const vec4 a = abs(query4(row, k));
        most = max(most, max(max(a.x, a.y), max(a.z, a.w)));
    }
    atomicMax(row_high[row], floatBitsToUint(most));
    barrier();
    for (uint first = 0u; first < ROWS; first += M) {
        for (uint i = lane; i < M * KEYS / 4u; i += INVOCATIONS) {
            const uint r = i / (KEYS / 4u), k = i % (KEYS / 4u) * 4u;
            const uint exponent = clamp(267u - (row_high[first + r] >> 23), 1u, 253u);
            const vec4 v = k < key_width() ? query4(first + r, k) : vec4(0.0);
            tile[r * KEY_STRIDE + k / 4u] = f16vec4(v * uintBitsToFloat(exponent << 23));
        }
        barrier();
        if (key_row() == first)
            [[unroll]] for (uint t = 0u; t < KEY_TILES; t++)
                coopMatLoad(query[t], tile, (key_part() * KEY_TILES + t) * K / 4u, KEY_STRIDE, ROW_MAJOR);
        barrier();
    }
    row_scale = scale * uintBitsToFloat((254u - clamp(267u - (row_high[row] >> 23), 1u, 253u)) << 23);
    barrier(); // all invocations have read row_high
    if (lane < ROWS) row_high[lane] = 0u;
    [[unroll]] for (uint i = 0u; i < ROW_TILES * VALUE_TILES; i++) mean[i] = SUM(0.0);
    m = LOWEST;
    l = 0.0;
}

void load_block() {
    for (uint i = gl_LocalInvocationID.x; i < BLOCK * KEY_STRIDE; i += INVOCATIONS) {
        const uint k = i % KEY_STRIDE * 4u;
        tile[i] = k < key_width() ? key4(i / KEY_STRIDE, k) : f16vec4(0.0);
    }
#ifndef SAME_ROWS
    for (uint i = gl_LocalInvocationID.x; i < BLOCK * VALUE_STRIDE; i += INVOCATIONS) {
        const uint k = i % VALUE_STRIDE * 4u;
        tile[VALUES_AT + i] = k < value_width() ? value4(i / VALUE_STRIDE, k) : f16vec4(0.0);
    }
#endif
}

void scores() {
    if (block_part() >= BLOCK_PARTS) return;
    for (uint n = block_part() * N; n < BLOCK; n += BLOCK_PARTS * N) {
        SUM s = SUM(0.0);
        [[unroll]] for (uint t = 0u; t < KEY_TILES; t++) {
            POSITION_MATRIX keys;
            coopMatLoad(keys, tile, n * KEY_STRIDE + (key_part() * KEY_TILES + t) * K / 4u, KEY_STRIDE,
                COLUMN_MAJOR);
            s = coopMatMulAdd(query[t], keys, s);
        }
        coopMatStore(s, sums, (key_part() * ROWS + key_row()) * SCORE_STRIDE + n, SCORE_STRIDE, ROW_MAJOR);
    }
}

float16_t weight(float score) { return score == MASKED ? float16_t(0.0) : float16_t(exp(score - m)); }

// Replaces scores by weights in p. Few blocks change a row's m.
void soften() {
    const uint lane = gl_LocalInvocationID.x, row = my_row(), first = lane % SHARE;
    float score[EACH], high = MASKED, added = 0.0;
    [[unroll]] for (uint e = 0u; e < EACH; e++) {
        const uint j = first + e * SHARE;
        float s = 0.0;
        for (uint i = 0u; i < KEY_PARTS; i++) s += sums[(i * ROWS + row) * SCORE_STRIDE + j];
        score[e] = seen(row, j) ? s * row_scale : MASKED;
        high = max(high, score[e]);
        const float16_t w = weight(score[e]);
        if (is_heard()) p[row * P_STRIDE + j] = w;
        added += float(w);
    }
    if (high - m > RISE) {
        atomicMax(row_high[row], order(high));
        raised = 1u;
    }
    barrier();
    if (raised != 0u) { // the same for the whole workgroup
        const uint above = row_high[row];
        const float m_old = m;
        if (above != 0u) m = from_order(above) - HEADROOM;
        const float keep = exp(m_old - m);
        l *= keep;
        added = 0.0;
        for (uint c = first; c < N && is_heard(); c += SHARE) sums[row * N + c] = keep;
        [[unroll]] for (uint e = 0u; e < EACH; e++) {
            const float16_t w = weight(score[e]);
            if (is_heard()) p[row * P_STRIDE + first + e * SHARE] = w;
            added += float(w);
        }
        barrier(); // all invocations have read row_high and raised
        if (lane < ROWS) row_high[lane] = 0u;
        if (lane == 0u) raised = 0u;
        [[unroll]] for (uint i = 0u; i < ROW_TILES * VALUE_TILES; i++) {
            SUM factor;
            coopMatLoad(factor, sums, mean_row(i) * N, N, ROW_MAJOR);
            mean[i] *= factor;
        }
    }
    l += added; // of the weights as p holds them
}

void add_values() {
    [[unroll]] for (uint j = 0u; j < BLOCK; j += K) {
        ROW_MATRIX a[ROW_TILES];
        [[unroll]] for (uint r = 0u; r < ROW_TILES; r++)
            coopMatLoad(a[r], p, mean_row(r * VALUE_TILES) * P_STRIDE + j, P_STRIDE, ROW_MAJOR);
        [[unroll]] for (uint c = 0u; c < VALUE_TILES; c++) {
            POSITION_MATRIX values;
            coopMatLoad(values, tile, VALUES_AT + j * VALUE_STRIDE + mean_column(c) / 4u, VALUE_STRIDE,
                ROW_MAJOR);
            [[unroll]] for (uint r = 0u; r < ROW_TILES; r++)
                mean[r * VALUE_TILES + c] = coopMatMulAdd(a[r], values, mean[r * VALUE_TILES + c]);
        }
    }
}

// Call after load_block() and a barrier. On return the tile may be written again.
void attend_block() {
    scores();
    barrier();
    soften();
    add_values();
    barrier();
}

// The sum over invocations of l of this invocation's row
float whole_l() {
    part[gl_LocalInvocationID.x] = l;
    barrier();
    float sum = 0.0;
    for (uint i = 0u; i < SHARE; i++) sum += part[my_row() * SHARE + i];
    return sum;
}

#ifdef CARRIED
void get_means() {
    [[unroll]] for (uint i = 0u; i < ROW_TILES * VALUE_TILES; i++) {
        barrier();
        for (uint e = gl_SubgroupInvocationID; e < M * N; e += LANES) {
            const uint k = mean_column(i) + e % N;
            sums[gl_SubgroupID * M * N + e] = k < value_width() ? old_mean(mean_row(i) + e / N, k) : 0.0;
        }
        barrier();
        coopMatLoad(mean[i], sums, gl_SubgroupID * M * N, N, ROW_MAJOR);
    }
}
#endif

// Stores the means, matrix after matrix.
void put_means() {
    [[unroll]] for (uint i = 0u; i < ROW_TILES * VALUE_TILES; i++) {
        barrier();
        coopMatStore(mean[i], sums, gl_SubgroupID * M * N, N, ROW_MAJOR);
        barrier();
        for (uint e = gl_SubgroupInvocationID; e < M * N; e += LANES) {
            const uint k = mean_column(i) + e % N;
            if (k < value_width()) put_mean(mean_row(i) + e / N, k, sums[gl_SubgroupID * M * N + e]);
        }
    }
}
