// A column an invocation, in variants for CPUs. The subgroup reads the words of a row in order, each at an
// address that is the same for all lanes, and each lane takes its element of every word. lavapipe, from
// version 26 on, makes such a load the memory operand of another instruction, without a check; a variant
// whose lanes read rows of their own costs a gather. The activations stay in registers for all rows of a
// workgroup. Columns are taken in units of 64. A column tile is as many units as the registers can hold.
// Define before the include: constants LANES (4, 8, 16 or 32: the size of the workgroup, which is one
// subgroup), TOKENS, UNITS (of a column tile), SLOTS (sums that are kept); X(i), float i. Enable
// GL_EXT_buffer_reference2, GL_EXT_buffer_reference_uvec2.
#include "include/words.glsl"
#include "quant/common.glsl"
const uint STEPS = 64u / LANES, BLOCK_STEPS = 32u / LANES;
// Rows of a round. The start of a round takes as long as eight units.
const uint AT_ONCE = UNITS * TOKENS > 22u ? 1u : UNITS * TOKENS > 11u ? 2u : 4u;
// This lane's x, divided by the place value, in its word, of the integer that x is multiplied with
float lane_x[TOKENS * UNITS * STEPS];
// Of 32 elements: this lane's x times the integers' offsets, to be subtracted
float lane_offset[TOKENS * UNITS * 2u];
float lane_total[TOKENS * UNITS * 2u];       // of 32 elements: this lane's x, for types with a minimum
// A lane's integers in a block of 32 elements, step by step. lane_mask: the bits of the integer in its word.
// lane_flip: the bits that are flipped there, so that the topmost integer of a word is signed and the others
// are not. Each lane flips its own bits: a word that was changed once for all lanes would need a register,
// and the load could no longer be an operand in memory.
uint lane_mask[BLOCK_STEPS], lane_flip[BLOCK_STEPS];
shared float sums[SLOTS * LANES];            // each lane's part of a row's sum, or of a row and token's

// Lowest bit, in its word, of element e of a block
uint place_of(const uint type, uint e) {
    switch (type) {
    case TYPE_Q8_0: return (e & 3u) * 8u;
    default: return (e & 7u) * 4u;
    }
}

void find_places(const uint type) {
    [[unroll]] for (uint i = 0u; i < BLOCK_STEPS; i++) {
        const uint place = place_of(type, i * LANES + gl_LocalInvocationID.x);
        switch (type) {
        case TYPE_Q8_0:
            lane_mask[i] = 255u << place;
            lane_flip[i] = place == 24u ? 0u : 128u << place;
            break;
        default:
            lane_mask[i] = 15u << place;
            lane_flip[i] = place == 28u ? 8u << 28 : 0u;
            break;
        }
    }
}

// The difference between the integer there and the element
float offset_of(const uint type, uint place) {
    switch (type) {
    case TYPE_Q8_0: return place == 24u ? 0.0 : 128.0;
    case TYPE_Q4_0: return place == 28u ? 0.0 : 8.0;
    default: return place == 28u ? -8.0 : 0.0;
    }
}

// The column, in a unit, of element e in the order of the words. The two halves of a word that two blocks
// share are the last of the first block.
uint column_of(const uint type, uint e) {
    const uint first = e < 32u && has_pairs(type) ? 2u : 0u; // byte of the block
    switch (type) {
    case TYPE_Q8_0: return (e & 32u) | ((e + first) & 31u);
    default: return (e & 32u) | (((e >> 1) + first) & 15u) | (e & 1u) << 4;
    }
}

