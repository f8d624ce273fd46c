// Which type each tensor of a model gets when it is quantised: the presets that llama.cpp's users know by name.
#ifndef FM_CONVERT_PRESET_H
#define FM_CONVERT_PRESET_H
#include "file/tensors.h"

// A file's type as a whole: "Q4_K_M" is mostly Q4_K, with Q6_K where it pays.
struct fm_preset {
    const char *name;
    uint32_t file_type; // general.file_type
    enum fathom_type type; // of most matrices
    int quality;           // of presets of one type: 0 small, 1 medium, 2 large
};

// Any case; "Q4_K" is "Q4_K_M", as everywhere. NULL: none of that name.
const struct fm_preset *fm_preset_find(const char *name);
// The i-th, for lists of names; NULL past the last.
const struct fm_preset *fm_preset_at(size_t i);

// Counters over a model's tensors, in the file's order; zeroed before the first.
struct fm_preset_model {
    uint32_t n_layers, n_experts, n_heads_per_kv;
    bool has_output, has_importance; // a head of its own; importances are known
    uint32_t n_values, next_value;   // matrices that make values of attention; those already given a type
};

// False for what stays as it is stored: one dimension, norms, routers, and whatever is no weight of a matrix product.
bool fm_preset_applies(const struct fm_tensor *tensor);
enum fathom_type fm_preset_choose(const struct fm_preset *preset, struct fm_preset_model *model, const struct fm_tensor *tensor);
bool fm_preset_makes_values(const char *name); // counted in n_values

// `type` where rows of n elements are whole blocks of it; otherwise the next finer type with smaller blocks.
enum fathom_type fm_preset_fit(enum fathom_type type, uint64_t n);
#endif
