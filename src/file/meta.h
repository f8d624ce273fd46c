// Metadata: keys and values of GGUF's types, in file order. They come from a GGUF file, or are made from the
// files of a hub folder.
#ifndef FM_FILE_META_H
#define FM_FILE_META_H
#include "base/arena.h"
#include "base/error.h"
#include "base/names.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Values as in GGUF.
enum fm_meta_type {
    FM_META_U8,
    FM_META_I8,
    FM_META_U16,
    FM_META_I16,
    FM_META_U32,
    FM_META_I32,
    FM_META_F32,
    FM_META_BOOL,
    FM_META_STRING,
    FM_META_ARRAY,
    FM_META_U64,
    FM_META_I64,
    FM_META_F64,
    FM_META_N_TYPES
};
// Returns the bytes of one number or bool of the type, and 0 for strings and arrays.
uint32_t fm_meta_size(enum fm_meta_type type);

struct fm_string {
    const char *text;
    size_t length;
}; // zero-terminated; length excludes the zero

struct fm_meta_value {
    const char *key;
    enum fm_meta_type type;
    enum fm_meta_type element; // arrays: type of the elements
    uint64_t count;            // arrays: number of elements
    union {
        uint64_t u; // U8 to U64, BOOL
        int64_t i;  // I8 to I64
        double f;   // F32, F64
        struct fm_string string;
        const struct fm_string *strings; // array of strings
        const void *items;               // other arrays: bytes as in GGUF, not aligned
    };
};

struct fm_meta {
    struct fm_meta_value *values;
    size_t count, capacity;
    struct fm_names names;
};

// Key, string and items must outlive the metadata.
bool fm_meta_add(struct fm_meta *meta, struct fm_meta_value value, struct fathom_error *err);
const struct fm_meta_value *fm_meta_find(const struct fm_meta *meta, const char *key); // NULL: no such key
void fm_meta_free(struct fm_meta *meta);

// Return element i of an array of numbers or bools, widened.
int64_t fm_meta_item_int(const struct fm_meta_value *value, uint64_t i);  // integers and bools
double fm_meta_item_float(const struct fm_meta_value *value, uint64_t i); // F32, F64
#endif
