// A map from names to numbers, for tensors and metadata keys. The map does not copy the names.
#ifndef FM_BASE_NAMES_H
#define FM_BASE_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fm_name {
    const char *name;
    uint32_t value;
};
struct fm_names {
    struct fm_name *slots; // open addressing; capacity is a power of two
    size_t count, capacity;
};

// FNV-1a, 64 bits.
uint64_t fm_hash(const void *data, size_t size);

enum fm_names_result { FM_NAMES_ADDED, FM_NAMES_DUPLICATE, FM_NAMES_NO_MEMORY };
enum fm_names_result fm_names_add(struct fm_names *names, const char *name, uint32_t value);
bool fm_names_find(const struct fm_names *names, const char *name, uint32_t *value);
void fm_names_free(struct fm_names *names);
#endif
