// Questions and answers in the model's own form, over one session.
#include "text/chat.h"
#include "engine/session.h"
#include "engine/text_buffer.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

struct fathom_chat {
    struct fathom_engine *engine;
    struct fathom_session *session;
    struct fathom_chat_params params; // `system` points to the copy below
    const struct fm_chat_form *form;  // NULL: raw
    char *system;
    struct fm_message *messages;      // texts owned
    size_t n_messages;
    struct fm_text thought, answer;   // of the last reply
    struct fm_tokens reply_ids;
};

// One answer on its way.
struct answering {
    struct fathom_chat *chat;
    fathom_piece_fn on_piece;
    void *user;
    struct fathom_error *err;
    struct fm_chat_state state;
    struct fm_utf8_stream utf8;
    enum fathom_end end;
    bool failed;
};

struct fathom_chat *fathom_chat_create(struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err) {
    struct fathom_chat *chat = NULL;
    if (!engine->tokenizer) {
        fm_fail(err, FATHOM_INVALID, "the model has no tokenizer: it can give logits, but cannot read text");
        return NULL;
    }
    if (!(chat = calloc(1, sizeof(*chat)))) goto no_memory;
    chat->engine = engine;
    if (params) chat->params = *params;
    if (chat->params.system && !(chat->system = strdup(chat->params.system))) goto no_memory;
    chat->params.system = chat->system;
    chat->params.template_name = NULL; // the caller's text
    if (!chat->params.raw && !(chat->form = params && params->template_name ? fm_chat_form_named(params->template_name, err) : fm_chat_form_choose(engine->tokenizer, fm_tokenizer_chat_template(engine->tokenizer), err))) goto fail;
    if (!(chat->session = fathom_session_create(engine, &chat->params.session, err))) goto fail;
    return chat;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_chat_destroy(&chat);
    return NULL;
}

void fathom_chat_clear(struct fathom_chat *chat) {
    for (size_t i = 0; i < chat->n_messages; i++) free((char *)chat->messages[i].text);
    free(chat->messages);
    chat->messages = NULL;
    chat->n_messages = 0;
    if (chat->session) fathom_session_truncate(chat->session, 0, NULL);
}

void fathom_chat_destroy(struct fathom_chat **pointer) {
    struct fathom_chat *chat = pointer ? *pointer : NULL;
    if (!chat) return;
    fathom_chat_clear(chat);
    fathom_session_destroy(&chat->session);
    fm_text_free(&chat->thought);
    fm_text_free(&chat->answer);
    free(chat->reply_ids.ids);
    free(chat->system);
    free(chat);
    *pointer = NULL;
}

struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat) { return chat->session; }

static bool add_message(struct fathom_chat *chat, enum fm_role role, const char *text, size_t length, struct fathom_error *err) {
    struct fm_message *grown = realloc(chat->messages, (chat->n_messages + 1) * sizeof(*grown));
    if (grown) chat->messages = grown;
    char *copy = grown ? malloc(length + 1) : NULL;
    if (!copy) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
    memcpy(copy, text, length);
    copy[length] = 0;
    chat->messages[chat->n_messages++] = (struct fm_message){role, copy, length};
    return true;
}

static void drop_message(struct fathom_chat *chat) { free((char *)chat->messages[--chat->n_messages].text); }

// Hands over text that is complete to the last UTF-8 character. Line ends before the first word are dropped.
static bool deliver(struct answering *a, bool in_answer, const char *text, size_t length) {
    struct fm_text *whole = in_answer ? &a->chat->answer : &a->chat->thought;
    if (whole->length == 0 && !a->chat->params.raw)
        while (length && *text == '\n') text++, length--;
    if (length == 0) return true;
    const size_t before = whole->length;
    if (!fm_text_append(whole, text, length)) return a->failed = true, fm_fail(a->err, FATHOM_NO_MEMORY, "out of host memory");
    if (!a->on_piece || a->on_piece(a->user, in_answer ? FATHOM_PIECE_ANSWER : FATHOM_PIECE_THOUGHT, whole->text + before)) return true;
    a->end = FATHOM_END_CALLER;
    return false;
}

static bool deliver_token(struct answering *a, bool in_answer, int32_t id) {
    size_t length;
    const char *bytes = fm_tokenizer_bytes(a->chat->engine->tokenizer, id, &length);
    if (fm_tokenizer_is_special(a->chat->engine->tokenizer, id)) return true;
    char *out = malloc(4 * length + 16);
    if (!out) return a->failed = true, fm_fail(a->err, FATHOM_NO_MEMORY, "out of host memory");
    const size_t n = fm_utf8_push(&a->utf8, bytes, length, out);
    const bool wanted = deliver(a, in_answer, out, n);
    free(out);
    return wanted;
}

static bool deliver_rest(struct answering *a, bool in_answer) {
    char out[16];
    return deliver(a, in_answer, out, fm_utf8_flush(&a->utf8, out));
}

