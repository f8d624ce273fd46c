// One row per architecture, with everything in which its models differ from others. src/engine reads the row
// and names no architecture. A new architecture is a row in its family's file, or in a new file, and its name
// in arch.c; the hub's model_type is a row of file/hub/hub_config.c. A model of known parts under a known
// name, such as GLM-4.7-Flash, needs only the hub's row.
#ifndef FM_MODEL_ARCH_H
#define FM_MODEL_ARCH_H
#include "model/cache.h"
#include "model/pass.h"
#include "model/walk.h"

struct fm_arch {
    const char *name;   // GGUF's general.architecture
    uint32_t cpu_chunk; // default tokens of a prefill chunk on a CPU

    // Reads and checks the architecture's keys. The embedding's width, the layers and the context are read
    // already.
    void (*read)(struct fm_keys *keys, struct fm_hparams *hp);
    // tensors: visits the tensors of a layer; the draft layer is one, too. last_tensors: visits the tensors
    // after the last layer; NULL: there are none.
    bool (*tensors)(struct fm_walk *walk, uint32_t layer, struct fm_layer *l);
    bool (*last_tensors)(struct fm_walk *walk);

    // Caches. check: whether caches of the type are possible. token_size: average bytes per token of the
    // context. size: bytes in all. create: fills *caches, whose layers are allocated, except the rotary
    // tables. truncate: the number of tokens that the caches still hold after the text is cut to `length`.
    // used: fm_caches_used.
    bool (*cache_check)(const struct fm_hparams *hp, enum fathom_type type, struct fathom_error *err);
    uint64_t (*cache_token_size)(const struct fm_hparams *hp, enum fathom_type type);
    uint64_t (*cache_size)(const struct fm_hparams *hp, const struct fm_cache_params *params);
    bool (*cache_create)(struct fathom_gpu *gpu, const struct fm_hparams *hp,
        const struct fm_cache_params *params, struct fm_caches *caches, struct fathom_error *err);
    uint32_t (*cache_truncate)(uint32_t length);
    uint32_t (*cache_used)(const struct fm_hparams *hp, const struct fm_caches *caches, uint32_t layer,
        uint32_t n_positions, struct fathom_view parts[FM_MAX_CACHE_PARTS]);

    // Activations. widths: adds the words per token of the attention's and the residual's buffers to those
    // that every model has. scratch: bytes for one token's attention. chunk_scratch: the least bytes for a
    // chunk's attention, except in exact mode; NULL: one token's are enough.
    void (*widths)(const struct fm_hparams *hp, struct fm_widths *widths);
    uint64_t (*scratch)(const struct fm_hparams *hp, uint32_t n_positions);
    uint64_t (*chunk_scratch)(const struct fm_hparams *hp, uint32_t n_tokens);

    // A pass. layers: embedding and all layers; afterwards ws->x holds the residual. last_norm: the final
    // norm of n tokens' residual x, into ws->normed.
    void (*layers)(const struct fm_pass *pass);
    void (*last_norm)(const struct fm_pass *pass, struct fathom_view x, uint32_t n);
    // attention: one layer's attention, for fm_pass_residual_layers and the draft layer. store: only fills
    // the layer's cache; NULL: the architecture has no draft layer.
    void (*attention)(const struct fm_pass *pass, uint32_t layer);
    void (*store)(const struct fm_pass *pass, uint32_t layer);
};

// All rows. arch.c has the list, the family's file has the row.
extern const struct fm_arch *const fm_archs[];
extern const size_t fm_n_archs;
const struct fm_arch *fm_arch_find(const char *name); // NULL: no such row
#endif
