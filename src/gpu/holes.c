// The free ranges of a block.
#include "gpu/memory.h"
#include <stdlib.h>

bool fm_holes_reserve(struct fm_holes *h) {
    if (h->n_taken + 2 <= h->capacity) return true;
    const uint32_t capacity = 2 * h->capacity + 8;
    struct fm_range *grown = realloc(h->list, capacity * sizeof(*grown));
    if (!grown) return false;
    h->list = grown;
    h->capacity = capacity;
    return true;
}

bool fm_holes_take(struct fm_holes *h, uint64_t size, uint64_t *offset) {
    for (uint32_t i = 0; i < h->n; i++) {
        struct fm_range *hole = &h->list[i];
        if (hole->size < size) continue;
        *offset = hole->offset;
        hole->offset += size;
        hole->size -= size;
        if (hole->size == 0) memmove(hole, hole + 1, (--h->n - i) * sizeof(*hole));
        h->n_taken++;
        return true;
    }
    return false;
}

void fm_holes_give_back(struct fm_holes *h, uint64_t offset, uint64_t size) {
    uint32_t i = 0;
    h->n_taken--;
    while (i < h->n && h->list[i].offset < offset) i++;
    struct fm_range *r = h->list;
    const bool left = i > 0 && r[i - 1].offset + r[i - 1].size == offset,
               right = i < h->n && offset + size == r[i].offset;
    if (left && right) {
        r[i - 1].size += size + r[i].size;
        memmove(&r[i], &r[i + 1], (--h->n - i) * sizeof(*r));
    } else if (left) {
        r[i - 1].size += size;
    } else if (right) {
        r[i].offset = offset;
        r[i].size += size;
    } else {
        memmove(&r[i + 1], &r[i], (h->n++ - i) * sizeof(*r));
        r[i] = (struct fm_range){offset, size};
    }
}

void fm_holes_add(struct fm_holes *h, uint64_t offset, uint64_t size) {
    h->list[h->n++] = (struct fm_range){offset, size};
}
