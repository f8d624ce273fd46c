// Writes a model's matrices in fewer bits, as one GGUF file.
#ifndef FM_CONVERT_QUANTIZE_H
#define FM_CONVERT_QUANTIZE_H
#include "base/error.h"
#include "convert/preset.h"
#include <fathom/fathom.h>

// A type for all matrices whose name matches: a shell pattern of the whole name where it has one of *?[, otherwise a part of the name.
struct fm_tensor_rule {
    const char *pattern;
    enum fathom_type type;
};

struct fm_quantize_params {
    const struct fm_preset *preset;
    const struct fm_tensor_rule *rules; // the last one that matches wins over the preset
    size_t n_rules;
    const char *importance;             // a file; NULL: none
    const struct fathom_progress *progress;
};

// What became of the file.
enum { FM_QUANTIZE_TYPES = 64 };
struct fm_quantize_result {
    uint64_t bytes_before, bytes, elements;    // of all tensors
    uint32_t n_tensors[FM_QUANTIZE_TYPES];     // by type
    uint32_t n_fallen_back, n_requantized;     // rows that are no whole blocks of their type; quantised in the input already
    uint32_t n_important;                      // made with importances
};

// The input: a GGUF file (the first of a split one), or a hub folder. What fm_preset_applies() does not apply to is copied.
// Refused: an output that is the input; a rule that matches no matrix; importances of another shape.
bool fm_quantize(const char *in_path, const char *out_path, const struct fm_quantize_params *params, struct fm_quantize_result *result,
    struct fathom_error *err);
#endif
