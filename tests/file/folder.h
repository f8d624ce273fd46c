// A folder of a test's own, made from one of tests/data/reference/ with changes, and removed again.
#ifndef TEST_FILE_FOLDER_H
#define TEST_FILE_FOLDER_H
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFERENCE FATHOM_SOURCE_DIR "/tests/data/reference/"

struct folder {
    char path[64];
};

static inline void folder_file(const struct folder *f, const char *name, char path[1024]) {
    snprintf(path, 1024, "%s/%s", f->path, name);
}

static inline char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) abort();
    fclose(file);
    return text;
}

static inline void write_bytes(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
}

// A folder with links to all files of the model.
static inline void folder_make(struct folder *f, const char *model) {
    char from[1024], to[1024], name[256];
    strcpy(f->path, "/tmp/fathom-file-XXXXXX");
    if (!mkdtemp(f->path)) abort();
    snprintf(from, sizeof(from), REFERENCE "%s", model);
    DIR *dir = opendir(from);
    if (!dir) abort();
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof(name), "%s", entry->d_name);
        snprintf(from, sizeof(from), REFERENCE "%s/%s", model, name);
        folder_file(f, name, to);
        if (symlink(from, to) != 0) abort();
    }
    closedir(dir);
}

// Replaces the first `old` in a file by `new`. The link becomes a file of its own.
static inline void folder_edit(const struct folder *f, const char *name, const char *old, const char *new) {
    char path[1024];
    folder_file(f, name, path);
    char *text = read_text(path), *found = strstr(text, old), *edited = malloc((1 << 20) + strlen(new));
    if (!found || !edited) abort();
    const size_t size =
        (size_t)sprintf(edited, "%.*s%s%s", (int)(found - text), text, new, found + strlen(old));
    if (unlink(path) != 0) abort();
    write_bytes(path, edited, size);
    free(text);
    free(edited);
}

// The number of files in the folder.
static inline int folder_count(const struct folder *f) {
    DIR *dir = opendir(f->path);
    int n = 0;
    if (!dir) abort();
    for (const struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static inline void folder_remove(struct folder *f) {
    char path[1024];
    DIR *dir = opendir(f->path);
    if (!dir) abort();
    for (const struct dirent *entry; (entry = readdir(dir));) {
        folder_file(f, entry->d_name, path);
        if (entry->d_name[0] != '.' && unlink(path) != 0) abort();
    }
    closedir(dir);
    if (rmdir(f->path) != 0) abort();
}
#endif