// Loads a column tile of X(x_at[t]) .., times factor. The first `seen` units become zeros.
void load_columns(const uint type, uint x_at[TOKENS], uint seen, float factor) {
    uint column[STEPS];
    float offset[BLOCK_STEPS], down[BLOCK_STEPS];
    [[unroll]] for (uint i = 0u; i < STEPS; i++)
        column[i] = column_of(type, i * LANES + gl_LocalInvocationID.x);
    [[unroll]] for (uint i = 0u; i < BLOCK_STEPS; i++) {
        const uint place = place_of(type, i * LANES + gl_LocalInvocationID.x);
        offset[i] = offset_of(type, place);
        down[i] = 1.0 / float(1u << place);
    }
    [[unroll]] for (uint t = 0u; t < TOKENS; t++)
        [[unroll]] for (uint u = 0u; u < UNITS; u++) {
            const float times = u < seen ? 0.0 : factor;
            [[unroll]] for (uint b = 0u; b < 2u; b++) {
                float off = 0.0, total = 0.0;
                [[unroll]] for (uint i = 0u; i < BLOCK_STEPS; i++) {
                    const float x = times * X(x_at[t] + u * 64u + column[b * BLOCK_STEPS + i]);
                    lane_x[(t * UNITS + u) * STEPS + b * BLOCK_STEPS + i] = x * down[i];
                    off = fma(offset[i], x, off);
                    total += x;
                }
                lane_offset[(t * UNITS + u) * 2u + b] = -off;
                lane_total[(t * UNITS + u) * 2u + b] = total;
            }
        }
}

// The word of w[] that holds this lane's element in step i, with PER elements a word
#define LANE_WORD(NAME, N, PER) \
    uint NAME(uint w[N], uint i) { \
        uint word = w[i * LANES / PER]; \
        [[unroll]] for (uint j = 1u; j < LANES / PER; j++) \
            word = gl_LocalInvocationID.x / PER == j ? w[i * LANES / PER + j] : word; \
        return word; \
    }
LANE_WORD(nibble_word, 4, 8u)
LANE_WORD(byte_word, 8, 4u)

// Adds block b of unit u: `scale` times its integers.
#define ADD_BLOCK(NAME, N, WORD) \
    void NAME(uint w[N], const uint u, const uint b, float scale, inout float sum[TOKENS]) { \
        float part[TOKENS]; \
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) part[t] = lane_offset[(t * UNITS + u) * 2u + b]; \
        [[unroll]] for (uint i = 0u; i < BLOCK_STEPS; i++) { \
            const float q = float(int((WORD(w, i) & lane_mask[i]) ^ lane_flip[i])); \
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) \
                part[t] = fma(q, lane_x[(t * UNITS + u) * STEPS + b * BLOCK_STEPS + i], part[t]); \
        } \
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = fma(scale, part[t], sum[t]); \
    }
ADD_BLOCK(add_nibbles, 4, nibble_word)
ADD_BLOCK(add_bytes, 8, byte_word)

void add_q4_0(Words row, const uint u, inout float sum[TOKENS]) {
    uint w[9];
    [[unroll]] for (uint i = 0u; i < 9u; i++) w[i] = row.word[u * 9u + i];
    const vec2 scale = unpackHalf2x16((w[0] & 0xffffu) | (w[4] & 0xffff0000u));
    add_nibbles(uint[4](w[1], w[2], w[3], (w[4] & 0xffffu) | (w[0] & 0xffff0000u)), u, 0u, scale.x, sum);
    add_nibbles(uint[4](w[5], w[6], w[7], w[8]), u, 1u, scale.y, sum);
}

void add_q4_1(Words row, const uint u, inout float sum[TOKENS]) {
    [[unroll]] for (uint b = 0u; b < 2u; b++) {
        const uint at = u * 10u + b * 5u;
        const vec2 scale = unpackHalf2x16(row.word[at]);
        add_nibbles(uint[4](row.word[at + 1u], row.word[at + 2u], row.word[at + 3u], row.word[at + 4u]), u, b,
            scale.x, sum);
        [[unroll]] for (uint t = 0u; t < TOKENS; t++)
            sum[t] = fma(scale.y, lane_total[(t * UNITS + u) * 2u + b], sum[t]);
    }
}

