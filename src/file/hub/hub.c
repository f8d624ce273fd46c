#include "file/hub/hub.h"
#include "file/hub/hub_parts.h"
#include <string.h>
#include <unistd.h>

const char *fm_hub_path(struct fm_hub *hub, const char *name) {
    const size_t length = strlen(hub->dir);
    const char *path = fm_arena_format(
        &hub->tensors->arena, "%s%s%s", hub->dir, length && hub->dir[length - 1] == '/' ? "" : "/", name);
    if (!path) hub->failed = !fm_no_memory(hub->tensors, hub->err);
    return path;
}

bool fm_hub_json(struct fm_hub *hub, const char *name, cJSON **json) {
    const char *path = fm_hub_path(hub, name);
    *json = NULL;
    return path && (access(path, F_OK) != 0 || (*json = fm_json_load(path, hub->err)));
}

void fm_hub_set(struct fm_hub *hub, const char *key, struct fm_meta_value value) {
    if (hub->failed) return;
    value.key = fm_arena_format(&hub->tensors->arena, "%s%s", key[0] == '.' ? hub->arch->name : "", key);
    if (!value.key)
        hub->failed = !fm_no_memory(hub->tensors, hub->err);
    else if (!fm_meta_add(&hub->tensors->meta, value, hub->err))
        hub->failed = true;
}

void fm_hub_set_u32(struct fm_hub *hub, const char *key, uint32_t value) {
    fm_hub_set(hub, key, (struct fm_meta_value){.type = FM_META_U32, .u = value});
}

void fm_hub_set_f32(struct fm_hub *hub, const char *key, double value) {
    fm_hub_set(hub, key, (struct fm_meta_value){.type = FM_META_F32, .f = (float)value});
}

void fm_hub_set_bool(struct fm_hub *hub, const char *key, bool value) {
    fm_hub_set(hub, key, (struct fm_meta_value){.type = FM_META_BOOL, .u = value});
}

void fm_hub_set_string(struct fm_hub *hub, const char *key, const char *text) {
    const char *copy = fm_arena_string(&hub->tensors->arena, text, strlen(text));
    if (!copy) hub->failed = !fm_no_memory(hub->tensors, hub->err);
    fm_hub_set(hub, key, (struct fm_meta_value){.type = FM_META_STRING, .string = {copy, strlen(text)}});
}

struct fm_tensors *fm_hub_open(const char *dir, struct fathom_error *err) {
    struct fm_hub hub = {.dir = dir, .err = err};
    hub.tensors = fm_tensors_new(dir, err);
    if (!hub.tensors) return NULL;
    hub.tensors->hub = true;
    cJSON *config = NULL;
    hub.path = fm_hub_path(&hub, "config.json");
    if (!hub.path) goto fail;
    config = fm_json_load(hub.path, err);
    if (!config) goto fail;
    hub.config = config;
    if (!fm_hub_keys(&hub) || !fm_hub_weights(&hub) || !fm_hub_tokenizer(&hub) || !fm_hub_sampling(&hub))
        goto fail;
    cJSON_Delete(config);
    return hub.tensors;
fail:
    cJSON_Delete(config);
    fm_tensors_close(&hub.tensors);
    return NULL;
}
