#include "base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10 };

struct fm_arena_block {
    struct fm_arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct fm_arena_block *new_block(size_t size) {
    if (size > SIZE_MAX - sizeof(struct fm_arena_block)) return NULL;
    struct fm_arena_block *block = calloc(1, sizeof(*block) + size);
    if (block) block->size = size;
    return block;
}

void *fm_arena_alloc(struct fm_arena *arena, size_t count, size_t size) {
    const size_t align = _Alignof(max_align_t);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - align) return NULL;
    bytes = (bytes + align - 1) / align * align;
    struct fm_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < bytes) {
        block = new_block(bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES);
        if (!block) return NULL;
        if (bytes > BLOCK_BYTES / 4 && arena->blocks) { // a dedicated block is linked after the current block
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            block->next = arena->blocks;
            arena->blocks = block;
        }
    }
    block->used += bytes;
    return block->bytes + block->used - bytes;
}

char *fm_arena_string(struct fm_arena *arena, const char *text, size_t length) {
    char *copy = length < SIZE_MAX ? fm_arena_alloc(arena, length + 1, 1) : NULL;
    if (copy) memcpy(copy, text, length);
    return copy;
}

char *fm_arena_format(struct fm_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : fm_arena_alloc(arena, (size_t)length + 1, 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void fm_arena_free(struct fm_arena *arena) {
    while (arena->blocks) {
        struct fm_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
