// Matrices of hub folders whose scales are in a separate tensor: FP8 (E4M3) has a scale for each block of
// rows and columns (128 by 128 most often), for each row, or for the matrix; FP4 (E2M1) has a scale for each
// 32 columns of a row. Fathom presents both as blocks that hold their own scale, because all operators read
// such blocks. FP8 whose scale changes within such a block is presented as F32.
#ifndef FM_FILE_SCALED_H
#define FM_FILE_SCALED_H
#include "file/directory.h"

enum { FM_SCALED_F8 = 128, FM_SCALED_F4 = 32 }; // elements of a row in a presented block

uint32_t fm_scale_size(enum fm_scale_type type); // bytes of one

// Reads bytes [offset, offset + size) of one part of an F8 or F4 source, as F8_E4M3, F32 or MXFP4. Returns
// false when one of the values or scales is not finite, or a scale is so large that its values are not.
bool fm_scaled_read(const struct fm_source *source, enum fathom_type type, uint64_t part, uint64_t offset,
    uint64_t size, uint8_t *dst);

// Returns the tensor unchanged, except for F8_E4M3, which no output file holds. For F8_E4M3 the function
// returns a tensor of F32 that reads its elements through *source.
struct fm_tensor fm_scaled_widen(const struct fm_tensor *tensor, struct fm_source *source);
#endif
