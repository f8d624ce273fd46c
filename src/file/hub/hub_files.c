// The safetensors files of a hub folder, and which of their tensors the directory uses.
#include "base/folder.h"
#include "file/hub/hub_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct fm_hub_files *f) {
    return fm_no_memory(f->hub->tensors, f->hub->err);
}

static bool grow(struct fm_hub_files *f) {
    struct fm_tensors *tensors = f->hub->tensors;
    if (tensors->n_files < f->capacity) return true;
    const size_t capacity = f->capacity ? 2 * f->capacity : 4;
    void *files = realloc(tensors->files, capacity * sizeof(*tensors->files));
    if (files) tensors->files = files;
    void *contents = realloc(f->contents, capacity * sizeof(*f->contents));
    if (contents) f->contents = contents;
    void *names = realloc(f->names, capacity * sizeof(*f->names));
    if (names) f->names = names;
    if (!files || !contents || !names) return no_memory(f);
    f->capacity = capacity;
    return true;
}

static bool open_file(struct fm_hub_files *f, const char *name) {
    struct fm_tensors *tensors = f->hub->tensors;
    const char *path = fm_hub_path(f->hub, name);
    if (!path || !grow(f)) return false;
    const size_t i = tensors->n_files;
    if (!fm_mapped_file_open(&tensors->files[i], path, f->hub->err)) return false;
    f->names[i] = path;
    f->contents[i] = (struct fm_safetensors){0};
    tensors->n_files++;
    return fm_safetensors_from_memory(
        &f->contents[i], path, tensors->files[i].data, tensors->files[i].size, f->hub->err);
}

// The name of an entry of the index, without a leading "./". Returns NULL when the entry is no name of a file
// in the folder.
static const char *file_of(const cJSON *entry) {
    const char *name = cJSON_GetStringValue(entry);
    while (name && !strncmp(name, "./", 2))
        for (name += 2; *name == '/';) name++;
    return name && *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 ? name
                                                                                                    : NULL;
}

// Opens every file that the index names, each once.
static bool open_indexed(struct fm_hub_files *f, const char *path, const cJSON *map) {
    if (!cJSON_IsObject(map))
        return fm_fail(f->hub->err, FATHOM_INVALID, "%s: key weight_map is missing or not an object", path);
    struct fm_names seen = {0};
    bool ok = true;
    const cJSON *entry;
    cJSON_ArrayForEach(entry, map) {
        const char *name = file_of(entry);
        if (!name)
            ok = fm_fail(f->hub->err, FATHOM_INVALID,
                "%s: the file of tensor %.200s is not a name in this folder", path, entry->string);
        const enum fm_names_result result = ok ? fm_names_add(&seen, name, 0) : FM_NAMES_DUPLICATE;
        if (result == FM_NAMES_NO_MEMORY) ok = no_memory(f);
        if (result == FM_NAMES_ADDED) ok = open_file(f, name);
        if (!ok) break;
    }
    fm_names_free(&seen);
    return ok;
}

// Every tensor of the index must be in the file that the index says.
static bool check_index(struct fm_hub_files *f, const char *path, const cJSON *map) {
    const cJSON *entry;
    cJSON_ArrayForEach(entry, map) {
        uint32_t i;
        if (!fm_names_find(&f->index, entry->string, &i))
            return fm_fail(f->hub->err, FATHOM_INVALID, "%s: tensor %.200s is in none of the files", path,
                entry->string);
        const char *file = f->names[f->stored[i].file], *slash = strrchr(file, '/'), *name = file_of(entry);
        if (strcmp(slash ? slash + 1 : file, name) != 0)
            return fm_fail(f->hub->err, FATHOM_INVALID, "%s: tensor %.128s is in %.128s, not in %.128s", path,
                entry->string, slash ? slash + 1 : file, name);
    }
    return true;
}

static bool index_tensors(struct fm_hub_files *f) {
    size_t n = 0;
    for (size_t i = 0; i < f->hub->tensors->n_files; i++) n += f->contents[i].count;
    f->stored = calloc(n + 1, sizeof(*f->stored));
    if (!f->stored || n > UINT32_MAX) return no_memory(f);
    for (uint32_t i = 0; i < f->hub->tensors->n_files; i++) {
        for (size_t j = 0; j < f->contents[i].count; j++) {
            const struct fm_safetensor *tensor = &f->contents[i].list[j];
            switch (fm_names_add(&f->index, tensor->name, (uint32_t)f->n_stored)) {
            case FM_NAMES_DUPLICATE:
                return fm_fail(f->hub->err, FATHOM_INVALID, "%s: tensor %s is in another file too",
                    f->names[i], tensor->name);
            case FM_NAMES_NO_MEMORY: return no_memory(f);
            case FM_NAMES_ADDED: f->stored[f->n_stored++] = (struct fm_hub_stored){tensor, i, false};
            }
        }
    }
    return true;
}

static bool open_index(struct fm_hub_files *f, const char *name) {
    const char *path = fm_hub_path(f->hub, name);
    cJSON *json = path ? fm_json_load(path, f->hub->err) : NULL;
    if (!json) return false;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "weight_map");
    const bool ok = open_indexed(f, path, map) && index_tensors(f) && check_index(f, path, map);
    cJSON_Delete(json);
    return ok;
}

