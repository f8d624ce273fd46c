// The contents of a directory (tensors.h), for the readers that fill one.
#ifndef FM_FILE_DIRECTORY_H
#define FM_FILE_DIRECTORY_H
#include "base/mapped_file.h"
#include "file/meta.h"
#include "file/tensors.h"

// How a presented tensor is made from bytes in memory. All parts have the same size and follow each other in
// the presented tensor.
enum fm_source_kind {
    FM_SOURCE_COPY,             // presented as stored
    FM_SOURCE_WIDEN,            // F16 or BF16, presented as F32
    FM_SOURCE_NARROW,           // I64, presented as I32; a value that does not fit becomes the largest I32
    FM_SOURCE_TRANSPOSE,        // a part is [n_cols][n_rows], presented as [n_rows][n_cols]
    FM_SOURCE_DECODE_TRANSPOSE, // the same for a type with blocks, presented as F16
    FM_SOURCE_F8,               // scaled.h: E4M3, presented as F8_E4M3 or F32
    FM_SOURCE_F8_TRANSPOSE,
    FM_SOURCE_F4, // scaled.h: E2M1, presented as MXFP4
};
enum fm_scale_type {
    FM_SCALE_F32,
    FM_SCALE_F16,
    FM_SCALE_BF16,
    FM_SCALE_E8M0, // bytes, powers of two
};
struct fm_source {
    enum fm_source_kind kind;
    enum fathom_type stored; // type of the stored bytes
    uint32_t n_rows, n_cols; // shape of a presented part (TRANSPOSEs, F8 and F4)
    uint32_t n_parts;
    uint64_t part_size;    // bytes of a presented part
    const uint8_t **parts; // [n_parts]
    // F8 and F4 only
    const uint8_t **scales; // [n_parts]: the scales of the stored matrix that holds the part
    enum fm_scale_type scale_type;
    uint32_t scale_cols;                     // scales in one row of scales
    uint32_t rows_per_scale, cols_per_scale; // F8: of the stored matrix
    uint32_t first_row, part_rows; // F8: part i begins at row first_row + i * part_rows of the stored matrix
};

struct fm_tensors {
    char *path;
    bool hub;              // of a hub folder
    struct fm_arena arena; // owns names, strings and sources
    struct fm_meta meta;
    struct fm_tensor *list;
    size_t count, capacity;
    struct fm_names names;
    struct fm_mapped_file *files;
    size_t n_files;
};

// folder.c: opens a hub folder, or the one GGUF model in a folder. A split model counts as one.
struct fm_tensors *fm_folder_open(const char *path, struct fathom_error *err);

// Creates an empty directory. Close it with fm_tensors_close().
struct fm_tensors *fm_tensors_new(const char *path, struct fathom_error *err);
// Adds a tensor. Its name and source must live in the directory's arena. The function computes the size from
// type and dims.
bool fm_tensors_add(struct fm_tensors *tensors, struct fm_tensor tensor, struct fathom_error *err);
bool fm_no_memory(const struct fm_tensors *tensors, struct fathom_error *err);
#endif
