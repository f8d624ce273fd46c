// The activations of one step: device memory that a pass over the layers reads and writes.
#ifndef FM_MODEL_WORKSPACE_H
#define FM_MODEL_WORKSPACE_H
#include "model/hparams.h"

// The buffers whose size grows with the chunk. Each holds [T] times the shape beside it, with T the tokens of
// a chunk, as float32 unless another type is given. A new buffer is a line here, and its width in workspace.c
// or an architecture's row.
// Grouped attention keeps keys and values in q, too.
#define FM_ACTIVATIONS(ONE) \
    ONE(x)              /* [n_streams][n_hidden], the residual */ \
    ONE(normed)         /* [n_hidden] */ \
    ONE(q_latent)       /* [q_rank] */ \
    ONE(q)              /* [n_heads][n_nope + n_rope]; grouped attention: [n_heads + 2 * n_kv][n_value] */ \
    ONE(q_absorbed)     /* [n_heads][kv_rank + n_rope] */ \
    ONE(kv)             /* [kv_rank + n_rope] */ \
    ONE(context)        /* [n_heads][kv_rank], attention's mean latent */ \
    ONE(attended)       /* [n_heads][n_value]; DeepSeek-V4: [n_out_groups][out_rank] */ \
    ONE(h)              /* [SwiGLU outputs of all slots] */ \
    ONE(expert_ids)     /* uint32[n_experts_used] */ \
    ONE(expert_places)  /* uint32[n_experts_used], where the experts are in slots */ \
    ONE(expert_weights) /* [n_experts_used] */ \
    ONE(index_q)        /* [n_index_heads][n_index] */ \
    ONE(index_k)        /* [n_index] */ \
    ONE(index_weights)  /* [n_index_heads] */ \
    ONE(selected)       /* uint32[index_top_k] */ \
    ONE(branch)         /* [n_hidden], output of a block if there are several residual streams */ \
    ONE(mix_logits)     /* [FATHOM_MIX_LOGITS] */ \
    ONE(mix)            /* [FATHOM_MIX] */ \
    ONE(pool_kv)        /* [2 * kv_rank], the input of compressed rows */ \
    ONE(pool_gate)      /* [2 * kv_rank] */

// Words per token of each buffer; 0: the architecture does not use the buffer.
#define FM_WIDTH(name) uint64_t name;
struct fm_widths {
    FM_ACTIVATIONS(FM_WIDTH)
};

enum {
    FM_N_ACTIVATIONS = sizeof(struct fm_widths) / sizeof(uint64_t),
    FM_N_WORKSPACE = FM_N_ACTIVATIONS + 3,
};

#define FM_VIEW(name) struct fathom_view name;
struct fm_workspace {
    FM_ACTIVATIONS(FM_VIEW)
    // counters of workgroups, and the gate's scratch; zero whenever no operator runs
    struct fathom_view counters;
    struct fathom_view scratch;                    // used by attention, then by the experts' down projection
    struct fathom_view logits;                     // [n_logits][n_vocab]
    uint32_t n_tokens, n_logits;                   // T, and the tokens that the head takes at once
    struct fathom_buffer *buffers[FM_N_WORKSPACE]; // in the order of the views
};

// The largest chunk, at most `wanted`, whose activations each fit one binding of `max_range` bytes. 0: one
// token does not fit.
uint32_t fm_workspace_max_tokens(const struct fm_hparams *hp, uint64_t max_range, uint32_t wanted);
// Bytes of device memory for a chunk of n_tokens in a context of n_positions.
uint64_t fm_workspace_size(
    const struct fm_hparams *hp, uint32_t n_tokens, uint32_t n_positions, bool exact, uint64_t max_range);
bool fm_workspace_create(struct fathom_gpu *gpu, const struct fm_hparams *hp, uint32_t n_tokens,
    uint32_t n_positions, bool exact, struct fm_workspace *ws, struct fathom_error *err);
void fm_workspace_free(struct fm_workspace *ws);
#endif