static bool on_token(void *user, int32_t id) {
    struct answering *a = user;
    struct fm_tokens *ids = &a->chat->reply_ids;
    const struct fm_tokenizer *tokenizer = a->chat->engine->tokenizer;
    if (ids->count == ids->capacity) {
        const size_t capacity = 2 * ids->capacity + 64;
        int32_t *grown = realloc(ids->ids, capacity * sizeof(*grown));
        if (!grown) return a->failed = true, fm_fail(a->err, FATHOM_NO_MEMORY, "out of host memory");
        ids->ids = grown;
        ids->capacity = capacity;
    }
    ids->ids[ids->count++] = id;
    if (id == fm_tokenizer_eos(tokenizer)) {
        a->end = FATHOM_END_STOP;
        return false;
    }
    if (a->chat->params.raw) return deliver_token(a, true, id);
    switch (fm_chat_follow(&a->state, tokenizer, id)) {
    case FM_CHAT_THOUGHT: return deliver_token(a, false, id);
    case FM_CHAT_THOUGHT_MARK: return deliver_rest(a, false);
    case FM_CHAT_ANSWER: return deliver_token(a, true, id);
    case FM_CHAT_END: break;
    }
    a->end = FATHOM_END_STOP;
    return false;
}

static bool raw_prompt(struct fathom_chat *chat, const char *text, struct fm_tokens *tokens, struct fathom_error *err) {
    const int32_t bos = fm_tokenizer_bos(chat->engine->tokenizer);
    const uint32_t n = fathom_session_length(chat->session);
    const size_t count = n ? n : bos >= 0;
    if (count) {
        if (!(tokens->ids = malloc(count * sizeof(*tokens->ids)))) return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        tokens->count = tokens->capacity = count;
        if (n) memcpy(tokens->ids, fathom_session_tokens(chat->session), n * sizeof(*tokens->ids));
        else tokens->ids[0] = bos;
    }
    return fm_tokenizer_encode(chat->engine->tokenizer, text, strlen(text), true, tokens, err);
}

// The whole prompt of the conversation so far; what the session already holds of it is kept, the rest read.
static bool read_prompt(struct fathom_chat *chat, const struct fm_tokens *prompt, struct fathom_error *err) {
    const int32_t *held = fathom_session_tokens(chat->session);
    const uint32_t n_held = fathom_session_length(chat->session);
    uint32_t same = 0;
    if (prompt->count >= chat->session->n_context)
        return fm_fail(err, FATHOM_INVALID, "the prompt has %zu tokens, the context holds %u", prompt->count, chat->session->n_context);
    while (same < n_held && same < prompt->count && held[same] == prompt->ids[same]) same++;
    return fathom_session_truncate(chat->session, same, err) &&
           fathom_session_append(chat->session, prompt->ids + same, (uint32_t)prompt->count - same, NULL, &chat->params.progress, err);
}

static bool make_prompt(struct fathom_chat *chat, const char *question, struct fm_tokens *prompt, struct fathom_error *err) {
    if (chat->params.raw) return raw_prompt(chat, question, prompt, err);
    if (chat->n_messages == 0 && chat->system && !add_message(chat, FM_ROLE_SYSTEM, chat->system, strlen(chat->system), err)) return false;
    return add_message(chat, FM_ROLE_USER, question, strlen(question), err) &&
           fm_chat_prompt(chat->form, chat->engine->tokenizer, chat->messages, chat->n_messages, chat->params.no_thought, prompt, err);
}

bool fathom_chat_ask(struct fathom_chat *chat, const char *question, fathom_piece_fn on_piece, void *user, struct fathom_reply *reply,
    struct fathom_error *err) {
    struct answering a = {.chat = chat, .on_piece = on_piece, .user = user, .err = err, .end = FATHOM_END_LENGTH};
    struct fm_tokens prompt = {0};
    const size_t n_messages = chat->n_messages;
    uint32_t n_kept;
    if (chat->form) a.state = fm_chat_start(chat->form, chat->params.no_thought);
    fm_text_clear(&chat->thought);
    fm_text_clear(&chat->answer);
    chat->reply_ids.count = 0;
    if (!make_prompt(chat, question, &prompt, err) || !read_prompt(chat, &prompt, err)) goto fail;
    const uint32_t room = chat->session->n_context - (uint32_t)prompt.count;
    const uint32_t limit = chat->params.max_tokens && chat->params.max_tokens <= room ? chat->params.max_tokens : room;
    if (!fathom_session_generate(chat->session, &chat->params.sampling, limit, on_token, &a, &n_kept, err) || a.failed) goto fail;
    if (a.end == FATHOM_END_LENGTH && limit != chat->params.max_tokens) a.end = FATHOM_END_CONTEXT;
    if (!deliver_rest(&a, a.state.in_answer || chat->params.raw) && a.failed) goto fail;
    if (!chat->params.raw && !add_message(chat, FM_ROLE_ASSISTANT, chat->answer.text ? chat->answer.text : "", chat->answer.length, err)) goto fail;
    if (reply)
        *reply = (struct fathom_reply){.thought = chat->thought.text ? chat->thought.text : "", .answer = chat->answer.text ? chat->answer.text : "",
            .ids = chat->reply_ids.ids, .n_ids = (uint32_t)chat->reply_ids.count, .n_prompt_ids = (uint32_t)prompt.count, .end = a.end};
    free(prompt.ids);
    return true;
fail:
    while (chat->n_messages > n_messages) drop_message(chat);
    free(prompt.ids);
    return false;
}
