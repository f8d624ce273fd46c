// Matrices of the hub whose scales lie in a tensor of their own: FP8 (E4M3) with a scale for each 128 rows and 128 columns, and FP4 (E2M1)
// with one for each 32 columns of a row. They are presented in blocks that hold their scale, as every operator wants them.
#ifndef FM_FILE_SCALED_H
#define FM_FILE_SCALED_H
#include "file/directory.h"

enum { FM_SCALED_F8 = 128, FM_SCALED_F4 = 32 }; // elements to a scale

// Bytes [offset, offset + size) of one part of an F8 or F4 source, as F8_E4M3, F32 or MXFP4. False: a value or a scale among them is not a
// finite number (or a scale so large that its values are not).
bool fm_scaled_read(const struct fm_source *source, enum fathom_type type, uint64_t part, uint64_t offset, uint64_t size, uint8_t *dst);

// The tensor as it is, or for F8_E4M3, which is nothing that files are written in, its elements as F32 out of *source.
struct fm_tensor fm_scaled_widen(const struct fm_tensor *tensor, struct fm_source *source);
#endif
