// A conversation in the model's own chat template, over one session.
#include "text/chat.h"
#include "base/clock.h"
#include "base/sized.h"
#include "base/text_buffer.h"
#include "engine/messages.h"
#include "engine/session.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

struct fathom_chat {
    struct fathom_engine *engine;
    struct fathom_session *session;
    bool raw;
    struct fm_chat_template *chat_template; // NULL: the chat is raw
    enum fm_call_style call_style;          // of chat_template
    char *system, *tools;
    struct fm_messages messages;
    struct fm_text thought, answer; // texts of the last reply
    struct fm_tool_calls calls;
    struct fm_tokens reply_ids;
};

// The state of an answer while the model generates it.
struct answering {
    struct fathom_chat *chat;
    fathom_piece_fn on_piece;
    void *user;
    struct fathom_error *err;
    struct fm_chat_state state;
    struct fm_utf8_stream utf8;
    size_t n_answered; // bytes of the answer handed over; the bytes after them may be tool calls
    enum fathom_end end;
    bool failed;
};

struct fathom_chat *fathom_chat_create(
    struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err) {
    struct fathom_chat_params p = {.size = sizeof(p)};
    struct fathom_template_params t = {.size = sizeof(t)};
    struct fathom_chat *chat = NULL;
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_chat_create: params", err) ||
        !fm_sized_read(&t, sizeof(t), p.chat_template, "fathom_chat_create: params.chat_template", err))
        return NULL;
    if (!engine->tokenizer) {
        fm_fail(err, FATHOM_INVALID, "the model has no tokenizer: it can give logits, but cannot read text");
        return NULL;
    }
    if (!(chat = calloc(1, sizeof(*chat)))) goto no_memory;
    chat->engine = engine;
    chat->raw = p.raw;
    if (p.system && !(chat->system = strdup(p.system))) goto no_memory;
    if (p.tools && !(chat->tools = strdup(p.tools))) goto no_memory;
    if (!p.raw) {
        const struct fm_chat_source source = {
            .name = t.name,
            .text = t.text,
            .architecture = fathom_engine_get_info(engine)->architecture,
            .now = fm_clock_local(),
        };
        if (source.name && source.text) {
            fm_fail(
                err, FATHOM_INVALID, "chat: the name of a template and a template are given; one is wanted");
            goto fail;
        }
        if (!(chat->chat_template = fm_chat_template_create(engine->tokenizer, &source, err))) goto fail;
        chat->call_style = fm_chat_call_style(chat->chat_template, chat->tools);
    }
    if (chat->tools &&
        (chat->chat_template ? !fm_chat_check_tools(chat->chat_template, chat->tools, err)
                             : !fm_fail(err, FATHOM_INVALID, "chat: tools need a template")))
        goto fail;
    if (!(chat->session = fathom_session_create(engine, p.session, err))) goto fail;
    return chat;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fathom_chat_destroy(&chat);
    return NULL;
}

void fathom_chat_clear(struct fathom_chat *chat) {
    fm_messages_cut(&chat->messages, 0);
    if (chat->session) fathom_session_truncate(chat->session, 0, NULL);
}

void fathom_chat_destroy(struct fathom_chat **pointer) {
    struct fathom_chat *chat = pointer ? *pointer : NULL;
    if (!chat) return;
    fm_messages_free(&chat->messages);
    fm_tool_calls_free(&chat->calls);
    fathom_session_destroy(&chat->session);
    fm_chat_template_destroy(&chat->chat_template);
    fm_text_free(&chat->thought);
    fm_text_free(&chat->answer);
    free(chat->reply_ids.ids);
    free(chat->system);
    free(chat->tools);
    free(chat);
    *pointer = NULL;
}

struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat) {
    return chat->session;
}

bool fathom_chat_add(
    struct fathom_chat *chat, const struct fathom_message *message, struct fathom_error *err) {
    const size_t n = chat->messages.n;
    if (chat->raw) return fm_fail(err, FATHOM_INVALID, "chat: a raw text has no messages");
    if (n == 0 && chat->system &&
        !fm_messages_add(&chat->messages,
            &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_SYSTEM, .content = chat->system)))
        goto no_memory;
    if (!fm_messages_add(&chat->messages, message)) goto no_memory;
    if (fm_chat_check_messages(chat->chat_template, chat->messages.items, chat->messages.n, false, err))
        return true;
    goto fail;
no_memory:
    fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
fail:
    fm_messages_cut(&chat->messages, n);
    return false;
}

