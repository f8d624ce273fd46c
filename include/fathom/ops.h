// The operators. Each call appends to a stream; all are asynchronous, and their errors are sticky in the
// stream. Included by gpu.h. Structs without `size` (caches, norms, parts, steps) never grow.
//
// Views
//  - Elements are float32, unless another type is said. A view may be larger than the operator needs: the
//    operator takes the words that its sizes ask for, from the view's beginning on, and neither reads nor
//    writes those behind. Of these views the size itself counts: `pages` and `page_table` of a cache,
//    `rope_table` (the positions that exist), `scratch` (the tokens taken at once), `source` of expert_fetch.
//  - A view that is too small is FATHOM_INVALID, and so is an offset that is not a multiple of 4; the message
//    names the operator, the view and the sizes. What one binding of the device cannot address
//    (fathom_gpu_info.max_storage_range) is FATHOM_UNSUPPORTED.
//  - What a call writes may overlap nothing else of the call, unless "may be" is said. Strides are in floats;
//    what lies between rows is not written.
//  - Most fast variants take views whose offset is a multiple of 16 bytes, and weights with a multiple of 32
//    columns. Other calls get slower variants.
//
// Weights
//  - Each may have any enum fathom_type: the embedding, matmul's, the router's, those of experts and of the
//    shared expert (gate, up and down independently), k_b and v_b. fathom_row_size() says which n_cols a type
//    takes; n_rows may be any number. Norms, biases and other vectors are views of float32.
//
// Numbers
//  - Zero means a default only where this is said. A `scale` of 0 is the number 0: attention then gives all
//    positions the same weight, and the router weights of 0. `eps` may be 0, and must be finite.
//  - NaNs and infinities in the inputs are not errors.
//
// Errors, against a reference in double precision that takes weights and caches as stored. The tests of the
// operators (tests/ops) enforce these bounds for every variant. The types of weights play no part, except
// where integer products are said. u is 2^-24; |.| are magnitudes, summed as the values are; r and b are the
// variant's:
//  - Exact variants (fathom_gpu_params.exact; named "plain"): r and b are 0. They also give the same bits on
//    every device, for any number of tokens in a call.
//  - All others may take float16 numbers below 2^-14 (elements, and scales of blocks) as 0, as the device
//    does.
//  - Default variants: r and b are 0, but for matrix units ("coop"). These round both factors of a product to
//    float16 (powers of two keep large and small values in range): r is 2^-9. Defaults are: matmul,
//    expanded_attention and grouped_attention of 16 tokens and more, latent_attention of 32 heads and more,
//    expert_up and expert_down of 8 tokens an expert and more, where the device has
//    FATHOM_CAP_COOPERATIVE_MATRIX and FATHOM_CAP_FLOAT16.
//  - Integer products ("dot", "dot_tile", "grouped_dot" of matmul, expert_up and expert_down) round x to
//    signed bytes, 32 to a scale. They take weights of Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q3_K, Q4_K, Q5_K, Q6_K,
//    IQ4_NL, IQ4_XS and MXFP4, and are never defaults: fathom_gpu_params.variants names them, or an engine's
//    tuning chooses them, for results that differ by at most 2 % (root mean square). r is 0; b is the sum,
//    over groups of 32 columns, of 0.5001 / 127 * max |x| * sum |w|.
// A dot product of n numbers, "dot" below, is off by at most ((n + 4) u + r) * sum |w x| + b.
#ifndef FATHOM_OPS_H
#define FATHOM_OPS_H

#include <fathom/gpu.h>

