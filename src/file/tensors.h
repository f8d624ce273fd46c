// One directory of a model's tensors and metadata, whatever file they came from. Names and keys are GGUF's
// ("blk.0.attn_q_a.weight", "deepseek2.block_count"): a hub folder is presented under them too, its experts stacked,
// its kv_b_proj split into attn_k_b and attn_v_b.
#ifndef FM_FILE_TENSORS_H
#define FM_FILE_TENSORS_H
#include "base/error.h"
#include <fathom/gpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fm_tensor {
    const char *name;
    enum fathom_type type;
    uint32_t n_dims;
    uint64_t dims[4];        // GGUF's order: dims[0] is adjacent in memory (a row's length); unused ones are 1
    uint64_t size;           // bytes in all
    const void *impl;        // where its bytes come from; known to src/file alone
};

enum fm_value_type { FM_VALUE_UINT, FM_VALUE_INT, FM_VALUE_FLOAT, FM_VALUE_BOOL, FM_VALUE_STRING, FM_VALUE_ARRAY };

struct fm_tensors;

// Opens a GGUF file, or a hub folder (config.json, *.safetensors with or without an index, tokenizer.json). Everything is checked:
// afterwards no tensor reaches past its file and no size overflows.
struct fm_tensors *fm_tensors_open(const char *path, struct fathom_error *err);
void fm_tensors_close(struct fm_tensors **tensors);
const char *fm_tensors_path(const struct fm_tensors *tensors);

size_t fm_tensors_count(const struct fm_tensors *tensors);
const struct fm_tensor *fm_tensors_at(const struct fm_tensors *tensors, size_t i);
const struct fm_tensor *fm_tensors_find(const struct fm_tensors *tensors, const char *name); // NULL: no such tensor

// Copies bytes [offset, offset + size) of the tensor, in its stored form, to dst. For stacked experts, any range is allowed.
bool fm_tensor_read(const struct fm_tensors *tensors, const struct fm_tensor *tensor, uint64_t offset, uint64_t size, void *dst, struct fathom_error *err);
// The tensor's bytes where they lie adjacent in a mapped file; NULL where they have to be gathered or transposed.
const void *fm_tensor_map(const struct fm_tensors *tensors, const struct fm_tensor *tensor);
// What may be read around a byte of a mapped file, in whole pages; data NULL: it is in none.
struct fathom_host_range fm_tensors_around(const struct fm_tensors *tensors, const void *byte);
// Tells the system that all of the files will be read soon.
void fm_tensors_expect(const struct fm_tensors *tensors);

// Metadata. The getters return false and leave *value alone when the key is missing (err untouched); a key of the wrong type, or
// a number that does not fit, is an error in *err (false too).
bool fm_meta_has(const struct fm_tensors *tensors, const char *key);
bool fm_meta_u32(const struct fm_tensors *tensors, const char *key, uint32_t *value, struct fathom_error *err);
bool fm_meta_f32(const struct fm_tensors *tensors, const char *key, float *value, struct fathom_error *err);
bool fm_meta_bool(const struct fm_tensors *tensors, const char *key, bool *value, struct fathom_error *err);
// *value points into the directory and lives as long; it is zero-terminated, *length excludes the zero.
bool fm_meta_string(const struct fm_tensors *tensors, const char *key, const char **value, size_t *length, struct fathom_error *err);
// Arrays: the number of elements, then single ones. 0 when missing or not an array.
size_t fm_meta_array_length(const struct fm_tensors *tensors, const char *key);
bool fm_meta_array_string(const struct fm_tensors *tensors, const char *key, size_t i, const char **value, size_t *length);
bool fm_meta_array_i32(const struct fm_tensors *tensors, const char *key, size_t i, int32_t *value);
bool fm_meta_array_f32(const struct fm_tensors *tensors, const char *key, size_t i, float *value);

// Iteration over all keys, for `inspect` and `convert`.
size_t fm_meta_count(const struct fm_tensors *tensors);
const char *fm_meta_key(const struct fm_tensors *tensors, size_t i, enum fm_value_type *type);
#endif
