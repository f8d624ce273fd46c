// The one list of a model's tensors, with their names and shapes. Measuring and loading a model both walk the
// list.
#ifndef FM_MODEL_WALK_H
#define FM_MODEL_WALK_H
#include "model/weights.h"

// One tensor that the model needs: its destination and its required shape.
struct fm_need {
    struct fathom_weight **weight; // a matrix …
    struct fathom_view *vector;    // … or a float32 vector
    uint32_t n_mats, n_rows, n_cols;
    uint32_t first_row, all_rows; // if the weight holds rows of several tensors; 0, 0: of this tensor alone
    bool per_expert;              // a token uses only n_experts_used of the n_mats matrices
    bool lookup;                  // a token uses only one row
    bool flat;                    // the file stores all matrices as one
    bool table;                   // a vector of expert numbers
    bool draft;                   // a tensor of the draft layer, which the parameter count leaves out
    char name[64];
};

// fm_walk_model calls `visit` for every tensor of the model, in the order in which files list them.
struct fm_walk {
    const struct fm_tensors *tensors;
    const struct fm_hparams *hp;
    struct fm_weights *weights;
    bool (*visit)(struct fm_walk *walk, const struct fm_need *need, const struct fm_tensor *tensor);
    struct fathom_error *err;
    // used by the visitors
    struct fathom_gpu *gpu;
    const struct fathom_memory_plan *plan;
    struct fm_watch *watch;
    struct fm_weights_size size;
    uint64_t vector_bytes, bytes_done;
    size_t n_matrices;
    void *staging;
    bool in_draft;
    bool *used; // [count of tensors]: set for every tensor that is visited; NULL: not wanted
};

bool fm_walk_model(struct fm_walk *walk);

// For the architectures' rows. Visits one tensor. An optional tensor may be missing.
bool fm_walk_visit(struct fm_walk *walk, struct fm_need need, bool optional);
#define FM_LAYER_NAME(need, i, suffix) snprintf((need).name, sizeof((need).name), "blk.%u.%s", i, suffix)
// Visit tensors of layer i. matrix: n_mats matrices. vector: n values. mixture: the norm, gate, experts and
// shared experts, or a dense layer's SwiGLU.
bool fm_walk_matrix(struct fm_walk *walk, uint32_t i, const char *suffix, struct fathom_weight **weight,
    uint32_t n_mats, uint32_t n_rows, uint32_t n_cols, bool per_expert);
bool fm_walk_vector(struct fm_walk *walk, uint32_t i, const char *suffix, struct fathom_view *vector,
    uint32_t n, bool optional);
// Returns the bias that the choice of experts adds to the scores of a layer's gate, under any of its names,
// or NULL.
const struct fm_tensor *fm_router_bias(const struct fm_tensors *tensors, uint32_t layer);
bool fm_walk_mixture(struct fm_walk *walk, uint32_t i, struct fm_layer *layer);
#endif
