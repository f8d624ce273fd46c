// Reads GGUF, versions 2 and 3, little-endian.
#ifndef FM_FILE_GGUF_H
#define FM_FILE_GGUF_H
#include "file/tensors.h"

enum { FM_GGUF_MAGIC = 0x46554747, FM_GGUF_ALIGNMENT = 32 }; // "GGUF"; the default alignment in bytes

// Opens a file. For a split model, `path` is the first file, and the model's keys are the keys of that file.
struct fm_tensors *fm_gguf_open(const char *path, struct fathom_error *err);
// Reads one file from memory, which must outlive the directory. `path` is for messages.
struct fm_tensors *fm_gguf_from_memory(
    const char *path, const void *data, uint64_t size, struct fathom_error *err);

// gguf_joined.c: presents tensors that the file holds in one piece as the several that they are in other
// files.
bool fm_gguf_split_joined(struct fm_tensors *tensors, struct fathom_error *err);
#endif
