#include "base/names.h"
#include <stdlib.h>
#include <string.h>

uint64_t fm_hash(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

// Returns the slot that holds the name, or the free slot where the name belongs.
static struct fm_name *slot_of(const struct fm_names *names, const char *name) {
    size_t i = fm_hash(name, strlen(name)) & (names->capacity - 1);
    while (names->slots[i].name && strcmp(names->slots[i].name, name) != 0)
        i = (i + 1) & (names->capacity - 1);
    return &names->slots[i];
}

static bool grow(struct fm_names *names) {
    struct fm_names larger = {.capacity = names->capacity ? 2 * names->capacity : 64, .count = names->count};
    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (!larger.slots) return false;
    for (size_t i = 0; i < names->capacity; i++)
        if (names->slots[i].name) *slot_of(&larger, names->slots[i].name) = names->slots[i];
    free(names->slots);
    *names = larger;
    return true;
}

enum fm_names_result fm_names_add(struct fm_names *names, const char *name, uint32_t value) {
    if (2 * (names->count + 1) > names->capacity && !grow(names)) return FM_NAMES_NO_MEMORY;
    struct fm_name *slot = slot_of(names, name);
    if (slot->name) return FM_NAMES_DUPLICATE;
    *slot = (struct fm_name){name, value};
    names->count++;
    return FM_NAMES_ADDED;
}

bool fm_names_find(const struct fm_names *names, const char *name, uint32_t *value) {
    if (!names->capacity) return false;
    const struct fm_name *slot = slot_of(names, name);
    if (!slot->name) return false;
    *value = slot->value;
    return true;
}

void fm_names_free(struct fm_names *names) {
    free(names->slots);
    *names = (struct fm_names){0};
}
