// The stored forms of a tensor's elements: names, block sizes, and rows to and from float32.
#ifndef FM_QUANT_TYPES_H
#define FM_QUANT_TYPES_H
#include <fathom/gpu.h>
#include <stdbool.h>
#include <stdint.h>

// A ggml type that Fathom can use, or knows by name and refuses.
struct fm_type_info {
    uint32_t type;         // GGUF's number
    const char *name;      // "Q8_0"
    uint32_t block, bytes; // elements and bytes of one block
    bool supported;        // its number is then an enum fathom_type
    bool writable;         // fm_quantize_row() makes it
    uint32_t cut;          // a row's last block may be cut to a multiple of this many elements, of a byte each; 0: it may not
};

enum { FM_TYPE_I32 = 26 }; // a table, not a weight; kept as it is

// NULL: no such type.
const struct fm_type_info *fm_type_info(uint32_t type);
const char *fm_type_name(enum fathom_type type); // "?" for one that does not exist
// Any case; only writable ones. NULL: none of that name.
const struct fm_type_info *fm_type_find(const char *name);

// The least number of which a row's elements are a multiple.
uint32_t fm_type_unit(const struct fm_type_info *info);
// Bytes of n elements that are adjacent, of one row where the type can cut blocks; false when n is not a multiple of the unit, or on
// overflow.
bool fm_type_size(enum fathom_type type, uint64_t n, uint64_t *bytes);

// n elements, a multiple of the block; of a type that can cut blocks, part of one row. importance: how much the squared error of each of the n
// counts; NULL: nothing is known, and then Q8_0 and Q4_0 get the same bits as ggml's. False: a value is not finite, or too large for the type
// (nothing useful is in dst then).
void fm_dequantize_row(enum fathom_type type, const void *src, float *dst, uint64_t n);
bool fm_quantize_row(enum fathom_type type, const float *src, const float *importance, void *dst, uint64_t n);
#endif
