// The names in a folder.
#ifndef FM_BASE_FOLDER_H
#define FM_BASE_FOLDER_H
#include "base/error.h"
#include <stddef.h>

struct fm_folder {
    char **names; // sorted by their bytes; without . and ..
    size_t count;
};

// Reads the names. Free them with fm_folder_free(), after a failure too.
bool fm_folder_read(struct fm_folder *folder, const char *path, struct fathom_error *err);
void fm_folder_free(struct fm_folder *folder);
// Returns the folder's name that equals `name` but for the case of ASCII letters; an equal one is preferred.
// Returns NULL when there is none.
const char *fm_folder_find(const struct fm_folder *folder, const char *name);

// Compares the end of a name, without regard to the case of ASCII letters.
bool fm_has_suffix(const char *name, const char *suffix);
// Returns true for "<stem>-00002-of-00003<suffix>", without regard to case, and sets the numbers.
bool fm_is_shard(const char *name, const char *suffix, unsigned *number, unsigned *count);
#endif
