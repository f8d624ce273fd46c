// Writes tensors to a GGUF file, each in a type of its choice: what `convert` and `quantize` have in common.
#ifndef FM_CONVERT_TRANSCODE_H
#define FM_CONVERT_TRANSCODE_H
#include "convert/importance.h"
#include "file/meta.h"
#include "file/tensors.h"
#include <fathom/fathom.h>

struct fm_transcoding {
    const struct fm_tensors *in;
    const struct fm_meta *meta;
    const struct fm_tensor *list; // to be written, with type and size; impl: the struct fm_tensor of `in` that it is made from
    size_t count;
    const struct fm_importance *importance; // NULL: none
    const char *verb;                       // "converting", for progress and messages
    const struct fathom_progress *progress; // may be NULL
};

// On all cores, in pieces: memory use does not grow with the model. Nothing is left at out_path after a failure.
bool fm_transcode(const struct fm_transcoding *transcoding, const char *out_path, struct fathom_error *err);

uint64_t fm_tensor_elements(const struct fm_tensor *tensor);
#endif
