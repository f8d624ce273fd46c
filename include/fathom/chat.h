// Chat: questions and answers in the model's own form, over a session.
#ifndef FATHOM_CHAT_H
#define FATHOM_CHAT_H

#include <fathom/message.h>
#include <fathom/session.h>
#include <fathom/tokens.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fathom_chat_params {
    size_t size;
    const char *system; // system prompt, or NULL
    // Tools that the model may call: a JSON array of {"type": "function", "function": {"name", "description",
    // "parameters"}}, or NULL. Refused where the template has no place for tools.
    const char *tools;
    const struct fathom_template_params *chat_template; // NULL: the model's own
    // No template: the model continues the text, which is the session's. Questions, count_tokens, clear and
    // copies work as ever; there are no messages, so add, truncate, drop_oldest and regenerate are refused.
    bool raw;
    const struct fathom_session_params *session; // NULL: the defaults
};
struct fathom_chat;
FATHOM_API struct fathom_chat *fathom_chat_create(
    struct fathom_engine *engine, const struct fathom_chat_params *params, struct fathom_error *err);
FATHOM_API void fathom_chat_destroy(struct fathom_chat **chat);
FATHOM_API struct fathom_session *fathom_chat_get_session(const struct fathom_chat *chat);

// ---- Questions -------------------------------------------------------------------------------------------

enum fathom_piece { FATHOM_PIECE_THOUGHT, FATHOM_PIECE_ANSWER };
// Called with whole UTF-8 characters, zero-terminated, as they come. Return false to stop; the answer so far
// is kept.
typedef bool (*fathom_piece_fn)(void *user, enum fathom_piece kind, const char *text);

// What one question wants.
struct fathom_ask_params {
    size_t size;
    fathom_piece_fn on_piece; // NULL: none
    // As in fathom_generate_params; NULL: none.
    bool (*on_logits)(void *user, float *logits, uint32_t n_vocab);
    void *user;
    const struct fathom_sampling *sampling; // NULL: fathom_engine_get_sampling()
    uint32_t max_tokens;                    // of the answer, its thought included; 0: as many as fit
    // Tokens of the thought, after which its end mark is written in place of the model and the answer begins;
    // 0: no bound. The mark is written as models with this template write it: on a line of its own with an
    // empty line behind it where the opening mark has its own line ("\n</think>\n\n": R1, Qwen), else alone
    // ("</think>": DeepSeek V3.1 and later). Its tokens are part of the reply's. Without effect where the
    // template has no thought.
    uint32_t max_thought;
    // Answer at once, where the template has a switch: its variables enable_thinking and thinking become
    // false. They are true otherwise.
    bool disable_thinking;
    // Reads the prompt, and generates nothing: the question is added alone, and asking with question NULL
    // answers it.
    bool prompt_only;
    // Strings that end the answer (not its thought); the answer ends before the one that is complete first,
    // of those that are complete at once before the longest. on_piece gets no byte of such a string. Tokens
    // that reach into it are dropped from the session and from the reply's ids. Line ends before the first
    // word of an answer, which are no part of it, are not searched; the text of tool calls is.
    const char *const *stops;
    size_t n_stops;
};

enum fathom_end {
    FATHOM_END_STOP,    // the model ended the answer
    FATHOM_END_LENGTH,  // max_tokens
    FATHOM_END_CONTEXT, // the context is full
    FATHOM_END_CALLER,  // on_piece or on_logits returned false
    FATHOM_END_STRING,  // one of `stops`
};
struct fathom_reply {
    size_t size;
    const char *thought, *answer; // whole texts, owned by the chat until the next question
    const int32_t *ids;           // the tokens generated, the end token included
    uint32_t n_ids;
    uint32_t n_prompt_ids, n_reused; // prompt tokens in all; those of them that were in the cache already
    uint32_t n_thought_ids;          // the first ones of ids, which are the thought and its marks
    enum fathom_end end;
    // The calls in the answer; its text leaves them out. Answer them by messages with the results.
    const struct fathom_tool_call *tool_calls;
    size_t n_tool_calls;
};
// Asks, and adds the question and the answer to the conversation. Returns when the answer is complete. A
// prompt that the context does not hold is FATHOM_INVALID: drop the oldest turns. question NULL: answers the
// messages that were added; a raw chat continues its text. params and reply may be NULL. A call that fails
// leaves the conversation as it was; so does one that is cancelled.
FATHOM_API bool fathom_chat_ask(struct fathom_chat *chat, const char *question,
    const struct fathom_ask_params *params, struct fathom_reply *reply, struct fathom_error *err);
// Drops the last answer (and calls and results of tools in it) and answers the last question again, with
// these parameters. The old answer comes back where the call fails.
FATHOM_API bool fathom_chat_regenerate(struct fathom_chat *chat, const struct fathom_ask_params *params,
    struct fathom_reply *reply, struct fathom_error *err);

// ---- Conversation ----------------------------------------------------------------------------------------

// Adds a message to the conversation: earlier turns, or a tool's result.
FATHOM_API bool fathom_chat_add(
    struct fathom_chat *chat, const struct fathom_message *message, struct fathom_error *err);
// The messages so far, the system prompt included; message i, owned by the chat until the conversation
// changes; NULL: there is none.
FATHOM_API size_t fathom_chat_count(const struct fathom_chat *chat);
FATHOM_API const struct fathom_message *fathom_chat_get(const struct fathom_chat *chat, size_t i);
// Drops all messages from number n_messages on: to edit the last question, drop it and ask the new one. The
// system prompt of the parameters stays. The session drops the tokens when the next question is asked.
FATHOM_API bool fathom_chat_truncate(struct fathom_chat *chat, size_t n_messages, struct fathom_error *err);
// Drops the oldest turns (a question and everything up to the next one; messages before the first question go
// with it). The system prompt stays. The last question stays, too: *n_dropped (may be NULL) is less than
// n_turns then.
FATHOM_API bool fathom_chat_drop_oldest(
    struct fathom_chat *chat, size_t n_turns, size_t *n_dropped, struct fathom_error *err);
// A new conversation, with the system prompt of the parameters.
FATHOM_API void fathom_chat_clear(struct fathom_chat *chat);

// The tokens of the prompt that asking would read, with this question (NULL: none) added; and how many of
// these the cache holds already (each may be NULL). Nothing is read, and the context may be too small.
// Refused where asking would be: after an answer, give a question ("" does). What is left for the answer:
// fathom_session_context() of the chat's session, less *n_tokens. params as for the question; NULL: the
// defaults.
FATHOM_API bool fathom_chat_count_tokens(struct fathom_chat *chat, const char *question,
    const struct fathom_ask_params *params, uint32_t *n_tokens, uint32_t *n_reused, struct fathom_error *err);

// ---- Copies ----------------------------------------------------------------------------------------------

// A chat with the same conversation, text and cache. The last reply stays with the first chat. To templates
// that write the date, copies give the day on which the first chat was created.
FATHOM_API struct fathom_chat *fathom_chat_fork(struct fathom_chat *chat, struct fathom_error *err);
// As fathom_session_save() and fathom_session_restore(), with the conversation. The system prompt, tools and
// template are those of the file; params gives the session's parameters.
FATHOM_API bool fathom_chat_save(struct fathom_chat *chat, const char *path, struct fathom_error *err);
FATHOM_API struct fathom_chat *fathom_chat_restore(struct fathom_engine *engine, const char *path,
    const struct fathom_session_params *params, struct fathom_error *err);

#ifdef __cplusplus
}
#endif
#endif
