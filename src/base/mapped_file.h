// A whole file in memory, read-only. It must not change while it is open: where another program cuts it short, reading what is gone ends
// the process with SIGBUS. A library cannot own that signal's handler, and to check before each read would be a race; so the rule is that a
// file is replaced by a new one of the same name (as every downloader does), which leaves the one that is mapped as it was.
#ifndef FM_BASE_MAPPED_FILE_H
#define FM_BASE_MAPPED_FILE_H
#include "base/error.h"
#include <stdint.h>

struct fm_mapped_file {
    const uint8_t *data;
    uint64_t size;
};

bool fm_mapped_file_open(struct fm_mapped_file *file, const char *path, struct fathom_error *err); // an empty file is an error
// Tells the system that the whole of it will be read soon.
void fm_mapped_file_expect(const struct fm_mapped_file *file);
// The bytes that may be read: from data to the end of the last page (past the file's end they are zero).
uint64_t fm_mapped_file_readable(const struct fm_mapped_file *file);
void fm_mapped_file_close(struct fm_mapped_file *file);
#endif
