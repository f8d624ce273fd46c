// The one list of a model's tensors, their names and shapes: walked to measure a model, and to load it.
#ifndef FM_MODEL_WALK_H
#define FM_MODEL_WALK_H
#include "model/weights.h"

// One tensor that the model needs: where it goes and the shape it must have.
struct fm_need {
    struct fathom_weight **weight; // a matrix …
    struct fathom_view *vector;    // … or a float32 vector
    uint32_t n_mats, n_rows, n_cols;
    uint32_t first_row, all_rows; // where the weight holds rows of several tensors; 0, 0: its own alone
    bool per_expert;              // only n_experts_used of n_mats matter to a token
    bool lookup;                  // only one row matters to a token
    bool flat;                    // the file has all matrices as one
    bool table;                   // a vector of numbers of experts
    bool draft;                   // of the draft layer, which is no part of the model's own count
    char name[64];
};

// Calls visit for every tensor of the model, in the file's usual order.
struct fm_walk {
    const struct fm_tensors *tensors;
    const struct fm_hparams *hp;
    struct fm_weights *weights;
    bool (*visit)(struct fm_walk *walk, const struct fm_need *need, const struct fm_tensor *tensor);
    struct fathom_error *err;
    // used by the visitors
    struct fathom_gpu *gpu;
    const struct fathom_progress *progress;
    struct fm_weights_size size;
    uint64_t vector_bytes, bytes_done;
    size_t n_matrices;
    void *staging;
    bool in_draft;
};

bool fm_walk_model(struct fm_walk *walk);

// For the architectures' rows. Visits one tensor; optional ones may be missing.
bool fm_walk_visit(struct fm_walk *walk, struct fm_need need, bool optional);
#define FM_LAYER_NAME(need, i, suffix) snprintf((need).name, sizeof((need).name), "blk.%u.%s", i, suffix)
// Of layer i: a matrix, n_mats of them; a vector; a SwiGLU ("ffn_gate<suffix>.weight" and so on); its norm,
// gate, experts and shared experts.
bool fm_walk_matrix(struct fm_walk *walk, uint32_t i, const char *suffix, struct fathom_weight **weight,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, bool per_expert);
bool fm_walk_vector(struct fm_walk *walk, uint32_t i, const char *suffix, struct fathom_view *vector,
    uint32_t n, bool optional);
bool fm_walk_mixture(struct fm_walk *walk, uint32_t i, struct fm_layer *layer);
#endif
