// A directory of a model's tensors and metadata, the same for every file format. Names and keys are those of
// GGUF ("blk.0.attn_q_a.weight", "deepseek2.block_count"). The directory presents a hub folder under these
// names too, with its experts stacked and its kv_b_proj split into attn_k_b and attn_v_b.
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
    uint64_t dims[4]; // in GGUF's order: dims[0] is the length of a row; unused dims are 1
    uint64_t size;    // bytes of the whole tensor
    const void *impl; // the source of the bytes; private to src/file
};

enum fm_value_type {
    FM_VALUE_UINT,
    FM_VALUE_INT,
    FM_VALUE_FLOAT,
    FM_VALUE_BOOL,
    FM_VALUE_STRING,
    FM_VALUE_ARRAY
};

struct fm_tensors;

// Opens a GGUF file, a hub folder (config.json, *.safetensors with or without an index, tokenizer.json), or a
// folder with one GGUF model in it.
// The function checks everything: afterwards no tensor reaches past its file and no size overflows.
struct fm_tensors *fm_tensors_open(const char *path, struct fathom_error *err);
// Whether a folder stands for the one GGUF model in it, and not for a hub folder.
bool fm_folder_holds_gguf(const char *path);
// A directory with only the keys of the chat templates in a hub folder, which needs no weights.
struct fm_tensors *fm_folder_templates(const char *path, struct fathom_error *err);
void fm_tensors_close(struct fm_tensors **tensors);
// Whether the directory presents a hub folder, whose path it has.
bool fm_tensors_is_hub(const struct fm_tensors *tensors);
const char *fm_tensors_path(const struct fm_tensors *tensors);

size_t fm_tensors_count(const struct fm_tensors *tensors);
const struct fm_tensor *fm_tensors_at(const struct fm_tensors *tensors, size_t i);
// Returns NULL when there is no such tensor.
const struct fm_tensor *fm_tensors_find(const struct fm_tensors *tensors, const char *name);

// Copies bytes [offset, offset + size) of the tensor, in its presented type, to dst. A range may cross from
// one stacked expert to the next.
bool fm_tensor_read(const struct fm_tensors *tensors, const struct fm_tensor *tensor, uint64_t offset,
    uint64_t size, void *dst, struct fathom_error *err);
// Returns the tensor's bytes in the mapped file. Returns NULL when they are not adjacent there or need
// conversion.
const void *fm_tensor_map(const struct fm_tensors *tensors, const struct fm_tensor *tensor);
// Where bytes [offset, offset + size) of a tensor lie in a file, which lives as long as the directory.
// Returns false when they are not adjacent there or need conversion.
struct fm_mapped_file;
bool fm_tensor_place(const struct fm_tensors *tensors, const struct fm_tensor *tensor, uint64_t offset,
    uint64_t size, const struct fm_mapped_file **file, uint64_t *file_offset);
// Returns the range, to the end of a page, that may be read around a byte of a mapped file. Data is NULL when
// the byte is in none of the files.
struct fathom_host_range fm_tensors_around(const struct fm_tensors *tensors, const void *byte);
// Tells the system that all files will be read soon.
void fm_tensors_expect(const struct fm_tensors *tensors);

// Metadata. When the key is missing, a getter returns false and changes neither *value nor *err. When the key
// has the wrong type, or the number does not fit, a getter returns false and sets *err. A number of another
// type is taken where nothing of its value is lost (4.0 for 4, 1 for true), and so is an array of equal
// elements.
bool fm_meta_has(const struct fm_tensors *tensors, const char *key);
bool fm_meta_u32(
    const struct fm_tensors *tensors, const char *key, uint32_t *value, struct fathom_error *err);
bool fm_meta_f32(const struct fm_tensors *tensors, const char *key, float *value, struct fathom_error *err);
bool fm_meta_bool(const struct fm_tensors *tensors, const char *key, bool *value, struct fathom_error *err);
// *value points into the directory, which owns it. The string is zero-terminated; *length excludes the zero.
bool fm_meta_string(const struct fm_tensors *tensors, const char *key, const char **value, size_t *length,
    struct fathom_error *err);
// Arrays: the number of elements (0 when the key is missing or not an array), and single elements.
size_t fm_meta_array_length(const struct fm_tensors *tensors, const char *key);
bool fm_meta_array_string(
    const struct fm_tensors *tensors, const char *key, size_t i, const char **value, size_t *length);
bool fm_meta_array_i32(const struct fm_tensors *tensors, const char *key, size_t i, int32_t *value);
bool fm_meta_array_f32(const struct fm_tensors *tensors, const char *key, size_t i, float *value);

// Iterates over all keys, for `inspect` and `convert`.
size_t fm_meta_count(const struct fm_tensors *tensors);
const char *fm_meta_key(const struct fm_tensors *tensors, size_t i, enum fm_value_type *type);
#endif
