// Writes models as GGUF files: hub folders converted, matrices in fewer bits. No device is needed. Memory use
// does not grow with the model. After a failure, or a cancel, there is no new file, and an old one of that
// name is as it was. Both functions may run in several threads at once, for different outputs.
#ifndef FATHOM_CONVERT_H
#define FATHOM_CONVERT_H

#include <fathom/gpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fathom_convert_params {
    size_t size;
    const char *in;  // a hub folder with its tokenizer.json, or a GGUF file
    const char *out; // a GGUF file: a plain file, or a name that is free; none of the model's own files
    // Of the matrices: F32, F16, BF16, Q8_0 or Q4_0. With Q4_0 the embedding and the head become Q8_0. Norms,
    // biases, routers and all tensors of one dimension become F32; matrices whose rows are not a multiple of
    // the type's block become F16.
    enum fathom_type type;
    bool drop_draft_layers; // leave out the multi-token-prediction layers, which llama.cpp's loader refuses
    struct fathom_progress progress;
};
FATHOM_API bool fathom_convert(const struct fathom_convert_params *params, struct fathom_error *err);

// ---- Quantizing ------------------------------------------------------------------------------------------

// Presets choose the type of every matrix, as llama.cpp's do: "Q4_K_M" is mostly Q4_K, with Q6_K for some.
// The name of preset i; NULL past the last one.
FATHOM_API const char *fathom_preset_name(size_t i);
// The name of the preset that is meant, in any case; "q4_k" means "Q4_K_M", as in llama.cpp. NULL: none.
FATHOM_API const char *fathom_preset_find(const char *name);

// A type for all matrices whose name matches. A pattern with one of *?[ is a shell pattern for the whole
// name; every other pattern matches as a part of the name. Never grows.
struct fathom_tensor_rule {
    const char *pattern;
    enum fathom_type type;
};
struct fathom_quantize_params {
    size_t size;
    const char *in, *out; // as in fathom_convert_params; of a split model the first file
    const char *preset;
    // The last rule that matches overrides the preset. A rule that matches no matrix is refused.
    const struct fathom_tensor_rule *rules;
    size_t n_rules;
    const char *importance; // path of an importance matrix, as llama-imatrix writes it; NULL: none
    struct fathom_progress progress;
};
struct fathom_quantize_result {
    size_t size;
    uint64_t bytes_before, bytes, elements; // of all tensors
    uint32_t n_tensors[64];                 // of each type; types that can be written are below 64
    // of these: whose rows are not whole blocks of the chosen type, and which got a type of smaller blocks;
    // already quantized in the input, so that the errors add up; quantized with importances
    uint32_t n_fallen_back, n_requantized, n_important;
};
// Norms, biases and routers stay as they are. result may be NULL.
FATHOM_API bool fathom_quantize(const struct fathom_quantize_params *params,
    struct fathom_quantize_result *result, struct fathom_error *err);

#ifdef __cplusplus
}
#endif
#endif
