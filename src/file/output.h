// An output must not replace what it is made from.
#ifndef FM_FILE_OUTPUT_H
#define FM_FILE_OUTPUT_H
#include "file/tensors.h"

// Does a path mean one of the model's own files: a file of weights, or of a hub folder any file that is no
// GGUF file?
bool fm_output_is_input(const struct fm_tensors *in, const char *path);
// Refuses such a path.
bool fm_output_check(const struct fm_tensors *in, const char *path, struct fathom_error *err);
#endif
