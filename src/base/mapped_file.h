// A whole file in memory, read-only. It must not be cut short by another program while it is open.
#ifndef FM_BASE_MAPPED_FILE_H
#define FM_BASE_MAPPED_FILE_H
#include "base/error.h"
#include <stdint.h>

struct fm_mapped_file {
    const uint8_t *data;
    uint64_t size;
};

bool fm_mapped_file_open(struct fm_mapped_file *file, const char *path, struct fathom_error *err); // an empty file is an error
void fm_mapped_file_close(struct fm_mapped_file *file);
#endif
