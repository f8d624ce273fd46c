// Which type each tensor of a model gets when it is quantised: the mixes that llama.cpp's users know by name.
#ifndef FM_FILE_MIX_H
#define FM_FILE_MIX_H
#include "file/tensors.h"

// A file's type as a whole: "Q4_K_M" is mostly Q4_K, with Q6_K where it pays.
struct fm_mix {
    const char *name;
    uint32_t file_type; // general.file_type
    enum fathom_type type; // of most matrices
    int quality;           // of mixes of one type: 0 small, 1 medium, 2 large
};

// Any case; "Q4_K" is "Q4_K_M", as everywhere. NULL: none of that name.
const struct fm_mix *fm_mix_find(const char *name);
// The i-th, for lists of names; NULL past the last.
const struct fm_mix *fm_mix_at(size_t i);

// Counters over a model's tensors, in the file's order; zeroed before the first.
struct fm_mix_model {
    uint32_t n_layers, n_experts, n_heads_per_kv;
    bool has_output, has_importance; // a head of its own; importances are known
    uint32_t n_values, next_value;   // matrices that make values of attention; those already given a type
};

// False for what stays as it is stored: one dimension, norms, routers, and whatever is no weight of a matrix product.
bool fm_mix_applies(const struct fm_tensor *tensor);
enum fathom_type fm_mix_choose(const struct fm_mix *mix, struct fm_mix_model *model, const struct fm_tensor *tensor);
bool fm_mix_makes_values(const char *name); // counted in n_values

// `type` where rows of n elements are whole blocks of it; otherwise the next finer type with smaller blocks.
enum fathom_type fm_mix_fit(enum fathom_type type, uint64_t n);
#endif
