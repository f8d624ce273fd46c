// One row an architecture: everything in which its models differ from others. src/engine asks the row and
// names no architecture. A new one is a row in its family's file, or in a new file, and its name in arch.c;
// the hub's model_type is a row of file/hub/hub_config.c. A model of known parts under a known name, as
// GLM-4.7-Flash, is the hub's row alone.
#ifndef FM_MODEL_ARCH_H
#define FM_MODEL_ARCH_H
#include "model/cache.h"
#include "model/pass.h"
#include "model/walk.h"

struct fm_arch {
    const char *name;   // GGUF's general.architecture
    uint32_t cpu_chunk; // tokens of a prefill step on a CPU, unless the caller says

    // Reads and checks its keys, which hold the embedding's width, layers and context already.
    void (*read)(struct fm_keys *keys, struct fm_hparams *hp);
    // Visits the tensors of a layer, the draft layer included; and those behind the last layer (NULL: none).
    bool (*tensors)(struct fm_walk *walk, uint32_t layer, struct fm_layer *l);
    bool (*last_tensors)(struct fm_walk *walk);

    // Caches. check: whether they can be of the type. token_size: bytes that a token of the context takes, on
    // the average. size: bytes in all. create: fills *caches, whose layers are allocated, all but the rotary
    // tables. truncate: how many tokens the caches still hold once the text is cut to `length`.
    bool (*cache_check)(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err);
    uint64_t (*cache_token_size)(const struct fm_hparams *hp, enum fathom_type type);
    uint64_t (*cache_size)(const struct fm_hparams *hp, const struct fm_cache_params *params);
    bool (*cache_create)(struct fathom_gpu *gpu, const struct fm_hparams *hp,
        const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err);
    uint32_t (*cache_truncate)(uint32_t length);

    // Activations. widths: adds the words a token of attention's and the residual's buffers to those of every
    // model. scratch: bytes that attention of one token takes. chunk_scratch: bytes that attention of a chunk
    // takes at least, except in exact mode; NULL: no more than one token's.
    void (*widths)(const struct fm_hparams *hp, struct fm_widths *widths);
    uint64_t (*scratch)(const struct fm_hparams *hp, uint32_t n_positions);
    uint64_t (*chunk_scratch)(const struct fm_hparams *hp, uint32_t n_tokens);

    // A pass. layers: embedding and all layers; ws->x holds the residual afterwards. last_norm: the final
    // norm of n tokens' residual x, into ws->normed.
    void (*layers)(const struct fm_pass *pass);
    void (*last_norm)(const struct fm_pass *pass, struct fathom_view x, uint32_t n);
    // attention: one layer's, for fm_pass_residual_layers and the draft layer. store: only what fills the
    // layer's cache; NULL: no draft layer.
    void (*attention)(const struct fm_pass *pass, uint32_t layer);
    void (*store)(const struct fm_pass *pass, uint32_t layer);
};

// All rows, in arch.c; each stands in its family's file.
extern const struct fm_arch *const fm_archs[];
extern const size_t fm_n_archs;
const struct fm_arch *fm_arch_find(const char *name); // NULL: no such row
#endif
