// Makes the keys of the chat templates of a folder.
#include "base/mapped_file.h"
#include "file/hub/hub_parts.h"
#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMED = 16 };

// The named templates that are not the default one, for the key that lists them.
struct templates {
    struct fm_hub *hub;
    bool has_default;
    struct fm_string *names; // [MAX_NAMED], in the arena
    size_t n;
};

// As llama.cpp's converter: "default" is the chat template itself; other names keep letters, digits and _.
static bool add_named(struct templates *t, const char *name, const char *text) {
    struct fm_hub *hub = t->hub;
    if (!name || !text) return true;
    if (!strcmp(name, "default")) {
        if (!t->has_default) fm_hub_set_string(hub, "tokenizer.chat_template", text);
        t->has_default = true;
        return !hub->failed;
    }
    if (t->n == MAX_NAMED) return true;
    char *plain = (char *)fm_arena_string(&hub->tensors->arena, name, strlen(name));
    if (!plain) return fm_no_memory(hub->tensors, hub->err);
    size_t length = 0;
    for (const char *at = name; *at; at++)
        if (isalnum((unsigned char)*at) || *at == '_') plain[length++] = *at;
    plain[length] = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->names[i].text, plain)) return true; // an earlier source has it
    const char *key = fm_arena_format(&hub->tensors->arena, "tokenizer.chat_template.%s", plain);
    if (!key) return fm_no_memory(hub->tensors, hub->err);
    if (length) {
        t->names[t->n++] = (struct fm_string){plain, length};
        fm_hub_set_string(hub, key, text);
    }
    return !hub->failed;
}

// A string, a list of {"name": ..., "template": ...}, or an object of texts by name.
static bool add_value(struct templates *t, const cJSON *value) {
    const cJSON *entry;
    if (cJSON_IsString(value)) return add_named(t, "default", value->valuestring);
    cJSON_ArrayForEach(entry, value) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "name")),
                   *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "template"));
        if (cJSON_IsString(entry)) name = entry->string, text = entry->valuestring;
        if (!add_named(t, name, text)) return false;
    }
    return true;
}

static bool add_file(struct templates *t, const char *name, const char *file_name) {
    const char *path = fm_hub_path(t->hub, file_name);
    struct fm_mapped_file file;
    if (!path) return false;
    if (access(path, F_OK) != 0) return true;
    if (!fm_mapped_file_open(&file, path, t->hub->err)) return false;
    const char *text = fm_arena_string(&t->hub->tensors->arena, (const char *)file.data, file.size);
    fm_mapped_file_close(&file);
    return text ? add_named(t, name, text) : fm_no_memory(t->hub->tensors, t->hub->err);
}

static bool add_json(struct templates *t, const char *file_name) {
    cJSON *json;
    if (!fm_hub_json(t->hub, file_name, &json)) return false;
    const bool added = add_value(t, cJSON_GetObjectItemCaseSensitive(json, "chat_template"));
    cJSON_Delete(json);
    return added;
}

// chat_template.jinja overrides tokenizer_config.json, as in transformers. chat_template.json belongs to
// older folders.
bool fm_hub_chat_templates(struct fm_hub *hub, const cJSON *config) {
    struct templates t = {.hub = hub};
    struct fm_tensors *tensors = hub->tensors;
    if (!(t.names = fm_arena_alloc(&tensors->arena, MAX_NAMED, sizeof(*t.names))))
        return fm_no_memory(tensors, hub->err);
    if (!add_file(&t, "default", "chat_template.jinja") ||
        !add_file(&t, "tool_use", "additional_chat_templates/tool_use.jinja") ||
        !add_value(&t, cJSON_GetObjectItemCaseSensitive(config, "chat_template")) ||
        !add_json(&t, "chat_template.json"))
        return false;
    if (t.n)
        fm_hub_set(hub, "tokenizer.chat_templates",
            (struct fm_meta_value){
                .type = FM_META_ARRAY,
                .element = FM_META_STRING,
                .count = t.n,
                .strings = t.names,
            });
    return !hub->failed;
}

struct fm_tensors *fm_folder_templates(const char *path, struct fathom_error *err) {
    struct fm_hub hub = {.dir = path, .tensors = fm_tensors_new(path, err), .err = err};
    cJSON *config = NULL;
    if (!hub.tensors) return NULL;
    if (!fm_hub_json(&hub, "tokenizer_config.json", &config) || !fm_hub_chat_templates(&hub, config))
        fm_tensors_close(&hub.tensors);
    cJSON_Delete(config);
    return hub.tensors;
}
