// The messages of a conversation, with their texts.
#ifndef FM_ENGINE_MESSAGES_H
#define FM_ENGINE_MESSAGES_H
#include <fathom/message.h>
#include <stdbool.h>

struct fm_messages { struct fathom_message *items; size_t n, capacity; };

bool fm_messages_add(struct fm_messages *messages, const struct fathom_message *message); // a copy; false: out of memory
void fm_messages_cut(struct fm_messages *messages, size_t n);                             // all but the first n are dropped
void fm_messages_free(struct fm_messages *messages);
#endif
