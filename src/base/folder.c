#include "base/folder.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add(struct fm_folder *folder, size_t *capacity, const char *name) {
    if (folder->count == *capacity) {
        const size_t larger = *capacity ? 2 * *capacity : 32;
        char **names = realloc(folder->names, larger * sizeof(*names));
        if (!names) return false;
        folder->names = names;
        *capacity = larger;
    }
    char *copy = strdup(name);
    if (copy) folder->names[folder->count++] = copy;
    return copy != NULL;
}

bool fm_folder_read(struct fm_folder *folder, const char *path, struct fathom_error *err) {
    *folder = (struct fm_folder){0};
    DIR *dir = opendir(path);
    if (!dir) return fm_fail(err, FATHOM_IO, "%s: cannot open: %s", path, strerror(errno));
    size_t capacity = 0;
    bool ok = true;
    for (const struct dirent *entry; ok && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = add(folder, &capacity, entry->d_name) ||
                fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory for its names", path);
    closedir(dir);
    if (folder->count) qsort(folder->names, folder->count, sizeof(*folder->names), by_name);
    return ok;
}

void fm_folder_free(struct fm_folder *folder) {
    for (size_t i = 0; i < folder->count; i++) free(folder->names[i]);
    free(folder->names);
    *folder = (struct fm_folder){0};
}

const char *fm_folder_find(const struct fm_folder *folder, const char *name) {
    const char *found = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        if (!strcmp(folder->names[i], name)) return folder->names[i];
        if (!found && !strcasecmp(folder->names[i], name)) found = folder->names[i];
    }
    return found;
}

bool fm_has_suffix(const char *name, const char *suffix) {
    const size_t length = strlen(name), n = strlen(suffix);
    return length >= n && !strcasecmp(name + length - n, suffix);
}

static bool five_digits(const char *text, unsigned *value) {
    *value = 0;
    for (int i = 0; i < 5; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *value = 10 * *value + (unsigned)(text[i] - '0');
    }
    return true;
}

bool fm_is_shard(const char *name, const char *suffix, unsigned *number, unsigned *count) {
    enum { MIDDLE = 15 }; // "-00002-of-00003"
    const size_t length = strlen(name), n = strlen(suffix);
    if (length < MIDDLE + n || !fm_has_suffix(name, suffix)) return false;
    const char *middle = name + length - n - MIDDLE;
    return middle[0] == '-' && five_digits(middle + 1, number) && !strncasecmp(middle + 6, "-of-", 4) &&
        five_digits(middle + 10, count);
}
