// Importance matrices: how much each column of a weight matrix counted in runs over some text, as llama-imatrix writes them.
#ifndef FM_CONVERT_IMPORTANCE_H
#define FM_CONVERT_IMPORTANCE_H
#include "file/tensors.h"

struct fm_importance;

// A file in either form, GGUF or the older one without a header ("imatrix.dat"). Every value is checked to be finite and not negative.
struct fm_importance *fm_importance_open(const char *path, struct fathom_error *err);
void fm_importance_close(struct fm_importance **importance);
size_t fm_importance_count(const struct fm_importance *importance); // matrices

// Mean squared activation of each of the tensor's dims[0] columns, for one of its dims[2] matrices (experts); NULL: nothing is known of
// the tensor.
const float *fm_importance_find(const struct fm_importance *importance, const struct fm_tensor *tensor, uint64_t matrix);
// Whether what is known of the tensor, if anything, has its shape; *err says what it has.
bool fm_importance_fits(const struct fm_importance *importance, const struct fm_tensor *tensor, struct fathom_error *err);
#endif