// Hands the bytes [begin, end) of a text to the caller.
static bool hand_over(struct answering *a, bool in_answer, struct fm_text *whole, size_t begin, size_t end) {
    const char behind = whole->text[end];
    whole->text[end] = 0;
    const bool wanted = begin == end || !a->on_piece ||
        a->on_piece(a->user, in_answer ? FATHOM_PIECE_ANSWER : FATHOM_PIECE_THOUGHT, whole->text + begin);
    whole->text[end] = behind;
    if (!wanted) a->end = FATHOM_END_CALLER;
    return wanted;
}

// Adds a text of whole UTF-8 characters to the thought or the answer. Drops line ends before the first word.
// Holds back bytes of the answer that may begin a tool call.
static bool deliver(struct answering *a, bool in_answer, const char *text, size_t length) {
    struct fm_text *whole = in_answer ? &a->chat->answer : &a->chat->thought;
    if (whole->length == 0 && !a->chat->raw)
        while (length && *text == '\n') text++, length--;
    if (length == 0) return true;
    size_t begin = whole->length;
    if (!fm_text_append(whole, text, length))
        return a->failed = true, fm_fail(a->err, FATHOM_NO_MEMORY, "out of host memory");
    if (!in_answer || a->chat->call_style == FM_CALL_NONE)
        return hand_over(a, in_answer, whole, begin, whole->length);
    begin = a->n_answered;
    a->n_answered += fm_calls_begin(a->chat->call_style, whole->text + begin, whole->length - begin);
    return hand_over(a, in_answer, whole, begin, a->n_answered);
}

// Ends the answer: reads the bytes held back, and hands over those that are no calls.
static bool finish(struct answering *a) {
    struct fathom_chat *chat = a->chat;
    struct fm_text *answer = &chat->answer;
    struct fm_call_reading reading;
    struct fm_text rest = {0};
    if (chat->call_style == FM_CALL_NONE || !answer->length) return true;
    bool fits = fm_calls_read(chat->call_style, chat->tools, answer->text + a->n_answered, &reading) &&
        fm_call_reading_text(&reading, answer->text + a->n_answered, &rest);
    answer->text[answer->length = a->n_answered] = 0;
    if (fits && rest.length && answer->length && reading.texts[0].begin) // behind a call
        fits = fm_text_append(answer, "\n", 1);
    fits = fits && fm_text_append(answer, rest.text, rest.length);
    chat->calls = reading.calls;
    reading.calls = (struct fm_tool_calls){0};
    fm_call_reading_free(&reading);
    fm_text_free(&rest);
    if (!fits) return fm_fail(a->err, FATHOM_NO_MEMORY, "out of host memory");
    if (a->end != FATHOM_END_CALLER) hand_over(a, true, answer, a->n_answered, answer->length);
    return true;
}

static bool deliver_token(struct answering *a, bool in_answer, int32_t id) {
    size_t length;
    const char *bytes = fm_tokenizer_bytes(a->chat->engine->tokenizer, id, &length);
    if (fm_tokenizer_is_special(a->chat->engine->tokenizer, id) &&
        !fm_call_has_mark(a->chat->call_style, bytes, length))
        return true;
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
    if (fm_tokenizer_is_end(tokenizer, id)) {
        a->end = FATHOM_END_STOP;
        return false;
    }
    if (a->chat->raw) return deliver_token(a, true, id);
    switch (fm_chat_follow(a->chat->chat_template, &a->state, id)) {
    case FM_CHAT_THOUGHT: return deliver_token(a, false, id);
    case FM_CHAT_THOUGHT_MARK: return deliver_rest(a, false);
    case FM_CHAT_ANSWER: return deliver_token(a, true, id);
    case FM_CHAT_END: break;
    }
    a->end = FATHOM_END_STOP;
    return false;
}

static bool raw_prompt(
    struct fathom_chat *chat, const char *text, struct fm_tokens *tokens, struct fathom_error *err) {
    const int32_t bos = fm_tokenizer_first(chat->engine->tokenizer);
    const uint32_t n = fathom_session_length(chat->session);
    const size_t count = n ? n : bos >= 0;
    if (count) {
        if (!(tokens->ids = malloc(count * sizeof(*tokens->ids))))
            return fm_fail(err, FATHOM_NO_MEMORY, "out of host memory");
        tokens->count = tokens->capacity = count;
        if (n)
            memcpy(tokens->ids, fathom_session_tokens(chat->session), n * sizeof(*tokens->ids));
        else
            tokens->ids[0] = bos;
    }
    if (!fm_tokenizer_encode(chat->engine->tokenizer, text, strlen(text), true, tokens, err)) return false;
    // a text that begins with bos itself gets no second one
    if (!n && bos >= 0 && tokens->count > 1 && tokens->ids[1] == bos)
        memmove(tokens->ids, tokens->ids + 1, --tokens->count * sizeof(*tokens->ids));
    return true;
}

