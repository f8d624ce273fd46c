#include "engine/messages.h"
#include <stdlib.h>
#include <string.h>

static void free_message(struct fathom_message *message) {
    for (size_t i = 0; i < message->n_tool_calls; i++) {
        free((char *)message->tool_calls[i].name);
        free((char *)message->tool_calls[i].arguments);
        free((char *)message->tool_calls[i].id);
    }
    free((struct fathom_tool_call *)message->tool_calls);
    free((char *)message->content);
    free((char *)message->reasoning);
    free((char *)message->tool_call_id);
}

bool fm_copy_text(const char **copy, const char *text) {
    return !text || (*copy = strdup(text));
}

bool fm_messages_add(struct fm_messages *messages, const struct fathom_message *message) {
    if (messages->n == messages->capacity) {
        const size_t capacity = 2 * messages->capacity + 8;
        struct fathom_message *grown = realloc(messages->items, capacity * sizeof(*grown));
        if (!grown) return false;
        messages->items = grown;
        messages->capacity = capacity;
    }
    struct fathom_message copy = {.size = sizeof(copy), .role = message->role};
    struct fathom_tool_call *calls =
        message->n_tool_calls ? calloc(message->n_tool_calls, sizeof(*calls)) : NULL;
    bool fits = (calls || !message->n_tool_calls) && fm_copy_text(&copy.content, message->content) &&
        fm_copy_text(&copy.reasoning, message->reasoning) &&
        fm_copy_text(&copy.tool_call_id, message->tool_call_id);
    copy.tool_calls = calls;
    copy.n_tool_calls = calls ? message->n_tool_calls : 0;
    for (size_t i = 0; fits && i < copy.n_tool_calls; i++)
        fits = fm_copy_text(&calls[i].name, message->tool_calls[i].name) &&
            fm_copy_text(&calls[i].arguments, message->tool_calls[i].arguments) &&
            fm_copy_text(&calls[i].id, message->tool_calls[i].id);
    if (fits)
        messages->items[messages->n++] = copy;
    else
        free_message(&copy);
    return fits;
}

void fm_messages_remove(struct fm_messages *messages, size_t first, size_t end) {
    if (first >= end) return;
    for (size_t i = first; i < end; i++) free_message(&messages->items[i]);
    memmove(messages->items + first, messages->items + end, (messages->n - end) * sizeof(*messages->items));
    messages->n -= end - first;
}

void fm_messages_cut(struct fm_messages *messages, size_t n) {
    fm_messages_remove(messages, n, messages->n);
}

void fm_messages_free(struct fm_messages *messages) {
    fm_messages_cut(messages, 0);
    free(messages->items);
    *messages = (struct fm_messages){0};
}
