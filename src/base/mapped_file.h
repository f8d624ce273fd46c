// Maps a whole file into memory, read-only. The file must not change while it is mapped: if another program
// truncates the file, or the disk fails, reading the lost part ends the process with SIGBUS. A library cannot
// own the handler of that signal (tools/signals.c has the program's), and a check before each read would be a
// race. A program that updates a file must therefore replace it by a new file of the same name (as every
// downloader does): the mapped file then stays as it was.
#ifndef FM_BASE_MAPPED_FILE_H
#define FM_BASE_MAPPED_FILE_H
#include "base/error.h"
#include <stdint.h>

struct fm_mapped_file {
    const uint8_t *data;
    uint64_t size;
    uint64_t device, number; // which file it is: the same two for every name of it
    char *path;              // as it was opened; of memory: a name for messages
    bool memory;             // there is no file: a program gave the bytes
};

// Refuses an empty file.
bool fm_mapped_file_open(struct fm_mapped_file *file, const char *path, struct fathom_error *err);
// Takes a file's bytes in memory, which must outlive *file, in place of a file.
bool fm_mapped_file_of_memory(
    struct fm_mapped_file *file, const char *name, const void *data, uint64_t size, struct fathom_error *err);
// Tells the system that the whole file will be read soon.
void fm_mapped_file_expect(const struct fm_mapped_file *file);
// Returns how many bytes from data on a device may read: up to the end of the last page. Bytes past a file's
// end are zero, past the end of memory anything.
uint64_t fm_mapped_file_readable(const struct fm_mapped_file *file);
// Is this a name of the file? The file may be mapped or closed by now. Memory has no name.
bool fm_mapped_file_is(const struct fm_mapped_file *file, const char *path);
void fm_mapped_file_close(struct fm_mapped_file *file);
#endif