// Brings the session to the whole prompt of the conversation. Keeps the prompt's beginning that the session
// already holds, and reads the rest.
static bool read_prompt(struct fathom_chat *chat, const struct fm_tokens *prompt, struct fathom_error *err) {
    const int32_t *held = fathom_session_tokens(chat->session);
    const uint32_t n_held = fathom_session_length(chat->session);
    uint32_t same = 0;
    if (prompt->count >= chat->session->n_context)
        return fm_fail(err, FATHOM_INVALID, "the prompt has %zu tokens, the context holds %u", prompt->count,
            chat->session->n_context);
    while (same < n_held && same < prompt->count && held[same] == prompt->ids[same]) same++;
    return fathom_session_truncate(chat->session, same, err) &&
        fathom_session_append(chat->session, prompt->ids + same, (uint32_t)prompt->count - same, NULL, err);
}

static bool make_prompt(struct fathom_chat *chat, const char *question, bool disable_thinking,
    struct fm_tokens *prompt, struct fm_chat_state *state, struct fathom_error *err) {
    if (chat->raw)
        return question ? raw_prompt(chat, question, prompt, err)
                        : fm_fail(err, FATHOM_INVALID, "chat: there is no text to continue");
    if (question &&
        !fathom_chat_add(
            chat, &FATHOM_INIT(fathom_message, .role = FATHOM_ROLE_USER, .content = question), err))
        return false;
    const struct fm_conversation talk = {
        chat->messages.items, chat->messages.n, chat->tools, disable_thinking};
    return fm_chat_prompt(chat->chat_template, &talk, prompt, state, err);
}

bool fathom_chat_ask(struct fathom_chat *chat, const char *question, const struct fathom_ask_params *params,
    struct fathom_reply *reply, struct fathom_error *err) {
    struct fathom_ask_params p = {.size = sizeof(p)};
    if (!fm_sized_read(&p, sizeof(p), params, "fathom_chat_ask: params", err)) return false;
    struct answering a = {
        .chat = chat,
        .on_piece = p.on_piece,
        .user = p.user,
        .err = err,
        .end = FATHOM_END_LENGTH,
    };
    struct fm_tokens prompt = {0};
    const size_t n_messages = chat->messages.n;
    uint32_t n_kept;
    fm_tool_calls_free(&chat->calls);
    fm_text_clear(&chat->thought);
    fm_text_clear(&chat->answer);
    chat->reply_ids.count = 0;
    if (!make_prompt(chat, question, p.disable_thinking, &prompt, &a.state, err) ||
        !read_prompt(chat, &prompt, err))
        goto fail;
    const uint32_t room = chat->session->n_context - (uint32_t)prompt.count;
    const uint32_t limit = p.prompt_only ? 0 : p.max_tokens && p.max_tokens <= room ? p.max_tokens : room;
    const struct fathom_generate_params generate = {
        .size = sizeof(generate),
        .sampling = p.sampling,
        .max_tokens = limit,
        .on_token = on_token,
        .user = &a,
    };
    if (!fathom_session_generate(chat->session, &generate, &n_kept, err) || a.failed) goto fail;
    if (a.end == FATHOM_END_LENGTH && limit && limit != p.max_tokens) a.end = FATHOM_END_CONTEXT;
    if (!deliver_rest(&a, a.state.in_answer || chat->raw) && a.failed) goto fail;
    if (!finish(&a)) goto fail;
    const struct fathom_message answer = {
        .size = sizeof(answer),
        .role = FATHOM_ROLE_ASSISTANT,
        .content = chat->answer.text,
        .reasoning = chat->thought.text,
        .tool_calls = chat->calls.items,
        .n_tool_calls = chat->calls.n,
    };
    if (!chat->raw && !fathom_chat_add(chat, &answer, err)) goto fail;
    if (reply)
        fm_sized_write(reply,
            &FATHOM_INIT(fathom_reply, .thought = chat->thought.text ? chat->thought.text : "",
                .answer = chat->answer.text ? chat->answer.text : "", .ids = chat->reply_ids.ids,
                .n_ids = (uint32_t)chat->reply_ids.count, .n_prompt_ids = (uint32_t)prompt.count,
                .end = a.end, .tool_calls = chat->calls.items, .n_tool_calls = chat->calls.n),
            sizeof(*reply));
    free(prompt.ids);
    return true;
fail:
    fm_messages_cut(&chat->messages, n_messages);
    free(prompt.ids);
    return false;
}
