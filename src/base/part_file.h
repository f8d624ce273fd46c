// An output file that gets its name only when it is complete. Until then it has no name where the system can
// do so, and a process that is killed leaves nothing behind. Elsewhere, and for the moment of the renaming,
// the file is named "<name>.part<process>", or "<name>.part<process>-<n>" where that name is taken.
//
// A link is followed: the file that it names is replaced, the link stays. A device node, a pipe, a socket or
// a folder is refused.
#ifndef FM_BASE_PART_FILE_H
#define FM_BASE_PART_FILE_H
#include "base/error.h"
#include <stdint.h>
#include <stdio.h>

struct fm_part_file {
    FILE *file;
    char *path;             // the final name
    char *part;             // the present name; NULL: none
    uint64_t size, written; // bytes of the whole file, for messages (0: not known), and bytes written so far
};

bool fm_part_file_create(struct fm_part_file *file, const char *path, struct fathom_error *err);
bool fm_part_file_write(struct fm_part_file *file, const void *data, uint64_t size, struct fathom_error *err);
// Brings what was written so far to the disk, so that a durable end has little left to do.
bool fm_part_file_flush(struct fm_part_file *file, struct fathom_error *err);
// Gives the file its name and frees *file, which then is zeroed. `durable`: the bytes and the name are on the
// disk first. On failure call fm_part_file_discard().
bool fm_part_file_finish(struct fm_part_file *file, bool durable, struct fathom_error *err);
// Removes the file and frees *file. Accepts a zeroed struct.
void fm_part_file_discard(struct fm_part_file *file);
#endif
