// One question: makes its prompt, brings the session to the prompt, and generates the answer.
#include "engine/chat.h"
#include "base/sized.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Prompt ----------------------------------------------------------------------------------------------

// The session's text, which is empty or begins with the token that begins every text, and then `text`.
static bool raw_prompt(
    struct fathom_chat *chat, const char *text, struct fm_tokens *tokens, struct fathom_error *err) {
    const int32_t bos = fathom_tokenizer_first(chat->engine->tokenizer);
    const uint32_t n = fathom_session_length(chat->session);
    const size_t count = n ? n : bos >= 0;
    if (!n && !text) return fm_fail(err, FATHOM_INVALID, "chat: there is no text to continue");
    if (count) {
        if (!(tokens->ids = malloc(count * sizeof(*tokens->ids))))
            return fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the prompt");
        tokens->count = tokens->capacity = count;
        if (n)
            memcpy(tokens->ids, fathom_session_tokens(chat->session), n * sizeof(*tokens->ids));
        else
            tokens->ids[0] = bos;
    }
    if (text && !fm_tokenizer_encode(chat->engine->tokenizer, text, strlen(text), true, tokens, err))
        return false;
    // a text that begins with bos itself gets no second one
    if (!n && bos >= 0 && tokens->count > 1 && tokens->ids[1] == bos)
        memmove(tokens->ids, tokens->ids + 1, --tokens->count * sizeof(*tokens->ids));
    return true;
}

// The prompt of the first n messages. raw_text: what continues a raw chat.
static bool make_prompt(struct fathom_chat *chat, size_t n, const char *raw_text, bool disable_thinking,
    struct fm_tokens *prompt, struct fm_chat_state *state, struct fathom_error *err) {
    if (chat->talk.raw) return raw_prompt(chat, raw_text, prompt, err);
    const struct fm_conversation talk = {chat->talk.messages.items, n, chat->talk.tools, disable_thinking};
    return fm_chat_prompt(chat->chat_template, &talk, prompt, state, err);
}

static bool read_prompt(
    struct fathom_chat *chat, const struct fm_tokens *prompt, uint32_t *n_reused, struct fathom_error *err) {
    if (prompt->count >= chat->session->n_context)
        return fm_fail(err, FATHOM_INVALID, "the prompt has %zu tokens, the context holds %u%s",
            prompt->count, chat->session->n_context,
            prompt->count == chat->session->n_context ? " and the answer needs one at least" : "");
    return fathom_session_sync(chat->session, prompt->ids, (uint32_t)prompt->count, n_reused, err);
}

// ---- Answer ----------------------------------------------------------------------------------------------

// What the callbacks of one fathom_session_generate() need.
struct asking {
    struct fm_answer *answer;
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab);
    void *user;
};

static bool on_token(void *user, int32_t id) {
    const struct asking *asking = user;
    return fm_answer_take(asking->answer, id);
}

static bool on_logits(void *user, float *logits, uint32_t n_vocab) {
    const struct asking *asking = user;
    if (asking->on_logits(asking->user, logits, n_vocab)) return true;
    asking->answer->end = FATHOM_END_CALLER;
    return false;
}

// Writes the end of the thought, as far as `limit` tokens of the reply allow.
static bool end_thought(struct fathom_chat *chat, uint32_t limit, struct fathom_error *err) {
    struct fm_answer *a = &chat->reply;
    struct fm_tokens mark = {0};
    bool ok = fm_chat_end_thought(chat->chat_template, fathom_session_tokens(chat->session),
        fathom_session_length(chat->session), &mark, err);
    if (ok && mark.count > limit - a->ids.count) mark.count = limit - a->ids.count;
    ok = ok && fathom_session_append(chat->session, mark.ids, (uint32_t)mark.count, NULL, err);
    for (size_t i = 0; ok && i < mark.count && fm_answer_take(a, mark.ids[i]); i++) {}
    free(mark.ids);
    return ok && !a->failed;
}

