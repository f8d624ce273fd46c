// The stored types of a tensor's elements: their names and block sizes, and the conversion of rows from and
// to float32.
#ifndef FM_QUANT_TYPES_H
#define FM_QUANT_TYPES_H
#include <fathom/gpu.h>
#include <stdbool.h>
#include <stdint.h>

// A ggml type that Fathom supports, or that it knows by name and refuses.
struct fm_type_info {
    uint32_t type;         // GGUF's number
    const char *name;      // "Q8_0"
    uint32_t block, bytes; // elements and bytes of one block
    bool supported;        // `type` is then an enum fathom_type
    bool writable;         // fm_quantize_row() writes it
    uint32_t cut; // a row's last block may hold a multiple of this many elements, one byte each; 0: never cut
};

enum { FM_TYPE_I32 = 26 }; // the type of tables, which are not weights and are kept as stored

// Returns NULL for an unknown type.
const struct fm_type_info *fm_type_info(uint32_t type);
const char *fm_type_name(enum fathom_type type); // "?" for an unknown type
// Finds a writable type by name, in any case. Returns NULL when no writable type has that name.
const struct fm_type_info *fm_type_find(const char *name);

// Returns the number of elements that every row length must be a multiple of.
uint32_t fm_type_unit(const struct fm_type_info *info);
// What a row of a weight must be a multiple of: as above, and of floats 4, because shaders read four at a
// time.
uint32_t fm_type_row_unit(const struct fm_type_info *info);
// Writes why a weight has no rows of n_cols elements of this type: "a row of Q8_0 is a multiple of 32 columns
// above 0, not 33". Returns text.
enum { FM_ROW_REFUSAL = 96 };
const char *fm_type_refuse_row(enum fathom_type type, uint32_t n_cols, char text[FM_ROW_REFUSAL]);
// Computes the bytes of n adjacent elements; for a type that can cut blocks they must belong to one row.
// Returns false when n is not a multiple of the unit, and on overflow.
bool fm_type_size(enum fathom_type type, uint64_t n, uint64_t *bytes);

// Convert n elements, a multiple of the block; for a type that can cut blocks, a part of one row instead.
// importance: the weight of each element's squared error. NULL: unknown; Q8_0 and Q4_0 then get the same bits
// as from ggml. Returns false when a value is not finite or is too large for the type; dst is then unusable.
void fm_dequantize_row(enum fathom_type type, const void *src, float *dst, uint64_t n);
bool fm_quantize_row(enum fathom_type type, const float *src, const float *importance, void *dst, uint64_t n);
#endif