// Opens model-00001-of-N.safetensors to model-N-of-N.safetensors, of a folder without an index.
static bool open_shards(struct fm_hub_files *f, const struct fm_folder *folder, unsigned count) {
    for (unsigned i = 1; i <= count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "model-%05u-of-%05u.safetensors", i, count);
        const char *found = fm_folder_find(folder, name);
        if (!open_file(f, found ? found : name)) return false;
    }
    return index_tensors(f);
}

// model.safetensors counts before an index, as transformers has it: an index beside it is left over from
// shards.
static bool open_found(struct fm_hub_files *f, const struct fm_folder *folder) {
    const char *one = fm_folder_find(folder, "model.safetensors"), *other = NULL,
               *index = fm_folder_find(folder, "model.safetensors.index.json");
    if (one) return open_file(f, one) && index_tensors(f);
    if (index) return open_index(f, index);
    for (size_t i = 0; i < folder->count; i++) {
        const char *name = folder->names[i];
        unsigned number, count;
        if (fm_is_shard(name, ".safetensors", &number, &count) && count && !strncmp(name, "model-", 6))
            return open_shards(f, folder, count);
        if (fm_has_suffix(name, ".bin") || fm_has_suffix(name, ".pth") || fm_has_suffix(name, ".pt") ||
            fm_has_suffix(name, ".safetensors"))
            other = name;
    }
    if (!other) return open_file(f, "model.safetensors");
    return fm_fail(f->hub->err, FATHOM_UNSUPPORTED,
        "%s: holds %s, but no model.safetensors and no model.safetensors.index.json", f->hub->dir, other);
}

// Integers that AWQ, GPTQ, bitsandbytes and others pack into a matrix.
static bool check_packed(const struct fm_hub_files *f) {
    static const char *const suffixes[] = {
        ".qweight", ".weight_packed", ".weight.absmax", ".SCB", ".trellis", ".W_q"};
    for (size_t i = 0; i < f->n_stored; i++)
        for (size_t j = 0; j < sizeof(suffixes) / sizeof(*suffixes); j++)
            if (fm_has_suffix(f->stored[i].tensor->name, suffixes[j]))
                return fm_fail(f->hub->err, FATHOM_UNSUPPORTED,
                    "%s: tensor %s is of a quantizer such as AWQ, GPTQ or bitsandbytes, which is not read; "
                    "the original folder in BF16 or FP8, or a GGUF file of the model, is",
                    f->hub->dir, f->stored[i].tensor->name);
    return true;
}

bool fm_hub_files_open(struct fm_hub_files *f) {
    struct fm_folder folder;
    const bool ok = fm_folder_read(&folder, f->hub->dir, f->hub->err) && open_found(f, &folder);
    fm_folder_free(&folder);
    return ok && check_packed(f);
}

void fm_hub_files_free(struct fm_hub_files *f) {
    for (size_t i = 0; i < f->hub->tensors->n_files && f->contents; i++) fm_safetensors_free(&f->contents[i]);
    free(f->contents);
    free(f->names);
    free(f->stored);
    fm_names_free(&f->index);
}

const struct fm_safetensor *fm_hub_find(const struct fm_hub_files *f, const char *name) {
    uint32_t i;
    return fm_names_find(&f->index, name, &i) ? f->stored[i].tensor : NULL;
}

const struct fm_safetensor *fm_hub_use(struct fm_hub_files *f, const char *name) {
    uint32_t i;
    if (!fm_names_find(&f->index, name, &i)) return NULL;
    f->stored[i].used = true;
    return f->stored[i].tensor;
}

// What quantizes activations and caches, which stay floats here, and a table that follows from rope_theta.
static bool is_needless(const char *last) {
    static const char *const names[] = {"input_scale", "input_scale_ub", "input_global_scale",
        "input_zero_point", "act_scale", "activation_scale", "output_scale", "output_zero_point", "q_scale",
        "k_scale", "v_scale", "kv_scale", "prob_scale", "inv_freq"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(last, names[i])) return true;
    return false;
}

// Whether a tensor's name says that it changes what the layers compute. Another model in the folder, such as
// an image encoder, has layers too, under a longer name.
static bool matters(const struct fm_hub_files *f, const char *name) {
    static const char *const words[] = {"norm", "bias", "scale", "sink", "lora"};
    const char *last = strrchr(name, '.'), *layer = strncmp(name, "model.", 6) ? name : name + 6;
    char stem[512];
    unsigned i;
    uint32_t weight;
    if (!last || is_needless(last + 1)) return false;
    snprintf(stem, sizeof(stem), "%.*s.weight", (int)(last - name), name);
    if (strcmp(last, ".weight") != 0 && fm_names_find(&f->index, stem, &weight) && f->stored[weight].used)
        return true;
    if (sscanf(layer, "layers.%u.", &i) != 1 || i >= f->hub->n_layers) return false;
    for (size_t j = 0; j < sizeof(words) / sizeof(*words); j++)
        if (strstr(name, words[j])) return true;
    return false;
}

bool fm_hub_check_used(struct fm_hub_files *f) {
    for (size_t i = 0; i < f->n_stored; i++) {
        const char *name = f->stored[i].tensor->name;
        if (!f->stored[i].used && matters(f, name))
            return fm_fail(f->hub->err, FATHOM_UNSUPPORTED,
                "%s: tensor %s would change the result, and the model_type %s of Fathom has no use for it",
                f->hub->dir, name, f->hub->arch->model_type);
    }
    return true;
}
