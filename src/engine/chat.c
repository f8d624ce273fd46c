// Creates chats, and edits their conversations. A session reads what changed when the next question comes.
#include "engine/chat.h"
#include "base/clock.h"
#include "base/sized.h"
#include <stdlib.h>
#include <string.h>

struct fathom_chat *fm_chat_create(
    struct fathom_engine *engine, struct fm_talk *talk, struct fathom_error *err) {
    struct fathom_chat *chat = calloc(1, sizeof(*chat));
    if (!chat) {
        fm_talk_free(talk);
        fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory");
        return NULL;
    }
    chat->engine = engine;
    chat->talk = *talk;
    *talk = (struct fm_talk){0};
    if (!engine->tokenizer) {
        fm_fail(err, FATHOM_INVALID, "the model has no tokenizer: it can give logits, but cannot read text");
        goto fail;
    }
    if (chat->talk.raw) return chat;
    const struct fm_chat_source source = {
        .name = chat->talk.template_name,
        .text = chat->talk.template_text,
        .architecture = fathom_engine_get_info(engine)->architecture,
        .now = chat->talk.now,
    };
    if (!(chat->chat_template = fm_chat_template_create(engine->tokenizer, &source, err)) ||
        (chat->talk.tools && !fm_chat_check_tools(chat->chat_template, chat->talk.tools, err)) ||
        !fm_chat_check_messages(
            chat->chat_template, chat->talk.messages.items, chat->talk.messages.n, false, err))
        goto fail;
    chat->call_style = fm_chat_call_style(chat->chat_template, chat->talk.tools);
    return chat;
fail:
    fathom_chat_destroy(&chat);
    return NULL;
}

// The conversation that parameters begin. fm_chat_create() checks what needs the template.
static bool begin_talk(struct fm_talk *talk, const struct fathom_chat_params *p,
    const struct fathom_template_params *t, struct fathom_error *err) {
    struct fathom_message system = {.size = sizeof(system), .role = FATHOM_ROLE_SYSTEM, .content = p->system};
    const size_t n_system = p->system != NULL;
    const struct fm_talk begun = {
        .raw = p->raw,
        .now = fm_clock_local(),
        .template_name = t->name,
        .template_text = t->text,
        .tools = p->tools,
        .messages = {.items = &system, .n = n_system},
        .n_system = n_system,
    };
    const char *foreign = p->tools ? "tools need" : p->system ? "a system prompt needs" : NULL;
    if (p->raw && foreign)
        return fm_fail(err, FATHOM_INVALID, "chat: %s a template, and a raw text has none", foreign);
    if (p->raw && (t->name || t->text))
        return fm_fail(err, FATHOM_INVALID, "chat: a template and a raw text are asked for; one is wanted");
    return fm_talk_copy(talk, &begun) || fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory");
}

struct fathom_chat *fathom_chat_create(
    struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err) {
    if (!FM_GIVEN(engine, "engine", err)) return NULL;
    struct fathom_chat_params p = {.size = sizeof(p)};
    struct fathom_template_params t = {.size = sizeof(t)};
    struct fm_talk talk;
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_chat_create: params", err) ||
        !fm_sized_read(&t, sizeof(t), p.chat_template, "fathom_chat_create: params.chat_template", err) ||
        !begin_talk(&talk, &p, &t, err))
        return NULL;
    struct fathom_chat *chat = fm_chat_create(engine, &talk, err);
    if (chat && !(chat->session = fathom_session_create(engine, p.session, err))) fathom_chat_destroy(&chat);
    return chat;
}

void fathom_chat_destroy(struct fathom_chat **pointer) {
    struct fathom_chat *chat = pointer ? *pointer : NULL;
    if (!chat) return;
    fm_answer_free(&chat->reply);
    fm_talk_free(&chat->talk);
    fathom_session_destroy(&chat->session);
    fathom_template_destroy(&chat->chat_template);
    free(chat);
    *pointer = NULL;
}

struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat) {
    if (!chat) return NULL;
    return chat->session;
}

// ---- Conversation ----------------------------------------------------------------------------------------

bool fm_chat_edits(const struct fathom_chat *chat, const char *function, struct fathom_error *err) {
    return !chat->talk.raw ||
        fm_fail(err, FATHOM_INVALID,
            "%s: a raw text has no messages; fathom_session_truncate() shortens the text", function);
}

bool fathom_chat_add(struct fathom_chat *chat, const struct fathom_message *given, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err) || !FM_GIVEN(given, "message", err)) return false;
    struct fm_messages *messages = &chat->talk.messages;
    struct fathom_message message = {.size = sizeof(message)};
    if (!fm_sized_read(&message, sizeof(message), given, "fathom_chat_add: message", err) ||
        !fm_chat_edits(chat, "fathom_chat_add", err))
        return false;
    if (message.n_tool_calls && !message.tool_calls)
        return fm_fail(err, FATHOM_INVALID,
            "fathom_chat_add: message.tool_calls is NULL, message.n_tool_calls is %zu", message.n_tool_calls);
    if (!fm_messages_add(messages, &message))
        return fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the message");
    if (fm_chat_check_messages(chat->chat_template, messages->items, messages->n, false, err)) return true;
    fm_messages_cut(messages, messages->n - 1);
    return false;
}

size_t fathom_chat_count(const struct fathom_chat *chat) {
    if (!chat) return 0;
    return chat->talk.messages.n;
}

const struct fathom_message *fathom_chat_get(const struct fathom_chat *chat, size_t i) {
    if (!chat) return NULL;
    return i < chat->talk.messages.n ? &chat->talk.messages.items[i] : NULL;
}

bool fathom_chat_truncate(struct fathom_chat *chat, size_t n_messages, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return false;
    struct fm_messages *messages = &chat->talk.messages;
    if (!fm_chat_edits(chat, "fathom_chat_truncate", err)) return false;
    if (n_messages > messages->n)
        return fm_fail(err, FATHOM_INVALID,
            "fathom_chat_truncate: n_messages is %zu, the conversation has %zu messages", n_messages,
            messages->n);
    fm_messages_cut(messages, n_messages > chat->talk.n_system ? n_messages : chat->talk.n_system);
    return true;
}

bool fathom_chat_drop_oldest(
    struct fathom_chat *chat, size_t n_turns, size_t *n_dropped, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return false;
    struct fm_messages *messages = &chat->talk.messages;
    if (!fm_chat_edits(chat, "fathom_chat_drop_oldest", err)) return false;
    const size_t first = messages->n && messages->items[0].role == FATHOM_ROLE_SYSTEM;
    size_t end = first, n = 0; // messages before `end` go, which are n turns
    bool any = false;          // a question has been seen
    for (size_t i = first; i < messages->n && n < n_turns; i++) {
        if (messages->items[i].role != FATHOM_ROLE_USER) continue;
        if (any) end = i, n++;
        any = true;
    }
    fm_messages_remove(messages, first, end);
    if (n_dropped) *n_dropped = n;
    return true;
}

void fathom_chat_clear(struct fathom_chat *chat) {
    if (!chat) return;
    fm_messages_cut(&chat->talk.messages, chat->talk.n_system);
    if (chat->session) fathom_session_truncate(chat->session, 0, NULL);
}
