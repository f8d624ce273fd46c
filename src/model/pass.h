// A pass of some tokens through the layers, written as operators on a stream.
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
    struct fathom_view rope_table, summary_rope_table; // the caches' tables 0 and 1
    struct fathom_view ids;          // uint32[n_tokens]
    struct fathom_view position;     // uint32, of the first token
    struct fathom_stream *stream;
    uint32_t n_tokens;
    uint32_t n_positions;            // position + n_tokens; replayed: a bound on it
    bool replayed;                   // recorded once for any position
    bool exact;                      // attention stays absorbed
};

// Embedding and all layers: ws->x holds the residual stream of the tokens afterwards.
void fm_pass_layers(const struct fm_pass *pass);
// Final norm and head of tokens [first, first + n) of ws->x: ws->logits[n][n_vocab]. n at most ws->n_logits.
void fm_pass_head(const struct fm_pass *pass, uint32_t first, uint32_t n);

// The blocks of a layer: each takes ws->normed, adds to ws->x, and leaves what the next block takes in ws->normed.
void fm_pass_latent_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_grouped_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_window_attention(const struct fm_pass *pass, uint32_t layer);
void fm_pass_mixture(const struct fm_pass *pass, uint32_t layer);
// Of latent attention only what fills the layer's cache.
void fm_pass_store(const struct fm_pass *pass, uint32_t layer);

// The norm that a layer's attention takes, for the first layer; those of later ones are left by the layer before.
void fm_pass_norm_input(const struct fm_pass *pass, uint32_t layer);
// What rows of one residual stream have for layers and last_norm.
void fm_pass_residual_layers(const struct fm_pass *pass);
void fm_pass_last_norm(const struct fm_pass *pass, struct fathom_view x, uint32_t n);
// A norm of ws->x, left in ws->normed by the operator that completes it.
struct fathom_norm_after fm_pass_norm(const struct fm_pass *pass, struct fathom_view w);
#endif