// Makes the text of a raw chat what the answer is: with the last token where on_piece wanted no more, and
// without the tokens of a stop, though with the text before it in these tokens.
static bool settle_raw(struct fathom_chat *chat, uint32_t n_prompt, struct fathom_error *err) {
    const struct fm_answer *a = &chat->reply;
    const uint32_t held = fathom_session_length(chat->session) - n_prompt;
    const uint32_t n = (uint32_t)a->ids.count - (a->end == FATHOM_END_STOP); // without the end token
    if (held < n) return fathom_session_append(chat->session, a->ids.ids + held, n - held, NULL, err);
    if (a->end != FATHOM_END_STRING) return true;
    const size_t begin = n ? a->ends[n - 1] : 0;
    const uint32_t room = chat->session->n_context - n_prompt - n;
    struct fm_tokens rest = {0};
    const bool ok = fm_tokenizer_encode(chat->engine->tokenizer, a->answer.text + begin,
                        a->answer.length - begin, false, &rest, err) &&
        fathom_session_truncate(chat->session, n_prompt + n, err) &&
        fathom_session_append(
            chat->session, rest.ids, rest.count < room ? (uint32_t)rest.count : room, NULL, err);
    free(rest.ids);
    return ok;
}

static bool generate(struct fathom_chat *chat, const struct fathom_ask_params *p, uint32_t n_prompt,
    struct fathom_error *err) {
    struct fm_answer *a = &chat->reply;
    struct asking asking = {a, p->on_logits, p->user};
    const uint32_t room = chat->session->n_context - n_prompt;
    const uint32_t limit = p->prompt_only ? 0 : p->max_tokens && p->max_tokens <= room ? p->max_tokens : room;
    do {
        a->thought_is_full = false;
        const struct fathom_generate_params wanted = {
            .size = sizeof(wanted),
            .sampling = p->sampling,
            .max_tokens = limit - (uint32_t)a->ids.count,
            .on_token = on_token,
            .on_logits = p->on_logits ? on_logits : NULL,
            .user = &asking,
        };
        if (!fathom_session_generate(chat->session, &wanted, NULL, err) || a->failed) return false;
        if (a->thought_is_full && !end_thought(chat, limit, err)) return false;
    } while (a->thought_is_full && a->end == FATHOM_END_LENGTH);
    if (a->end == FATHOM_END_LENGTH && limit && limit != p->max_tokens) a->end = FATHOM_END_CONTEXT;
    if (!fm_answer_finish(a)) return false;
    if (chat->talk.raw) return settle_raw(chat, n_prompt, err);
    const uint32_t end = n_prompt + (uint32_t)a->ids.count; // behind it are tokens of a stop
    return fathom_session_length(chat->session) <= end || fathom_session_truncate(chat->session, end, err);
}

static void write_reply(
    const struct fm_answer *a, uint32_t n_prompt, uint32_t n_reused, struct fathom_reply *reply) {
    const struct fathom_reply all = {
        .size = sizeof(all),
        .thought = a->thought.text ? a->thought.text : "",
        .answer = a->answer.text ? a->answer.text : "",
        .ids = a->ids.ids,
        .n_ids = (uint32_t)a->ids.count,
        .n_prompt_ids = n_prompt,
        .n_reused = n_reused,
        .n_thought_ids = a->n_thought_ids,
        .end = a->end,
        .tool_calls = a->calls.items,
        .n_tool_calls = a->calls.n,
    };
    fm_sized_write(reply, &all, sizeof(all));
}

// Puts the answer in place of the messages from number n on.
static bool keep_answer(struct fathom_chat *chat, size_t n, struct fathom_error *err) {
    const struct fm_answer *a = &chat->reply;
    const struct fathom_message message = {
        .size = sizeof(message),
        .role = FATHOM_ROLE_ASSISTANT,
        .content = a->answer.length ? a->answer.text : "",
        .reasoning = a->thought.length ? a->thought.text : NULL,
        .tool_calls = a->calls.items,
        .n_tool_calls = a->calls.n,
    };
    const size_t end = chat->talk.messages.n;
    if (!fm_messages_add(&chat->talk.messages, &message))
        return fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for the answer");
    fm_messages_remove(&chat->talk.messages, n, end);
    return true;
}