#ifdef __cplusplus
extern "C" {
#endif

// Embedding: x[t] = row ids[t] of w, de-quantised. ids uint32[n_tokens]; an id that is no row of w leaves
// x[t] as it was. x[n_tokens][w->n_cols]. Error: none; all variants give the same bits.
struct fathom_embed_params {
    size_t size;
    const struct fathom_weight *w;
    struct fathom_view ids, x;
    uint32_t n_tokens;
};
FATHOM_API void fathom_embed(struct fathom_stream *stream, const struct fathom_embed_params *params);

// RMS norm (arXiv 1910.07467): y[t][i] = w[i] * x[t][i] / sqrt(mean_i(x[t][i]^2) + eps).
// w float32[n_cols]; buffer NULL: all 1. y may be x, with the same stride. Any n_cols above 0.
// Error: (n_cols / 2 + 8) u * |y|.
struct fathom_rms_norm_params {
    size_t size;
    struct fathom_view x, w, y;
    uint32_t n_tokens, n_cols;
    uint32_t x_stride, y_stride; // floats from one token to the next; 0: n_cols
    float eps;
};
FATHOM_API void fathom_rms_norm(struct fathom_stream *stream, const struct fathom_rms_norm_params *params);

// An RMS norm of an operator's result, y[t] of n values, which is also stored as ever. The operator's own
// dispatch computes the norm where the variant can; otherwise a dispatch follows. Error: as of rms_norm.
struct fathom_norm_after {
    struct fathom_view w, y; // float32[n], [n_tokens][n]; w.buffer NULL: no norm
    struct fathom_view
        counters; // uint32[n_tokens], zero before and after; buffer NULL: the norm is a dispatch of its own
    float eps;
};

// y[t][m][r] = (residual ? residual[t][m][r] : 0) + sum_k w[m][r][k] * x[t][m][k]      for every matrix m of
// w. x and y have their own strides, in floats; residual has y's shape and may be y itself. At most 65535
// tokens and 65535 matrices.
// Error: a dot of n_cols numbers, with |residual| in the sum.
struct fathom_matmul_params {
    size_t size;
    const struct fathom_weight *w;
    struct fathom_view x, y, residual; // residual.buffer NULL: none
    uint32_t n_tokens;
    uint32_t x_token_stride, x_mat_stride; // 0: n_mats * n_cols, n_cols. Multiples of 4.
    uint32_t y_token_stride, y_mat_stride; // 0: n_mats * n_rows, n_rows.
    struct fathom_norm_after norm;         // of y, n_rows values; of one matrix without a stride
};
FATHOM_API void fathom_matmul(struct fathom_stream *stream, const struct fathom_matmul_params *params);

// ---- Latent attention ------------------------------------------------------------------------------------

// The cache of one layer holds a row for every position: a latent (kv_rank values), then the rotary key
// (n_rope values). Rows lie in pages of FATHOM_PAGE positions; page_table[i] is the physical page of
// positions [i * FATHOM_PAGE, (i + 1) * FATHOM_PAGE). A row is float32, float16 (two values in a 32-bit word,
// low half first), or Q8_0: signed bytes, then a float16 scale for every 32 bytes, two scales in a word. The
// last group may be smaller.
enum { FATHOM_PAGE = 64 };
struct fathom_latent_cache {
    struct fathom_view pages;      // [n_pages][FATHOM_PAGE] rows
    struct fathom_view page_table; // uint32[]
    enum fathom_type type;         // FATHOM_F32, FATHOM_F16 or FATHOM_Q8_0
    // multiples of 4; kv_rank of 32 for Q8_0; n_rope 0: the whole latent is key and value
    uint32_t kv_rank, n_rope;
};
// Bytes of one position's row; 0 for other types or sizes.
FATHOM_API uint64_t fathom_latent_row_size(enum fathom_type type, uint32_t kv_rank, uint32_t n_rope);

// `position` is a view of one uint32: the position of the step's first token; token t stands at position + t.
// The device reads `position`, so a recorded stream can be replayed at another position. rope_table
// float32[max positions][n_rope / 2][2]: cosine and sine, computed by the host in double precision.

// Rotary embedding (arXiv 2104.09864): y[t][h] = x[t][h] with each pair (2i, 2i + 1) rotated by the angle of
// position + t. x and y have n_rope values a head, a multiple of 2, and strides in floats for tokens and
// heads, which have no default. x and y may be the same view. Positions that the table lacks are not written.
// Error: 2 u * (|x[2i]| + |x[2i + 1]|).
struct fathom_rope_params {
    size_t size;
    struct fathom_view x, y, rope_table, position;
    uint32_t n_tokens, n_heads, n_rope;
    uint32_t x_token_stride, x_head_stride, y_token_stride, y_head_stride; // multiples of 2
    bool inverse;                                                          // rotate by the negative angle
};
FATHOM_API void fathom_rope(struct fathom_stream *stream, const struct fathom_rope_params *params);

// Stores kv[n_tokens][kv_rank + n_rope], the output of the latent projection, in the cache at position + t.
// The first kv_rank values go through an RMS norm (w float32[kv_rank], eps); the last n_rope values are
// rotated. Where the cache has n_rope 0, the last n_rotated values of the normed latent are rotated. A
// position that the table of angles or the page table lacks is not stored.
// Error: of the norm (kv_rank / 2 + 8) u * |v|, of the rotation as of rope, and what the cache rounds: F16
// 2^-11 |v| + 2^-25; Q8_0 0.501 / 127 of the largest of the 32 values with the same scale, + u.
struct fathom_latent_store_params {
    size_t size;
    struct fathom_view kv, w, rope_table, position;
    struct fathom_latent_cache cache;
    uint32_t n_tokens, n_rotated; // n_rotated: a multiple of 4; 0 where the cache has n_rope
    float eps;
};
FATHOM_API void fathom_latent_store(
    struct fathom_stream *stream, const struct fathom_latent_store_params *params);

// Absorbed latent attention (DeepSeek-V2, arXiv 2405.04434). q[n_tokens][n_heads][kv_rank + n_rope] holds the
// query times the key's up-projection, then the rotated part.
//   out[t][h][kv_rank] = sum_j softmax_j(scale * q[t][h] . cache[j]) * latent[j]      over positions j <=
//   position + t
// The operator cuts the cache into splits of FATHOM_SPLIT positions (aligned to absolute positions) and
// merges the splits in order by log-sum-exp.
// Error, with p[j] the softmax and s[j] the scores of the n rows attended to, m the largest score:
//   e[j] = |scale| * sum |q key[j]| * ((kv_rank + n_rope + 3) u + r) + (6 + 4 (m - s[j])) * 2 u
//   sum_j p[j] |latent[j]| * (2 e[j] + 2 sum_i p[i] e[i] + (n + 16) u + r)
enum { FATHOM_SPLIT = 256 };
struct fathom_latent_attention_params {
    size_t size;
    struct fathom_view q, out, position;
    struct fathom_latent_cache cache;
    // At least fathom_latent_attention_scratch(n_heads, kv_rank, max_positions) bytes; a dispatch takes as
    // many tokens as the scratch holds.
    struct fathom_view scratch;
    // uint32[n_tokens][n_heads], zero before and after; saves a dispatch. buffer NULL: none.
    struct fathom_view counters;
    uint32_t n_tokens, n_heads;
    uint32_t max_positions; // bound on position + n_tokens for this recording
    // uint32[n_tokens][top_k]: the positions that each token attends to, as index_select writes them. buffer
    // NULL: all positions. With `selected` the splits cut this list, and max_positions bounds min(top_k,
    // position + n_tokens).
    struct fathom_view selected;
    uint32_t top_k;
    // DeepSeek-V4. A token attends to the last `sliding_window` positions up to its own, and to compressed
    // rows of `ratio` positions each, which lie at first_compressed, first_compressed + 1, … of the cache: to
    // all (position + t + 1) / ratio complete rows, or to the top_k selected rows. max_positions bounds the
    // sum. sliding_window 0: off; ratio 0: no compressed rows.
    uint32_t sliding_window, ratio, first_compressed;
    // float32[n_heads]: exp(sinks[h]) is added to the softmax's denominator; buffer NULL: none.
    struct fathom_view sinks;
    float scale;
};
FATHOM_API void fathom_latent_attention(
    struct fathom_stream *stream, const struct fathom_latent_attention_params *params);
// Bytes of scratch for one token: [n_splits][n_heads][kv_rank + 2] floats.
FATHOM_API uint64_t fathom_latent_attention_scratch(
    uint32_t n_heads, uint32_t kv_rank, uint32_t max_positions);

// Sparse attention (DeepSeek-V3.2): a lightning indexer scores every earlier position by a small key, and
// attention takes the positions with the best scores. The cache of one layer's indexer keys has pages and a
// page table as the latents have.
struct fathom_index_cache {
    struct fathom_view pages;      // [n_pages][FATHOM_PAGE] rows of [n_key]
    struct fathom_view page_table; // uint32[]
    enum fathom_type type;         // FATHOM_F32 or FATHOM_F16
    uint32_t n_key;                // a multiple of 4
};
// Bytes of one position's row; 0 for other types or sizes.
FATHOM_API uint64_t fathom_index_row_size(enum fathom_type type, uint32_t n_key);

// Takes q[n_tokens][n_heads][n_key] and k[n_tokens][n_key]. k goes through a layer norm (w, b float32[n_key],
// eps). The first n_rope values of q and k are rotated in pairs (i, i + n_rope / 2) by the angle of position
// + t. Queries stay in q; the key is stored in the cache at position + t.
// Error: of the layer norm 2 (n_key + 16) u * (a |w| (1 + a) + |b|), with a the largest |k| divided by the
// standard deviation; then as of rope; then 2^-11 |v| + 2^-25 in a cache of F16.
struct fathom_index_store_params {
    size_t size;
    struct fathom_view q, k, w, b, rope_table, position;
    struct fathom_index_cache cache;
    uint32_t n_tokens, n_heads, n_rope; // n_rope: a multiple of 4; n_heads 0: the key alone
    float eps;
};
FATHOM_API void fathom_index_store(
    struct fathom_stream *stream, const struct fathom_index_store_params *params);

// scores[i][j] = scale * sum_h weights[t][h] * max(q[t][h] . key[j], 0), for token t = first_token + i and
// positions j <= position + t. The rest of a row is not written. q and weights have first_token + n_tokens
// rows, as index_store leaves them.
// Error: |scale| * sum |weights| * sum |q key| * (n_key + n_heads + 8) u.
struct fathom_index_score_params {
    size_t size;
    struct fathom_view q, weights, position;
    struct fathom_view scores; // float32[n_tokens][max_positions]
    struct fathom_index_cache cache;
    uint32_t n_tokens, first_token, n_heads;
    uint32_t max_positions; // bound on (position + first_token + n_tokens) / ratio for this recording
    uint32_t ratio; // positions that a row of the cache stands for: token t sees (position + t + 1) / ratio
                    // rows; 0: 1
    float scale;
};
FATHOM_API void fathom_index_score(
    struct fathom_stream *stream, const struct fathom_index_score_params *params);

// selected[first_token + i][top_k]: the positions of the top_k best scores of row i, in ascending order.
// Among equal scores the first positions win. A token that sees at most top_k positions gets all of these;
// the rest of its row is not written. Error: none.
struct fathom_index_select_params {
    size_t size;
    struct fathom_view scores, position;
    struct fathom_view selected;                                 // uint32[first_token + n_tokens][top_k]
    uint32_t n_tokens, first_token, top_k, max_positions, ratio; // as of index_score
};
FATHOM_API void fathom_index_select(
    struct fathom_stream *stream, const struct fathom_index_select_params *params);

// Expanded latent attention, for prefill. q[n_tokens][n_heads][n_nope + n_rope], its rotary part rotated. The
// operator expands keys and values from the cache, a block of positions at a time:
//   key[j][h] = { k_b[h]^T latent[j], rotary key[j] }      value[j][h] = v_b[h] latent[j]
// k_b is [n_heads][kv_rank][n_nope] (GGUF's attn_k_b), v_b is [n_heads][n_v][kv_rank].
// out[n_tokens][n_heads][n_v]. n_nope and n_v are multiples of 4, and of what the types of k_b and v_b ask
// for. Error: as of latent_attention in the absorbed form, with 2 r in place of r, (kv_rank + n_rope + n_nope
// + 4) u in a score, (n + kv_rank + 16) u in a mean, and 3 (2 + n / 16) + 4 (m - the least score) in place of
// 6 + 4 (m - s[j]); the errors of the mean latent times |v_b|.
struct fathom_expanded_attention_params {
    size_t size;
    const struct fathom_weight *k_b, *v_b;
    struct fathom_view q, out, position; // position is not read; the position is n_positions - n_tokens
    struct fathom_latent_cache cache;
    struct fathom_view scratch; // at least fathom_expanded_attention_scratch() bytes
    uint32_t n_tokens, n_heads, n_nope, n_v;
    uint32_t n_positions; // position + n_tokens, known when recorded (prefill is recorded for each chunk)
    float scale;
};
FATHOM_API void fathom_expanded_attention(
    struct fathom_stream *stream, const struct fathom_expanded_attention_params *params);
FATHOM_API uint64_t fathom_expanded_attention_scratch(
    uint32_t n_tokens, uint32_t n_heads, uint32_t n_nope, uint32_t n_rope, uint32_t n_v);

// Compression (DeepSeek-V4): one row of a cache stands for `ratio` positions. Element c of row r is
//   sum_j softmax_j(gate[j][c] + bias[j % ratio][c]) * kv[j][c]      over positions j in [r * ratio, (r + 1)
//   * ratio)
// With `overlap` the sum runs over the 2 * ratio positions that end there: the older half gives elements [0,
// n_key) of its kv, gate and bias, the newer half elements [n_key, 2 * n_key). The row goes through an RMS
// norm (w, eps); its last n_rope values are rotated by the angle of position r * ratio; the row is stored at
// first_row + r of the cache. `state` keeps the positions that later rows need: a ring of at least (overlap ?
// 2 : 1) * ratio positions. A larger ring lets a text be cut back by as many tokens as it has positions more.
// One variant, which is exact. Error: (n + 40) u * the mean of |kv| over the n positions, which the norm
// passes on; then as of latent_store, with n_key in place of kv_rank and 0.51 / 127 for Q8_0.
struct fathom_compress_params {
    size_t size;
    struct fathom_view kv, gate; // [n_tokens][overlap ? 2 * n_key : n_key]
    struct fathom_view bias;     // float32[ratio][the same]
    struct fathom_view w;        // float32[n_key]
    struct fathom_view rope_table, position;
    struct fathom_view state;         // float32[n_state][2][the same]
    struct fathom_latent_cache cache; // kv_rank is n_key, at most 512; n_rope 0
    uint32_t n_tokens, n_state, ratio, n_rope, first_row;
    bool overlap;
    float eps;
};
FATHOM_API void fathom_compress(struct fathom_stream *stream, const struct fathom_compress_params *params);

// ---- Hyper-connections (DeepSeek-V4) ---------------------------------------------------------------------

// A token has FATHOM_RESIDUALS residual streams. Before a block they are mixed into one; after the block they
// take its output and are mixed with each other. The mixing weights come from the residual streams by a
// projection [24][FATHOM_RESIDUALS * n] (fathom_matmul), whose output is `logits`:
//   m = logits / sqrt(mean(x[t]^2) + norm_eps)             over all residual streams of the token
//   pre = sigmoid(m[0..3] * scale[0] + base[0..3]) + eps
//   post = 2 * sigmoid(m[4..7] * scale[1] + base[4..7])
//   comb[4][4] = softmax of the rows of (m[8..] * scale[2] + base[8..]), + eps; its columns divided by their
//     sums + eps; then rows and columns n_iterations - 1 times (Sinkhorn-Knopp)
//   y[t] = rms_norm(sum_i pre[i] * x[t][i]) * w
//   mix[t] = { post, comb }
// With mix.buffer NULL, `logits` holds the four of `pre` alone.
// One variant, which is exact. Error: y (n u + 1e-5) * (|w| sum_i pre[i] |x[t][i]| / root mean square + |y|);
// mix (n u + 4e-5) * |mix|.
enum {
    FATHOM_RESIDUALS = 4,
    FATHOM_MIX_LOGITS = FATHOM_RESIDUALS * (2 + FATHOM_RESIDUALS),
    FATHOM_MIX = FATHOM_RESIDUALS * (1 + FATHOM_RESIDUALS),
};
struct fathom_hyper_mix_params {
    size_t size;
    struct fathom_view x;           // [n_tokens][FATHOM_RESIDUALS][n]
    struct fathom_view logits;      // [n_tokens][FATHOM_MIX_LOGITS], or [n_tokens][FATHOM_RESIDUALS]
    struct fathom_view scale, base; // float32[3], float32[FATHOM_MIX_LOGITS]; or [1], [FATHOM_RESIDUALS]
    struct fathom_view w, y;        // float32[n], [n_tokens][n]
    struct fathom_view mix;         // [n_tokens][FATHOM_MIX]; buffer NULL: only y
    uint32_t n_tokens, n, n_iterations;
    float eps, norm_eps;
};
FATHOM_API void fathom_hyper_mix(struct fathom_stream *stream, const struct fathom_hyper_mix_params *params);

// x[t][i] = post[i] * y[t] + sum_j comb[j][i] * x[t][j], in place. With mix.buffer NULL: x[t][i] = y[t].
// One variant, which is exact. Error: 6 u * (|post y| + sum |comb x|).
struct fathom_hyper_expand_params {
    size_t size;
    struct fathom_view x, y, mix; // as of hyper_mix
    uint32_t n_tokens, n;
};
FATHOM_API void fathom_hyper_expand(
    struct fathom_stream *stream, const struct fathom_hyper_expand_params *params);

// ---- Grouped-query attention -----------------------------------------------------------------------------

// The cache of one layer holds a row for every position: the keys of all n_kv heads, then their values.
// Pages, page table and types are those of the latents' cache.
struct fathom_kv_cache {
    struct fathom_view pages;      // [n_pages][FATHOM_PAGE] rows of [2][n_kv][n_head]
    struct fathom_view page_table; // uint32[]
    enum fathom_type type;         // FATHOM_F32, FATHOM_F16 or FATHOM_Q8_0
    uint32_t n_kv, n_head;         // n_head, values of a head: a multiple of 4; of 64 for Q8_0
};
// Bytes of one position's row; 0 for other types or sizes.
FATHOM_API uint64_t fathom_kv_row_size(enum fathom_type type, uint32_t n_kv, uint32_t n_head);

// Takes qkv[n_tokens][n_heads + 2 * n_kv][n_head]: the outputs of the query, key and value projections side
// by side. Adds the biases, puts each head of queries and keys through an RMS norm, and rotates queries and
// keys by the angle of position + t. Queries stay in qkv; keys and values are stored in the cache at position
// + t. n_heads is a multiple of n_kv.
// Error: u * |sum| of a bias; then as of latent_store, with n_head in place of kv_rank.
struct fathom_kv_store_params {
    size_t size;
    struct fathom_view qkv, rope_table, position;
    struct fathom_view q_bias, k_bias,
        v_bias;                        // float32[n_heads * n_head], [n_kv * n_head] twice; buffer NULL: none
    struct fathom_view q_norm, k_norm; // float32[n_head]; buffer NULL: none
    struct fathom_kv_cache cache;
    uint32_t n_tokens, n_heads;
    bool halves; // rotated pairs are (i, i + n_head / 2), else (2i, 2i + 1)
    float eps;
};
FATHOM_API void fathom_kv_store(struct fathom_stream *stream, const struct fathom_kv_store_params *params);

// Grouped-query attention (arXiv 2305.13245): n_heads / n_kv heads h share a key and value head g.
//   out[t][h] = sum_j softmax_j(scale * q[t][h] . key[j][g]) * value[j][g]      over positions j <= position
//   + t
// Few tokens are computed over splits of the cache, as in latent attention; many tokens in tiles of queries,
// which need no scratch.
// Error: as of latent_attention, with n_head in place of kv_rank + n_rope.
struct fathom_grouped_attention_params {
    size_t size;
    struct fathom_view q, out, position;
    struct fathom_kv_cache cache;
    struct fathom_view
        scratch; // at least fathom_grouped_attention_scratch() bytes; more takes more tokens at once
    struct fathom_view counters; // as of latent attention
    uint32_t n_tokens, n_heads;
    uint32_t q_stride;      // floats from one token's queries to the next's; 0: n_heads * n_head
    uint32_t max_positions; // bound on position + n_tokens for this recording
    float scale;
};
FATHOM_API void fathom_grouped_attention(
    struct fathom_stream *stream, const struct fathom_grouped_attention_params *params);
// Bytes of scratch for one token: [n_splits][n_heads][n_head + 2] floats.
FATHOM_API uint64_t fathom_grouped_attention_scratch(
    uint32_t n_heads, uint32_t n_head, uint32_t max_positions);

// ---- Mixture of experts ----------------------------------------------------------------------------------

enum fathom_gate_score {
    FATHOM_GATE_SOFTMAX = 1,
    FATHOM_GATE_SIGMOID = 2,
    FATHOM_GATE_SQRT_SOFTPLUS = 4
}; // GGUF's expert_gating_func
// A group of experts counts by its best expert (DeepSeek-V2), or by the sum of its two best (DeepSeek-V3).
enum fathom_group_score { FATHOM_GROUP_MAX, FATHOM_GROUP_TOP2 };

// Router in one dispatch (DeepSeek-V3, arXiv 2412.19437). score = softmax, sigmoid or sqrt(softplus) of (w
// x[t]). Experts are chosen by score + bias: the n_groups_used best of n_groups groups, then the top_k best
// experts in these groups; among equal experts the lower index wins. Writes
//   ids uint32[n_tokens][top_k]        expert numbers, ascending in a token
//   weights float32[n_tokens][top_k]   score of the chosen expert, divided by the sum of the chosen scores
//   (clamped below
//                                      at 6.103515625e-5) where `normalise`, times scale
// With a table (DeepSeek-V4's hashed layers) ids[t] = table[tokens[t]], in the table's order; a token or an
// expert that does not exist counts as the last one.
// Error: a logit is a dot of n_cols numbers. With e the largest error of a token's logits, weights are off by
// (2 e + 1e-6) |weight|, by twice that where `normalise`; ids are those of the reference where no expert is
// within 4 (2 e + 1e-6) of being chosen instead. The router has no coop variant: r and b are 0.
struct fathom_expert_gate_params {
    size_t size;
    const struct fathom_weight *w;    // [1][n_experts][n_cols]
    struct fathom_view x;             // [n_tokens][n_cols]
    struct fathom_view bias;          // float32[n_experts]; buffer NULL: none
    struct fathom_view table, tokens; // uint32[n_vocab][top_k], uint32[n_tokens]; table.buffer NULL: none
    uint32_t n_vocab;
    struct fathom_view ids, weights;
    struct fathom_view scratch; // fathom_expert_gate_scratch() bytes, zero before and after
    // n_groups 0 or 1: no groups. At most 512 experts, top_k 16, 32 groups.
    uint32_t n_tokens, top_k, n_groups, n_groups_used;
    enum fathom_gate_score score;
    enum fathom_group_score group_score;
    bool normalise;
    float scale;
};
FATHOM_API void fathom_expert_gate(
    struct fathom_stream *stream, const struct fathom_expert_gate_params *params);
FATHOM_API uint64_t fathom_expert_gate_scratch(uint32_t n_tokens, uint32_t n_experts);

// Experts in slots: a part of the work of expert_up and expert_down, which then run once for each round.
// `ids` are places (fathom_expert_place), and the weights have a matrix for each place: n_rounds slices over
// the same n_slots matrices. Round 0 does the shared expert as well and starts from the residual, the last
// round completes the sums and the norm; between them y is not complete. All rounds take the same arguments
// but `round`. The variant is the one that all n_experts in one weight would get, except that expert_down
// goes token by token where the scratch does not hold the parts of all tokens of a call of several rounds.
// One round gives the same bits as all experts in one weight. So do several rounds in exact mode, where each
// token's ids are ascending experts.
struct fathom_expert_part {
    uint32_t n_experts;       // of the layer; 0: no slots, and the other two are not read
    uint32_t round, n_rounds; // this call is round `round` of n_rounds
    // The tokens of the batch that this call's tokens are a part of, for the choice of the variant; 0:
    // n_tokens.
    uint32_t n_batch;
};

// Gate and up projections with SwiGLU (arXiv 2002.05202) of the chosen experts and the shared expert, in one
// dispatch for each slice of the weights:
//   h[t][s * n_inter + r] = silu(gate[e][r] . x[t]) * (up[e][r] . x[t])       with e = ids[t][s], s < top_k
//   h[t][top_k * n_inter + r] = the same of shared_gate and shared_up         r < n_shared
// Without experts (gate NULL, top_k 0) the operator is a dense SwiGLU layer with the weights shared_gate and
// shared_up.
// top_k at most 16, at most 65535 tokens. Every id must be below the number of experts.
// Error: with g and h the dots of gate and up, and dg, dh their errors: ds = 1.1 dg + 1e-6 |silu(g)|, then
// ds |h| + |silu(g)| dh + ds dh + 1e-6 |silu(g) h|.
struct fathom_expert_up_params {
    size_t size;
    const struct fathom_weight *gate, *up;               // [n_experts][n_inter][n_cols], or NULL
    const struct fathom_weight *shared_gate, *shared_up; // [1][n_shared][n_cols], or NULL
    struct fathom_view x, ids, h;
    uint32_t n_tokens, top_k;
    struct fathom_expert_part part; // of the experts; all zero: all of them
    float limit;                    // bounds the gate's product from above and up's from both sides; 0: none
};
FATHOM_API void fathom_expert_up(struct fathom_stream *stream, const struct fathom_expert_up_params *params);

// Down projections, weighted sum and residual:
//   y[t][r] = residual[t][r] + shared_down[r] . h[t][top_k * n_inter ...]
//     + sum_s weights[t][s] * (down[e_s][r] . h[t][s * n_inter ...])                            in that order
// residual may be y itself; residual.buffer NULL: none. top_k at most 16, at most 65535 tokens.
// Error: the sum of the dots' errors, each times |weights|, + (top_k + 4) u * (|residual| + |shared| + sum
// |weights dot| + these errors).
struct fathom_expert_down_params {
    size_t size;
    const struct fathom_weight *down;        // [n_experts][n_rows][n_inter], or NULL
    const struct fathom_weight *shared_down; // [1][n_rows][n_shared], or NULL
    struct fathom_view h, ids, weights, residual, y;
    // Lets many tokens share the work on an expert: fathom_expert_down_scratch() bytes take all tokens at
    // once, fewer bytes take fewer tokens at once; buffer NULL: token by token.
    struct fathom_view scratch;
    struct fathom_norm_after norm; // of y, n_rows values
    uint32_t n_tokens, top_k;
    struct fathom_expert_part part; // of the experts; all zero: all of them
};
FATHOM_API void fathom_expert_down(
    struct fathom_stream *stream, const struct fathom_expert_down_params *params);
FATHOM_API uint64_t fathom_expert_down_scratch(uint32_t n_tokens, uint32_t top_k, uint32_t n_rows);

// ---- Experts in slots ------------------------------------------------------------------------------------

// Where a layer's experts do not all fit, n_slots of them are in device memory, and the others in `sources`,
// which the device reads. One call of expert_place decides which experts go to which slots; then, for each
// round, expert_fetch copies the missing experts of the round, and expert_up and expert_down compute with
// them. The rounds of a batch of n_tokens are fathom_expert_rounds(); a single token has one round, since
// n_slots is at least top_k. Nothing waits for the host.

// uint32[FATHOM_EXPERT_STATE], then uint32 table[n_experts] (slot + 1 of each expert, 0: absent),
// uint32 last_use[n_experts] (the clock of the last call that needed the expert, 0: none),
// uint32 slots[n_slots] (expert + 1 in each slot, 0: empty),
// uint32 depths[n_experts + 1]: of the needed experts, how many had been used so many other experts ago
// (Mattson's stack distance: n_slots slots that keep the experts used last hit those of less than n_slots);
// the last entry counts experts that had not been used before. Zero at first.
enum {
    FATHOM_EXPERT_CLOCK,   // calls of expert_place
    FATHOM_EXPERT_NEEDED,  // experts that the calls needed, each once a call
    FATHOM_EXPERT_FETCHED, // of these, the ones that were absent
    FATHOM_EXPERT_STATE = 4
};
FATHOM_API uint64_t fathom_expert_state_size(uint32_t n_experts, uint32_t n_slots); // bytes
FATHOM_API uint32_t fathom_expert_rounds(
    uint32_t n_tokens, uint32_t top_k, uint32_t n_experts, uint32_t n_slots);
// Bytes of `fetches`: for each round uint32 n, then n_slots experts, then n_slots slots, of which n count.
FATHOM_API uint64_t fathom_expert_fetches_size(
    uint32_t n_tokens, uint32_t top_k, uint32_t n_experts, uint32_t n_slots);

// The needed experts in ascending order, n_slots of them a round. An expert that has a slot keeps the slot
// until a round takes it. The others take, in this order: empty slots; slots of experts that the batch does
// not need, the least recently used first; slots of the batch's other rounds. Of experts that were used last
// by the same call, the one of the lowest number counts as the last used. All is decided by ids and state
// alone, so every device decides the same. At most 512 experts, 16 choices, 65535 tokens; n_slots is at least
// top_k. The order of a token's ids does not matter; an id of no expert is ignored, and its place is 0. What
// the slots hold is read from `slots`; `table` is only written. After the call both say what the slots hold
// when all rounds are done.
struct fathom_expert_place_params {
    size_t size;
    struct fathom_view ids;     // uint32[n_tokens][top_k], experts
    struct fathom_view state;   // fathom_expert_state_size() bytes
    struct fathom_view places;  // uint32[n_tokens][top_k], written: round * n_slots + slot of each choice
    struct fathom_view fetches; // fathom_expert_fetches_size() bytes, written
    uint32_t n_tokens, top_k, n_experts, n_slots;
    bool history; // the call counts in `depths`: for steps of few tokens, not for chunks that need everything
};
FATHOM_API void fathom_expert_place(
    struct fathom_stream *stream, const struct fathom_expert_place_params *params);

// Copies the round's missing experts that lie in one source into their slots. homes[e] are four words: the
// number of the source, and the word offsets of the expert's gate, up and down matrices in the source:
// multiples of 4, unless a matrix is no multiple of 4 words or `words` is set. Experts of other sources are
// left alone: one call for each source. A matrix must be whole words.
struct fathom_expert_fetch_params {
    size_t size;
    struct fathom_view fetches; // of expert_place
    struct fathom_view homes;   // uint32[n_experts][4]
    struct fathom_view source;
    uint32_t source_number;
    const struct fathom_weight *gate, *up, *down; // [n_slots][..][..], of one slice each
    uint32_t round, n_experts, n_slots;
    uint32_t n_tokens, top_k; // of the call of expert_place, which bound the experts of a round
    bool words;               // matrices in the sources begin at any word, not only at every fourth
};
FATHOM_API void fathom_expert_fetch(
    struct fathom_stream *stream, const struct fathom_expert_fetch_params *params);

// ---- Sampling --------------------------------------------------------------------------------------------

// The state that changes from step to step, in device memory. The host writes the block between generations;
// fathom_sample advances it.
struct fathom_step {
    uint32_t token;     // input of the next step; written by fathom_sample
    uint32_t position;  // of that token; fathom_sample adds one
    uint32_t n_sampled; // rows sampled since the host wrote the block; also the ring's index
    uint32_t seed_low, seed_high;
    // 0, or below 2^-126: greedy (the lowest id among equals); so is a temperature by which the best logit
    // divides to infinity
    float temperature;
    uint32_t top_k;       // 0: off; all tokens equal to the last one taken stay
    float top_p, min_p;   // 1 and 0: off. Order: penalty, temperature, top-k, top-p, min-p
    float repeat_penalty; // 1: off; positive logits of seen tokens are divided by it, negative multiplied
    uint32_t reserved[2];
};

// Samples from logits[n_vocab], of fewer than 2^24 tokens, advances *step, marks the token in `seen`, and
// writes the token to ring[n_sampled % n_ring]. Probabilities become integers (parts of 2^30) before they are
// summed, so the same seed and the same logits give the same token on any device.
//
// Where any logit is NaN or infinite (-infinity may be allowed: `forbids`) there is no token: the ring gets
// FATHOM_NOT_FINITE, or 0 for a guess, and the step's next token is 0, so that steps submitted ahead read a
// token that exists.
//
// With `drafts` the logits belong to n_rows tokens; all tokens but the first are guesses. Row r is sampled as
// the step after row r - 1 while row r - 1 gave the guessed token (speculative sampling, arXiv 2211.17192, of
// guesses made without chance). Tokens and their dependence on the seed are those of single steps. The ring
// gets n_rows entries; a row that was not sampled writes FATHOM_NO_TOKEN.
enum { FATHOM_MAX_DRAFTS = 7 };
#define FATHOM_NO_TOKEN UINT32_MAX
#define FATHOM_NOT_FINITE (UINT32_MAX - 1)
struct fathom_drafts {
    struct fathom_step step; // of the draft layer; fathom_sample sets its position to the last sampled row's
    uint32_t position;       // of row 0
    uint32_t row;            // the last one sampled
    uint32_t ids[1 +
        FATHOM_MAX_DRAFTS]; // the rows' tokens; ids[1] on are read, ids[0] is written: the next step's token
    uint32_t
        next[1 + FATHOM_MAX_DRAFTS]; // the token of each row; of a row that was not sampled, the last token
};
struct fathom_sample_params {
    size_t size;
    struct fathom_view logits, step;  // step: struct fathom_step
    struct fathom_view seen;          // uint32[n_vocab], non-zero: part of the text so far
    struct fathom_view ring;          // uint32[n_ring], FATHOM_MEMORY_HOST
    struct fathom_view drafts;        // struct fathom_drafts; buffer NULL: one row
    uint32_t n_vocab, n_ring, n_rows; // n_rows 0: 1
    bool guess;                       // the device reads the ring: an entry must be a token
    bool forbids; // a logit of -infinity excludes its token; where no other is left, there is no token
};
FATHOM_API void fathom_sample(struct fathom_stream *stream, const struct fathom_sample_params *params);

// The operators that have variants, by number: the name, as in fathom_gpu_params.variants, and the variant
// that a device takes for n_tokens (1: one token; 512: a long prompt) where no tuning says otherwise and the
// call satisfies every condition. NULL: there is no operator i.
FATHOM_API const char *fathom_op_name(size_t i);
FATHOM_API const char *fathom_op_default_variant(
    size_t i, const struct fathom_gpu_info *info, uint32_t n_tokens);

#ifdef __cplusplus
}
#endif
#endif
