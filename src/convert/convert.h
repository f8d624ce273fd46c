// Writes a model as one GGUF file, whose matrices are stored as `type`.
#ifndef FM_CONVERT_CONVERT_H
#define FM_CONVERT_CONVERT_H
#include "base/error.h"
#include <fathom/fathom.h>

// in_path: a hub folder with its tokenizer.json (or a GGUF file). What is stored how, following llama.cpp's habits:
//  - norms, biases, routers and whatever else has one dimension: F32;
//  - the embedding and the head, the draft layer's too: `type`, but Q8_0 where type is Q4_0 (llama-quantize keeps these finer; it
//    would take Q6_K for the head);
//  - all other matrices: `type`; F16 where their rows are not a multiple of the type's block.
// keep_draft_layer false leaves the multi-token-prediction layers out (llama.cpp's loader refuses a file with them), and block_count
// and nextn_predict_layers are set accordingly.
// The file is read and written in pieces: memory use does not grow with the model. Nothing is left at out_path after a failure.
bool fm_convert(const char *in_path, const char *out_path, enum fathom_type type, bool keep_draft_layer,
    const struct fathom_progress *progress, struct fathom_error *err);
#endif