// Answers the first n messages. The others are dropped when the answer is there.
static bool answer(struct fathom_chat *chat, size_t n, const char *raw_text,
    const struct fathom_ask_params *p, struct fathom_reply *reply, struct fathom_error *err) {
    struct fm_tokens prompt = {0};
    struct fm_chat_state state = {0};
    const uint32_t n_before = fathom_session_length(chat->session);
    uint32_t n_reused = 0;
    bool ok = make_prompt(chat, n, raw_text, p->disable_thinking, &prompt, &state, err);
    const struct fm_answer_form form = {
        .tokenizer = chat->engine->tokenizer,
        .chat_template = chat->chat_template,
        .call_style = chat->call_style,
        .tools = chat->talk.tools,
        .on_piece = p->on_piece,
        .user = p->user,
        .stops = {p->stops, p->n_stops},
        .max_thought = p->max_thought,
        .err = err,
    };
    fm_answer_start(&chat->reply, &form, &state);
    const uint32_t n_prompt = (uint32_t)prompt.count;
    ok = ok && read_prompt(chat, &prompt, &n_reused, err);
    free(prompt.ids);
    ok = ok && generate(chat, p, n_prompt, err);
    if (ok && p->prompt_only)
        fm_messages_cut(&chat->talk.messages, n);
    else if (ok && !chat->talk.raw)
        ok = keep_answer(chat, n, err);
    if (ok && reply) write_reply(&chat->reply, n_prompt, n_reused, reply);
    // a raw text is the conversation itself
    if (!ok && chat->talk.raw && fathom_session_length(chat->session) > n_before)
        fathom_session_truncate(chat->session, n_before, NULL);
    return ok;
}

// ---- Calls -----------------------------------------------------------------------------------------------

// function: for messages.
static bool read_params(struct fathom_ask_params *p, const struct fathom_ask_params *params,
    const struct fathom_reply *reply, const char *function, struct fathom_error *err) {
    char name[64];
    snprintf(name, sizeof(name), "%s: params", function);
    *p = FATHOM_INIT(fathom_ask_params);
    if (!fm_sized_read(p, sizeof(*p), params, name, err)) return false;
    if (reply && reply->size < sizeof(reply->size))
        return fm_fail(err, FATHOM_INVALID, "%s: reply.size is %zu: set it to the sizeof of the struct",
            function, reply->size);
    if (p->n_stops && !p->stops)
        return fm_fail(err, FATHOM_INVALID, "%s.stops is NULL, n_stops is %zu", name, p->n_stops);
    for (size_t i = 0; i < p->n_stops; i++)
        if (!p->stops[i] || !p->stops[i][0])
            return fm_fail(
                err, FATHOM_INVALID, "%s.stops[%zu] is %s", name, i, p->stops[i] ? "empty" : "NULL");
    return true;
}

static bool add_question(struct fathom_chat *chat, const char *question, struct fathom_error *err) {
    const struct fathom_message message = {
        .size = sizeof(message), .role = FATHOM_ROLE_USER, .content = question};
    return chat->talk.raw || !question || fathom_chat_add(chat, &message, err);
}

bool fathom_chat_ask(struct fathom_chat *chat, const char *question, const struct fathom_ask_params *params,
    struct fathom_reply *reply, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return false;
    struct fathom_ask_params p;
    const size_t n = chat->talk.messages.n;
    if (!read_params(&p, params, reply, "fathom_chat_ask", err)) return false;
    if (add_question(chat, question, err) && answer(chat, chat->talk.messages.n, question, &p, reply, err))
        return true;
    fm_messages_cut(&chat->talk.messages, n);
    return false;
}

bool fathom_chat_regenerate(struct fathom_chat *chat, const struct fathom_ask_params *params,
    struct fathom_reply *reply, struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return false;
    struct fathom_ask_params p;
    size_t n = chat->talk.messages.n;
    if (!read_params(&p, params, reply, "fathom_chat_regenerate", err) ||
        !fm_chat_edits(chat, "fathom_chat_regenerate", err))
        return false;
    while (n && chat->talk.messages.items[n - 1].role != FATHOM_ROLE_USER) n--;
    if (!n) return fm_fail(err, FATHOM_INVALID, "fathom_chat_regenerate: the conversation has no question");
    return answer(chat, n, NULL, &p, reply, err);
}

bool fathom_chat_count_tokens(struct fathom_chat *chat, const char *question,
    const struct fathom_ask_params *params, uint32_t *n_tokens, uint32_t *n_reused,
    struct fathom_error *err) {
    if (!FM_GIVEN(chat, "chat", err)) return false;
    struct fathom_ask_params p;
    struct fm_tokens prompt = {0};
    struct fm_chat_state state;
    const size_t n = chat->talk.messages.n;
    if (!read_params(&p, params, NULL, "fathom_chat_count_tokens", err)) return false;
    const bool ok = add_question(chat, question, err) &&
        make_prompt(chat, chat->talk.messages.n, question, p.disable_thinking, &prompt, &state, err);
    if (ok && n_tokens) *n_tokens = (uint32_t)prompt.count;
    if (ok && n_reused) *n_reused = fm_session_held(chat->session, prompt.ids, prompt.count);
    fm_messages_cut(&chat->talk.messages, n);
    free(prompt.ids);
    return ok;
}
