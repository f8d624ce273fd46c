// What a path that is a folder stands for: a hub folder, or the one GGUF model in it.
#include "base/folder.h"
#include "file/gguf/gguf.h"
#include "file/hub/hub.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct found {
    const char *model; // the first GGUF file that a model begins with
    const char *part;  // a later file of a split model
    size_t n_models, n_safetensors;
    bool config;
};

// Files beside a model that are no model: the image encoder's and the importance matrix of `llama-imatrix`.
static bool is_beside(const char *name) {
    return !strncasecmp(name, "mmproj", 6) || !strncasecmp(name, "imatrix", 7);
}

static struct found look(const struct fm_folder *folder, char list[300]) {
    struct found f = {.config = fm_folder_find(folder, "config.json") != NULL};
    size_t length = 0;
    list[0] = 0;
    for (size_t i = 0; i < folder->count; i++) {
        const char *name = folder->names[i];
        unsigned number, count;
        f.n_safetensors += fm_has_suffix(name, ".safetensors");
        if (!fm_has_suffix(name, ".gguf") || is_beside(name)) continue;
        if (fm_is_shard(name, ".gguf", &number, &count) && number != 1) {
            f.part = name;
            continue;
        }
        if (!f.n_models++) f.model = name;
        if (length + strlen(name) + 8 < 300)
            length += (size_t)snprintf(list + length, 300 - length, "%s%s", length ? ", " : "", name);
        else if (length < 296 && strcmp(list + length - 3, "...") != 0)
            length += (size_t)snprintf(list + length, 300 - length, " ...");
    }
    return f;
}

static bool is_hub(const struct found *f) {
    return (f->config && (f->n_safetensors || !f->n_models)) || (!f->n_models && !f->part);
}

bool fm_folder_holds_gguf(const char *path) {
    struct fm_folder folder;
    char list[300];
    bool holds = false;
    if (fm_folder_read(&folder, path, NULL)) {
        const struct found f = look(&folder, list);
        holds = !is_hub(&f) && f.n_models == 1;
    }
    fm_folder_free(&folder);
    return holds;
}

struct fm_tensors *fm_folder_open(const char *path, struct fathom_error *err) {
    struct fm_folder folder;
    struct fm_tensors *tensors = NULL;
    char list[300];
    if (!fm_folder_read(&folder, path, err)) {
        fm_folder_free(&folder);
        return NULL;
    }
    const struct found f = look(&folder, list);
    if (is_hub(&f)) {
        tensors = fm_hub_open(path, err);
    } else if (f.n_models > 1) {
        fm_fail(
            err, FATHOM_INVALID, "%s: holds %zu models; name the file of one: %s", path, f.n_models, list);
    } else if (!f.n_models) {
        fm_fail(err, FATHOM_INVALID, "%s: holds %s, a later file of a split model, without the first", path,
            f.part);
    } else {
        const size_t size = strlen(path) + strlen(f.model) + 2;
        char *file = malloc(size);
        if (file) snprintf(file, size, "%s%s%s", path, fm_has_suffix(path, "/") ? "" : "/", f.model);
        tensors = file ? fm_gguf_open(file, err) : NULL;
        if (!file) fm_fail(err, FATHOM_NO_MEMORY, "%s: out of host memory", path);
        free(file);
    }
    fm_folder_free(&folder);
    return tensors;
}
