// Writes tensors to a GGUF file, each in a chosen type. `convert` and `quantize` share this code.
#ifndef FM_CONVERT_TRANSCODE_H
#define FM_CONVERT_TRANSCODE_H
#include "convert/importance.h"
#include "file/meta.h"
#include "file/tensors.h"
#include <fathom/fathom.h>

struct fm_transcoding {
    const struct fm_tensors *in;
    const struct fm_meta *meta;
    const struct fm_tensor *list; // tensors of the output, with type and size; impl: the tensor of `in`
    size_t count;
    const struct fm_importance *importance; // NULL: none
    const char *verb;                       // for messages, such as "converting"
    const struct fathom_progress *progress; // may be NULL
};

// Converts in pieces, on all cores: memory use does not grow with the model. After a failure there is no file
// at out_path.
bool fm_transcode(const struct fm_transcoding *transcoding, const char *out_path, struct fathom_error *err);

uint64_t fm_tensor_elements(const struct fm_tensor *tensor);
#endif
