// Reads a safetensors file: the names, types, shapes and bytes of its tensors.
#ifndef FM_FILE_HUB_SAFETENSORS_H
#define FM_FILE_HUB_SAFETENSORS_H
#include "base/arena.h"
#include "base/error.h"
#include "base/names.h"
#include <stdbool.h>
#include <stdint.h>

enum { FM_SAFETENSORS_DIMS = 8 };
struct fm_safetensor {
    const char *name;
    const char *dtype; // a dtype of the format, such as "BF16"
    uint32_t n_dims;
    uint64_t dims[FM_SAFETENSORS_DIMS]; // outermost first
    const uint8_t *data;
    uint64_t size; // bytes, as dtype and dims require
};

struct fm_safetensors {
    struct fm_safetensor *list;
    size_t count;
    struct fm_arena arena;
};

// Reads the list of tensors. `data` must outlive the list; `path` is for messages. The function checks the
// bounds of the header, every type and shape, and that the tensors cover the data without overlap or gap.
// Free the list with fm_safetensors_free(), after a failure too.
bool fm_safetensors_from_memory(
    struct fm_safetensors *file, const char *path, const void *data, uint64_t size, struct fathom_error *err);
void fm_safetensors_free(struct fm_safetensors *file);
#endif
