// The activations of one step: device memory that a pass over the layers reads and writes.
#ifndef FM_MODEL_WORKSPACE_H
#define FM_MODEL_WORKSPACE_H
#include "model/hparams.h"

// All float32 unless said; T is the chunk's number of tokens.
struct fm_workspace {
    struct fathom_view x;          // [T][n_hidden], the residual stream; of DeepSeek-V4 [T][FATHOM_STREAMS][n_hidden]
    struct fathom_view normed;     // [T][n_hidden]
    struct fathom_view q_latent;   // [T][q_rank]
    struct fathom_view q;          // [T][n_heads][n_nope + n_rope]; grouped attention: [T][n_heads + 2 * n_kv][n_value], keys and values too
    struct fathom_view q_absorbed; // [T][n_heads][kv_rank + n_rope]
    struct fathom_view kv;         // [T][kv_rank + n_rope]
    struct fathom_view context;    // [T][n_heads][kv_rank], attention's mean latent
    struct fathom_view attended;   // [T][n_heads][n_value]; DeepSeek-V4: [T][n_out_groups][out_rank]
    struct fathom_view h;          // [T][SwiGLU outputs of all slots]
    struct fathom_view expert_ids, expert_weights; // uint32, float [T][n_experts_used]
    struct fathom_view index_q;    // [T][n_index_heads][n_index]
    struct fathom_view index_k;    // [T][n_index]
    struct fathom_view index_weights; // [T][n_index_heads]
    struct fathom_view selected;   // uint32[T][index_top_k]
    struct fathom_view branch;     // [T][n_hidden], a block's output where the residual is streams
    struct fathom_view mix_logits, mix; // [T][FATHOM_MIX_LOGITS], [T][FATHOM_MIX]
    struct fathom_view pool_kv, pool_gate; // [T][2 * kv_rank], what summaries are made of
    struct fathom_view counters;     // zero but while an operator runs: of workgroups, and the gate's scratch
    struct fathom_view scratch;    // of attention and of the experts' down projection, one after the other
    struct fathom_view logits;     // [n_logits][n_vocab]
    uint32_t n_tokens, n_logits;   // T, and how many tokens the head takes at once
    struct fathom_buffer *buffers[23];
};

// Rows of the cache that a token attends to at most, in a context of n_positions.
uint32_t fm_attended_rows(const struct fm_hparams *hp, uint32_t n_positions);
// The largest chunk, at most `wanted`, whose activations each fit one binding of `max_range` bytes. 0: not even one token does.
uint32_t fm_workspace_max_tokens(const struct fm_hparams *hp, uint64_t max_range, uint32_t wanted);
// Bytes of device memory for a chunk of n_tokens in a context of n_positions.
uint64_t fm_workspace_size(const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact, uint64_t max_range);
bool fm_workspace_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact,
    struct fm_workspace *ws, struct fathom_error *err);
void fm_workspace_free(struct fm_workspace *ws);
#endif