void add_q8_0(Words row, const uint u, inout float sum[TOKENS]) {
    uint w[17];
    [[unroll]] for (uint i = 0u; i < 17u; i++) w[i] = row.word[u * 17u + i];
    const vec2 scale = unpackHalf2x16((w[0] & 0xffffu) | (w[8] & 0xffff0000u));
    add_bytes(uint[8](w[1], w[2], w[3], w[4], w[5], w[6], w[7], (w[8] & 0xffffu) | (w[0] & 0xffff0000u)), u,
        0u, scale.x, sum);
    add_bytes(uint[8](w[9], w[10], w[11], w[12], w[13], w[14], w[15], w[16]), u, 1u, scale.y, sum);
}

void add_unit(const uint type, Words row, const uint u, inout float sum[TOKENS]) {
    switch (type) {
    case TYPE_Q8_0: add_q8_0(row, u, sum); return;
    case TYPE_Q4_1: add_q4_1(row, u, sum); return;
    default: add_q4_0(row, u, sum); return;
    }
}

// The bound slice of a weight
struct Bound {
    uvec2 address; // low half first
    uint n_bytes;  // no read goes past these bytes
};
#define BOUND(ADDRESS, WORDS) Bound(uvec2(ADDRESS[0], ADDRESS[1]), 4u * WORDS.length())

// One of two, by value. A round in which no lane takes part also
// reads (see words_at), and does not see what a branch sets.
Bound choose(bool first, Bound a, Bound b) {
    return Bound(mix(b.address, a.address, bvec2(first)), mix(b.n_bytes, a.n_bytes, first));
}

void clear_sums() {
    for (uint i = gl_LocalInvocationID.x; i < SLOTS * LANES; i += LANES) sums[i] = 0.0;
}

// Adds the loaded column tile's part of rows 0 .. n_rows - 1, `size` bytes each, to the sums from `slot` on,
// of all tokens one after the other. `at`: byte offset of the column tile in row 0.
void add_column_tile(const uint type, Bound w, uint at, uint size, uint n_rows, uint slot) {
    find_places(type);
    // in a round in which no lane takes part (see words_at),
    // `first` may have any value, and a buffer has no length
    const uint column_tile = row_size(type, UNITS * 64u), last = max(w.n_bytes, column_tile) - column_tile;
    for (uint first = 0u; first < n_rows; first += AT_ONCE)
        [[unroll]] for (uint r = 0u; r < AT_ONCE; r++) {
            Words row = words_at(w.address, min(at + (first + r) * size, last));
            float sum[TOKENS];
            [[unroll]] for (uint t = 0u; t < TOKENS; t++) sum[t] = 0.0;
            [[unroll]] for (uint u = 0u; u < UNITS; u++) add_unit(type, row, u, sum);
            [[unroll]] for (uint t = 0u; t < TOKENS; t++)
                sums[(slot + (first + r) * TOKENS + t) * LANES + gl_LocalInvocationID.x] += sum[t];
        }
}

// First unit of the column tile whose first new unit is `next`. The last tile begins earlier, and leaves out
// the units that are done.
uint first_unit(uint next, uint n_units) {
    return min(next, n_units - UNITS);
}

// Adds all column tiles of rows of n_cols columns, with X(x_at[t]) .. times factor. `at`: byte offset of row
// 0. The other parameters are those of add_column_tile().
void add_columns(const uint type, Bound w, uint at, uint n_cols, uint n_rows, uint x_at[TOKENS], float factor,
    uint slot) {
    const uint n_units = n_cols / 64u, size = row_size(type, n_cols);
    for (uint next = 0u; next < n_units; next += UNITS) {
        const uint first = first_unit(next, n_units);
        uint from[TOKENS];
        [[unroll]] for (uint t = 0u; t < TOKENS; t++) from[t] = x_at[t] + first * 64u;
        load_columns(type, from, next - first, factor);
        add_column_tile(type, w, at + row_size(type, first * 64u), size, n_rows, slot);
    }
}

float total(uint slot) {
    float sum = 0.0;
    [[unroll]] for (uint i = 0u; i < LANES; i++) sum += sums[slot * LANES + i];
    return sum;
}
