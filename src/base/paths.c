#include "base/paths.h"
#include "base/folder.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool fm_same_file(const char *a, const char *b) {
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && same(&first, &second);
}

bool fm_folder_holds(const char *folder, const char *path, const char *except) {
    struct stat wanted, found;
    DIR *dir = stat(path, &wanted) == 0 ? opendir(folder) : NULL;
    bool holds = false;
    if (!dir) return false;
    for (const struct dirent *entry; !holds && (entry = readdir(dir));)
        holds = !fm_has_suffix(entry->d_name, except) && fstatat(dirfd(dir), entry->d_name, &found, 0) == 0 &&
            same(&wanted, &found);
    closedir(dir);
    return holds;
}
