// Writes a model as one GGUF file, with its matrices in fewer bits.
#ifndef FM_CONVERT_QUANTIZE_H
#define FM_CONVERT_QUANTIZE_H
#include "base/error.h"
#include "convert/preset.h"
#include <fathom/fathom.h>

// A type for all matrices whose name matches. A pattern with one of *?[ is a shell pattern for the whole
// name; every other pattern matches as a part of the name.
struct fm_tensor_rule {
    const char *pattern;
    enum fathom_type type;
};

struct fm_quantize_params {
    const struct fm_preset *preset;
    const struct fm_tensor_rule *rules; // the last rule that matches overrides the preset
    size_t n_rules;
    const char *importance; // path of an importance matrix; NULL: none
    const struct fathom_progress *progress;
};

// The result of a quantisation.
enum { FM_QUANTIZE_TYPES = 64 };
struct fm_quantize_result {
    uint64_t bytes_before, bytes, elements; // of all tensors
    // the number of tensors: of each type; with rows that are not whole blocks of the chosen type; already
    // quantised in the input; quantised with importances
    uint32_t n_tensors[FM_QUANTIZE_TYPES];
    uint32_t n_fallen_back, n_requantized;
    uint32_t n_important;
};

// The input is a GGUF file (the first file of a split model) or a hub folder. Tensors for which
// fm_preset_applies() is false are copied. Refused: an output that is the input, a rule that matches no
// matrix, importances of another shape.
bool fm_quantize(const char *in_path, const char *out_path, const struct fm_quantize_params *params,
    struct fm_quantize_result *result, struct fathom_error *err);
#endif
