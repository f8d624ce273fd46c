// Chat templates applied alone, for programs.
#include "base/clock.h"
#include "base/sized.h"
#include "text/chat_parts.h"
#include <stdlib.h>
#include <string.h>

#define CREATE "fathom_template_create"
#define APPLY "fathom_template_apply"

struct fathom_template *fathom_template_create(const struct fathom_tokenizer *tokenizer,
    const struct fathom_template_params *params, struct fathom_error *err) {
    struct fathom_template_params p = {.size = sizeof(p)};
    if (!tokenizer) {
        fm_fail(err, FATHOM_INVALID, CREATE ": tokenizer is NULL");
        return NULL;
    }
    if (!fm_sized_read(&p, sizeof(p), params, CREATE ": params", err)) return NULL;
    const struct fm_chat_source source = {
        .name = p.name,
        .text = p.text,
        .architecture = p.architecture ? p.architecture : fm_tokenizer_architecture(tokenizer),
        .now = fm_clock_local(),
    };
    return fm_chat_template_create(tokenizer, &source, err);
}

static bool null_argument(struct fathom_error *err, const char *name) {
    return fm_fail(err, FATHOM_INVALID, APPLY ": %s is NULL", name);
}

// Reads the messages of a program to an array, which the caller frees.
static bool read_messages(
    const struct fathom_conversation *c, struct fathom_message **messages, struct fathom_error *err) {
    if (!c->messages && c->n_messages) return null_argument(err, "conversation.messages");
    if (c->n_messages > SIZE_MAX / sizeof(**messages) ||
        !(*messages = calloc(c->n_messages + 1, sizeof(**messages))))
        return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory for %zu messages", c->n_messages);
    for (size_t i = 0; i < c->n_messages; i++) {
        struct fathom_message *message = &(*messages)[i];
        message->size = sizeof(*message);
        if (!c->messages[i])
            return fm_fail(err, FATHOM_INVALID, APPLY ": conversation.messages[%zu] is NULL", i);
        if (!fm_sized_read(message, sizeof(*message), c->messages[i], APPLY ": conversation.messages", err))
            return false;
        if (message->n_tool_calls && !message->tool_calls)
            return fm_fail(err, FATHOM_INVALID, APPLY ": conversation.messages[%zu].tool_calls is NULL", i);
    }
    return true;
}

// What the caller gave room for.
struct room {
    char *text;
    int32_t *ids;
    size_t text_capacity, ids_capacity;
    size_t *length, *n_tokens; // NULL: not wanted
};

static bool write_out(const struct fathom_template *t, const struct fm_chat_text *prompt,
    const struct room *room, struct fathom_error *err) {
    struct fm_tokens tokens = {0};
    if ((room->ids_capacity || room->n_tokens) && !fm_chat_encode_text(t, prompt, &tokens, err)) return false;
    if (room->text_capacity) {
        const size_t most = room->text_capacity - 1,
                     n = prompt->bytes.length < most ? prompt->bytes.length : most;
        memcpy(room->text, prompt->bytes.text, n);
        room->text[n] = 0;
    }
    const size_t n = tokens.count < room->ids_capacity ? tokens.count : room->ids_capacity;
    if (n) memcpy(room->ids, tokens.ids, n * sizeof(*tokens.ids));
    if (room->length) *room->length = prompt->bytes.length;
    if (room->n_tokens) *room->n_tokens = tokens.count;
    free(tokens.ids);
    return true;
}

bool fathom_template_apply(const struct fathom_template *chat_template,
    const struct fathom_conversation *conversation, char *text, size_t capacity, size_t *length, int32_t *ids,
    size_t n_capacity, size_t *n_tokens, struct fathom_error *err) {
    struct fathom_conversation c = {.size = sizeof(c)};
    struct fathom_message *messages = NULL;
    struct fm_chat_text prompt = {0};
    if (!chat_template) return null_argument(err, "chat_template");
    if (!conversation) return null_argument(err, "conversation");
    if (!text && capacity) return null_argument(err, "text");
    if (!ids && n_capacity) return null_argument(err, "ids");
    if (!fm_sized_read(&c, sizeof(c), conversation, APPLY ": conversation", err)) return false;
    bool done = read_messages(&c, &messages, err);
    if (done) {
        const struct fm_conversation talk = {messages, c.n_messages, c.tools, c.disable_thinking, c.complete};
        const struct room room = {text, ids, capacity, n_capacity, length, n_tokens};
        done = fm_chat_render(chat_template, &talk, &prompt, err) &&
            write_out(chat_template, &prompt, &room, err);
    }
    fm_chat_text_free(&prompt);
    free(messages);
    return done;
}
