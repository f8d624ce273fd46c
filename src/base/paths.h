// Which file a path means, whatever its name.
#ifndef FM_BASE_PATHS_H
#define FM_BASE_PATHS_H
#include <stdbool.h>

// Do both paths mean one file? False when one of them does not exist.
bool fm_same_file(const char *a, const char *b);
// Is the file one of those in the folder, itself or through a link, without names that end in `except` in
// upper or lower case?
bool fm_folder_holds(const char *folder, const char *path, const char *except);
#endif
