// Chat forms: conversations to prompt tokens as each family of models wants them, and what comes back to thought, answer and calls of tools.
#ifndef FM_TEXT_CHAT_H
#define FM_TEXT_CHAT_H
#include "base/text_buffer.h"
#include "text/tokenizer.h"
#include <fathom/message.h>

struct fm_chat_form;
// By name ("deepseek-r1", "qwen3", …); NULL with the list of names in *err.
const struct fm_chat_form *fm_chat_form_named(const char *name, struct fathom_error *err);
// By what the model's own template (NULL: none) says; without one, by the model's architecture, or the marks that the tokenizer has. NULL with
// *err set.
const struct fm_chat_form *fm_chat_form_choose(const struct fm_tokenizer *tokenizer, const char *chat_template, const char *architecture,
    struct fathom_error *err);
const char *fm_chat_form_name(const struct fm_chat_form *form);

// ---- Prompt ----------------------------------------------------------------------------------------------------

struct fm_conversation {
    const struct fathom_message *messages;
    size_t n;
    const char *tools; // that the model may call: a JSON array of {"type": "function", "function": {…}}; NULL: none
    bool no_thought;   // answer at once
};
// Where an answer is: its thought still open, or any token seen.
struct fm_chat_state { bool in_answer, any; };

// Whether a conversation can go on from these messages; complete: whether it can be answered.
bool fm_chat_check_messages(const struct fm_chat_form *form, const struct fathom_message *messages, size_t n, bool complete, struct fathom_error *err);
bool fm_chat_check_tools(const struct fm_chat_form *form, const char *tools, struct fathom_error *err);
// Appends the prompt of the whole conversation, which ends with a user's message or with results of tools, and opens the answer, or the
// thought before it: *state is for following what is generated. Text of the messages is encoded without recognising added tokens (nobody
// can forge a turn).
bool fm_chat_prompt(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, const struct fm_conversation *talk,
    struct fm_tokens *tokens, struct fm_chat_state *state, struct fathom_error *err);

// ---- Reply -----------------------------------------------------------------------------------------------------

// Follows the generated tokens: is this token part of the thought, its mark, the answer, or the end?
enum fm_chat_part { FM_CHAT_THOUGHT, FM_CHAT_THOUGHT_MARK, FM_CHAT_ANSWER, FM_CHAT_END };
enum fm_chat_part fm_chat_follow(struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id);

// A control token that is text of the form's calls.
bool fm_chat_is_call_mark(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, int32_t id);
// How much of an answer so far is content for sure: up to the calls, or to what may become their beginning.
size_t fm_chat_content_length(const struct fm_chat_form *form, const char *answer, size_t length);

struct fm_tool_calls { struct fathom_tool_call *items; size_t n; }; // texts owned
void fm_tool_calls_free(struct fm_tool_calls *calls);
// The calls that follow `content_length` bytes of an answer. None where these are no calls in the form's own writing. False: out of memory.
bool fm_chat_parse_calls(const struct fm_chat_form *form, const char *answer, size_t content_length, struct fm_tool_calls *calls);
#endif
