// The messages of a conversation. The list owns copies of their texts.
#ifndef FM_ENGINE_MESSAGES_H
#define FM_ENGINE_MESSAGES_H
#include <fathom/message.h>
#include <stdbool.h>

struct fm_messages {
    struct fathom_message *items;
    size_t n, capacity;
};

// Copies a text, which may be NULL; *copy is NULL before. False: out of memory.
bool fm_copy_text(const char **copy, const char *text);
// Adds a copy. False: out of memory.
bool fm_messages_add(struct fm_messages *messages, const struct fathom_message *message);
void fm_messages_remove(
    struct fm_messages *messages, size_t first, size_t end);  // those from first to end - 1
void fm_messages_cut(struct fm_messages *messages, size_t n); // keeps the first n
void fm_messages_free(struct fm_messages *messages);
#endif
