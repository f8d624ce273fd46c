// Memory that is freed all at once: the names and small tables of one object.
#ifndef FM_BASE_ARENA_H
#define FM_BASE_ARENA_H
#include <stddef.h>

struct fm_arena_block;
struct fm_arena {
    struct fm_arena_block *blocks;
};

// Returns zeroed memory, aligned for any type. Returns NULL when there is no memory or count * size
// overflows. A count of 0 alone does not give NULL.
void *fm_arena_alloc(struct fm_arena *arena, size_t count, size_t size);
// Returns a zero-terminated copy.
char *fm_arena_string(struct fm_arena *arena, const char *text, size_t length);
char *fm_arena_format(struct fm_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fm_arena_free(struct fm_arena *arena);
#endif
