// attention.glsl for HEADS heads at once, which share every row that is read. With
// STAGED, keys pass through shared memory on their way to the scores, so that rows
// are read in order. Without STAGED (on a CPU), the scores read the keys from the
// cache directly. The addresses of queries are the same for the whole workgroup.
layout(local_size_x_id = 4) in;
layout(constant_id = 4) const uint LANES = 128;                    // divides SPLIT; at least HEADS / 4
layout(constant_id = 5) const uint HEADS = 16;                     // 4, 8, 16
layout(constant_id = 6) const bool STAGED = true;
layout(constant_id = 7) const bool MERGE_LAST = false; // the last workgroup of these heads merges them
layout(constant_id = 11) const uint AT_ONCE = 16;      // heads whose means an invocation keeps: all or half
#include "attention/attention_split.glsl"
#define COUNTER(i) counters[i]
#include "include/last_group.glsl"
const uint CHUNK = 16u, STRIDE = CHUNK + 1u;   // CHUNK: words of a row that are staged at once
const uint EACH = STAGED ? SPLIT / LANES : 4u; // positions that an invocation scores at once
const uint PARTS = LANES * 4u / HEADS;         // invocations that share four heads' softmax
const uint WORDS = STAGED && HEADS < STRIDE ? SPLIT * STRIDE : SPLIT * HEADS;
shared uint words[WORDS]; // first the staged rows, then p[HEADS / 4][SPLIT][4]
shared uint row_at[SPLIT];
shared vec4 part[LANES];

vec4 p4(uint four, uint j) {
    const uint i = (four * SPLIT + j) * 4u;
    return uintBitsToFloat(uvec4(words[i], words[i + 1u], words[i + 2u], words[i + 3u]));
}

void set_p4(uint four, uint j, vec4 v) {
    const uint i = (four * SPLIT + j) * 4u;
    const uvec4 u = floatBitsToUint(v);
    words[i] = u.x;
    words[i + 1u] = u.y;
    words[i + 2u] = u.z;
    words[i + 3u] = u.w;
}

float sum[EACH * HEADS];

// Adds one word of each row to the sums: two elements of
// float16 or one of float32. `k`: the word's first element.
void add_word(uint w[EACH], uint q_at[HEADS], uint k) {
    for (uint h = 0u; h < HEADS; h++) {
        const float a = q[q_at[h] + k];
        if (CACHE == TYPE_F16) {
            const float b = q[q_at[h] + k + 1u];
            for (uint e = 0u; e < EACH; e++) {
                const vec2 c = unpackHalf2x16(w[e]);
                sum[e * HEADS + h] = fma(c.y, b, fma(c.x, a, sum[e * HEADS + h]));
            }
        } else {
            for (uint e = 0u; e < EACH; e++)
                sum[e * HEADS + h] = fma(uintBitsToFloat(w[e]), a, sum[e * HEADS + h]);
        }
    }
}

// Word i of a row, as scores() reads the row. Q8_0 is converted to float32.
uint score_word(uint row, uint i) {
    if (CACHE != TYPE_Q8_0) return pages[row + i];
    const int v = int(pages[row + i / 4u]);
    return floatBitsToUint(cache_scale(row, i) * float(bitfieldExtract(v, int(i % 4u) * 8, 8)));
}

void scores(Heads heads, uint n_positions) {
    const uint lane = gl_LocalInvocationID.x, per_word = CACHE == TYPE_F16 ? 2u : 1u;
    const uint n_words = key_width() / per_word, first_word = heads.key / per_word;
    uint q_at[HEADS], w[EACH];
    for (uint h = 0u; h < HEADS; h++)
        q_at[h] = query_at(args.first_token + gl_WorkGroupID.z, min(heads.first + h, heads.end - 1u));
    for (uint first = 0u; first < n_positions; first += EACH * LANES) { // one round with STAGED
        for (uint i = 0u; i < EACH * HEADS; i++) sum[i] = 0.0;
        if (STAGED) {
            for (uint from = 0u; from < n_words; from += CHUNK) {
                const uint n = min(n_words - from, CHUNK);
                barrier(); // all invocations have read the last chunk
                for (uint i = lane; i < SPLIT * CHUNK; i += LANES)
                    if (i % CHUNK < n)
                        words[i / CHUNK * STRIDE + i % CHUNK] =
                            score_word(row_at[i / CHUNK], first_word + from + i % CHUNK);
                barrier();
                for (uint i = 0u; i < n; i++) {
                    for (uint e = 0u; e < EACH; e++) w[e] = words[(lane + e * LANES) * STRIDE + i];
                    add_word(w, q_at, (from + i) * per_word);
                }
            }
            barrier();
        } else {
            uint row[EACH];
            for (uint e = 0u; e < EACH; e++) row[e] = row_at[first + lane + e * LANES];
            if (CACHE == TYPE_Q8_0) {
                for (uint k = 0u; k < n_words; k += 4u) {
                    vec4 c[EACH];
                    for (uint e = 0u; e < EACH; e++) c[e] = cache4(row[e], first_word + k);
                    for (uint i = 0u; i < 4u; i++) {
                        for (uint e = 0u; e < EACH; e++) w[e] = floatBitsToUint(c[e][i]);
                        add_word(w, q_at, k + i);
                    }
                }
            } else {
                for (uint i = 0u; i < n_words; i++) {
                    for (uint e = 0u; e < EACH; e++) w[e] = pages[row[e] + first_word + i];
                    add_word(w, q_at, i * per_word);
                }
            }
        }
        for (uint e = 0u; e < EACH; e++)
            for (uint four = 0u; four < HEADS / 4u; four++) {
                const uint i = e * HEADS + four * 4u;
                set_p4(four, first + lane + e * LANES,
                    args.scale * vec4(sum[i], sum[i + 1u], sum[i + 2u], sum[i + 3u]));
            }
    }
}

