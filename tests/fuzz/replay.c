// Gives every file of a folder to a fuzz target: replay FOLDER. Fails if the folder has no file.
#include "fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>

static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    static uint8_t bytes[1 << 20];
    const size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1); // so that a sanitizer sees a read past the end
    if (!exact) return 0;
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

int main(int argc, char **argv) {
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: replay FOLDER\n");
        return 2;
    }
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (entry->d_name[0] != '.') n += replay(path);
    }
    closedir(dir);
    printf("%d seeds\n", n);
    return n == 0;
}
