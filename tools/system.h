// What the program asks the system for: clocks, its own place, and output files.
#ifndef TOOL_SYSTEM_H
#define TOOL_SYSTEM_H
#include <fathom/status.h>
#include <stdio.h>

double clock_seconds(void);     // of a clock that never goes back
uint64_t clock_seed(void);      // the time of day in nanoseconds
void clock_date(char text[32]); // "2026-11-30T16:00:00Z"

// The path of a file beside the program, such as "../share/fathom/x", for the caller to free; NULL where the
// file cannot be read.
char *beside_program(const char *name);
bool is_readable(const char *path);
// The folder of the caches, which the caller frees; NULL: none.
char *cache_dir(void);

// A file that gets its name only when it is complete. A link is followed; what is no plain file is refused.
// output_create() tries whether the file can be made; the first output_write() makes it.
struct output {
    FILE *file;
    char *path, *part; // the final name, and the present one
    bool is_made;      // the part is there
};
bool output_create(struct output *output, const char *path, struct fathom_error *err);
bool output_write(struct output *output, const void *data, size_t size, struct fathom_error *err);
bool output_finish(struct output *output, struct fathom_error *err);
// Removes a file that is not finished, and frees *output. Accepts a zeroed struct and a finished output.
void output_discard(struct output *output);
#endif
