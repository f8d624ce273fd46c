// Chooses the type of each tensor when a model is quantised, by the presets known from llama.cpp.
#ifndef FM_CONVERT_PRESET_H
#define FM_CONVERT_PRESET_H
#include "file/tensors.h"

// The type of a whole file: "Q4_K_M" is mostly Q4_K, with Q6_K for some tensors.
struct fm_preset {
    const char *name;
    uint32_t file_type;    // general.file_type
    enum fathom_type type; // type of most matrices
    int quality;           // among presets of one type: 0 small, 1 medium, 2 large
};

// Finds a preset by name, in any case. "Q4_K" means "Q4_K_M", as in llama.cpp. Returns NULL for an unknown
// name.
const struct fm_preset *fm_preset_find(const char *name);

// The numbers of a model that presets depend on, and a counter over its tensors in file order. Zeroed before
// the first tensor.
struct fm_preset_model {
    uint32_t n_layers, n_experts, n_heads_per_kv;
    bool has_output, has_importance; // the head is separate from the embedding; importances are known
    uint32_t n_values, next_value;   // matrices that make attention values; how many already have a type
};

// Returns false for tensors that keep their stored type: tensors of one dimension, norms, routers, and
// tensors that are not weights of a matrix product.
bool fm_preset_applies(const struct fm_tensor *tensor);
enum fathom_type fm_preset_choose(
    const struct fm_preset *preset, struct fm_preset_model *model, const struct fm_tensor *tensor);
bool fm_preset_makes_values(const char *name); // true for the matrices that n_values counts

// Returns `type` when rows of n elements are whole blocks of that type. Otherwise returns the next finer type
// with smaller blocks.
enum fathom_type fm_preset_fit(enum fathom_type type, uint64_t n);
#endif
