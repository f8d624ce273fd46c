// A pass of some tokens through the layers, recorded as operators on a stream.
#ifndef FM_MODEL_PASS_H
#define FM_MODEL_PASS_H
#include "model/cache.h"
#include "model/weights.h"
#include "model/workspace.h"

struct fm_pass {
    const struct fm_hparams *hp;
    const struct fm_weights *weights;
    const struct fm_workspace *ws;
    const struct fm_caches *caches;
    struct fathom_view rope_table, compressed_rope_table; // the caches' tables 0 and 1
    struct fathom_view ids;                               // uint32[n_tokens]
    struct fathom_view position;                          // uint32, of the first token
    struct fathom_stream *stream;
    uint32_t n_tokens;
    uint32_t n_positions; // position + n_tokens; replayed: an upper bound
    bool replayed;        // the pass is recorded once for any position
    bool exact;           // attention is always absorbed
};

// Embedding and all layers. Afterwards ws->x holds the residual stream of the tokens.
void fm_pass_layers(const struct fm_pass *pass);
// ws->logits[n][n_vocab] = final norm and head of tokens [first, first + n) of ws->x. n is at most
// ws->n_logits.
void fm_pass_head(const struct fm_pass *pass, uint32_t first, uint32_t n);

// The blocks of a layer. Each block reads ws->normed, adds to ws->x, and leaves the next block's input in
// ws->normed.
void fm_pass_latent_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_grouped_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_sliding_window_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_mixture(const struct fm_pass *pass, uint32_t layer);
// Only fills the layer's cache, for latent attention.
void fm_pass_store(const struct fm_pass *pass, uint32_t layer);

// y[n_tokens] = w x[n_tokens].
void fm_pass_project(
    const struct fm_pass *pass, const struct fathom_weight *w, struct fathom_view x, struct fathom_view y);
// Computes the input norm of a layer's attention. The first layer and the draft layer need this call; the
// norm of every other layer is left by the layer before.
void fm_pass_norm_input(const struct fm_pass *pass, uint32_t layer);
// `layers` and `last_norm` of the architectures with one residual stream.
void fm_pass_residual_layers(const struct fm_pass *pass);
void fm_pass_last_norm(const struct fm_pass *pass, struct fathom_view x, uint32_t n);
// A norm of ws->x for the operator that completes ws->x; the operator writes the norm to ws->normed.
struct fathom_norm_after fm_pass_norm(const struct fm_pass *pass, struct fathom_view w);
#endif
