// Writes a model as one GGUF file with matrices of a given type.
#ifndef FM_CONVERT_CONVERT_H
#define FM_CONVERT_CONVERT_H
#include "base/error.h"
#include "file/tensors.h"
#include <fathom/fathom.h>

// in_path: a hub folder with its tokenizer.json (or a GGUF file). Types of the output, as in llama.cpp:
//  - Norms, biases, routers and all other tensors of one dimension become F32.
//  - The embedding and the head, also of the draft layer, become `type`, or Q8_0 when `type` is Q4_0
//    (llama-quantize keeps these tensors finer too; it takes Q6_K for the head).
//  - All other matrices become `type`, or F16 when their rows are not a multiple of the type's block.
// keep_draft_layer = false drops the multi-token-prediction layers (llama.cpp's loader refuses a file that
// has them) and adapts block_count and nextn_predict_layers.
// The function reads and writes in pieces: memory use does not grow with the model. After a failure there is
// no file at out_path.
bool fm_convert(const char *in_path, const char *out_path, enum fathom_type type, bool keep_draft_layer,
    const struct fathom_progress *progress, struct fathom_error *err);
// Refuses a tokenizer that no reader of the written file could use.
bool fm_convert_check_tokenizer(const struct fm_tensors *in, struct fathom_error *err);
#endif
