// Importance matrices, as llama-imatrix writes them: the measured importance of each column of a weight
// matrix.
#ifndef FM_CONVERT_IMPORTANCE_H
#define FM_CONVERT_IMPORTANCE_H
#include "file/tensors.h"

struct fm_importance;

// Opens a file in GGUF or in the older form without a header ("imatrix.dat"). The function checks that every
// value is finite and not negative.
struct fm_importance *fm_importance_open(const char *path, struct fathom_error *err);
void fm_importance_close(struct fm_importance **importance);
size_t fm_importance_count(const struct fm_importance *importance); // number of matrices

// Returns the mean squared activation of each of the tensor's dims[0] columns, for one of its dims[2]
// matrices (experts). Returns NULL when the file has no importances for the tensor.
const float *fm_importance_find(
    const struct fm_importance *importance, const struct fm_tensor *tensor, uint64_t matrix);
// Checks that the importances of the tensor, if the file has any, have the tensor's shape. Otherwise *err
// names their number.
bool fm_importance_fits(
    const struct fm_importance *importance, const struct fm_tensor *tensor, struct fathom_error *err);
#endif