// Replaces scores by exp(score - m), and those from the n-th
// on by 0. Writes m and the sums to the scratch buffer.
void soften(Heads heads, uint split, uint n) {
    const uint lane = gl_LocalInvocationID.x, four = lane / PARTS, i = lane % PARTS;
    vec4 m = p4(four, min(i, n - 1u));
    for (uint j = i + PARTS; j < n; j += PARTS) m = max(m, p4(four, j));
    part[lane] = m;
    barrier();
    for (uint s = 0u; s < PARTS; s++) m = max(m, part[four * PARTS + s]);
    barrier();
    vec4 l = vec4(0.0);
    for (uint j = i; j < SPLIT; j += PARTS) {
        const vec4 e = j < n ? exp(p4(four, j) - m) : vec4(0.0);
        set_p4(four, j, e);
        l += e;
    }
    part[lane] = l;
    barrier();
    if (i == 0u) {
        for (uint s = 1u; s < PARTS; s++) l += part[lane + s];
        for (uint h = 0u; h < 4u && heads.first + four * 4u + h < heads.end; h++) {
            const uint at = partial_at(split, heads.first + four * 4u + h) + value_width();
            scratch[at] = m[h];
            scratch[at + 1u] = l[h];
        }
    }
}

// Sums the values of AT_ONCE heads, from head `first` of the workgroup on.
void values(Heads heads, uint first, uint split, uint n) {
    for (uint k = gl_LocalInvocationID.x * 4u; k < value_width(); k += LANES * 4u) {
        vec4 mean[AT_ONCE];
        for (uint h = 0u; h < AT_ONCE; h++) mean[h] = vec4(0.0);
        // four loads in flight; past n, p is 0 and the row is the last one
        for (uint j = 0u; j < n; j += 4u) {
            vec4 c[4];
            for (uint i = 0u; i < 4u; i++) c[i] = cache4_fast(row_at[j + i], heads.value + k);
            for (uint i = 0u; i < 4u; i++)
                for (uint four = 0u; four < AT_ONCE / 4u; four++) {
                    const vec4 w = p4(first / 4u + four, j + i);
                    for (uint h = 0u; h < 4u; h++)
                        mean[four * 4u + h] = fma(vec4(w[h]), c[i], mean[four * 4u + h]);
                }
        }
        for (uint h = 0u; h < AT_ONCE; h++)
            if (heads.first + first + h < heads.end)
                for (uint i = 0u; i < 4u; i++)
                    scratch[partial_at(split, heads.first + first + h) + k + i] = mean[h][i];
    }
}

void main() {
    if (MERGE) {
        merge(gl_WorkGroupID.y);
        return;
    }
    const Heads heads = pick_heads(gl_WorkGroupID.y, HEADS);
    const uint n_all = n_attended();
    for (uint split = gl_WorkGroupID.x; split * SPLIT < n_all; split += gl_NumWorkGroups.x) {
        const uint n = min(n_all - split * SPLIT, SPLIT);
        for (uint j = gl_LocalInvocationID.x; j < SPLIT; j += LANES)
            row_at[j] = cache_row(attended_position(split * SPLIT + min(j, n - 1u)));
        barrier();
        scores(heads, n);
        barrier();
        soften(heads, split, n);
        values(heads, 0u, split, n);
        if (AT_ONCE < HEADS) values(heads, AT_ONCE, split, n);
        barrier(); // all invocations have read shared memory
    }
    if (MERGE_LAST &&
        is_last_group(args.counters_base + gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y,
        gl_NumWorkGroups.x))
        for (uint h = heads.first; h < min(heads.first + HEADS, heads.end); h++) merge(h);
}
