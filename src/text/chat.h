// Chat forms: a form converts a conversation to the prompt tokens that a family of models expects, and splits
// the reply into thought, answer and tool calls.
#ifndef FM_TEXT_CHAT_H
#define FM_TEXT_CHAT_H
#include "base/text_buffer.h"
#include "text/tokenizer.h"
#include "text/tool_calls.h"
#include <fathom/message.h>

struct fm_chat_form;
// Finds a form by name ("deepseek-r1", "qwen3", …). Returns NULL for an unknown name, with the list of names
// in *err.
const struct fm_chat_form *fm_chat_form_named(const char *name, struct fathom_error *err);
// Chooses the form by the model's chat template. Without a template (NULL) the model's architecture decides,
// or the marks that the tokenizer has. Returns NULL with *err set when no form matches.
const struct fm_chat_form *fm_chat_form_choose(const struct fm_tokenizer *tokenizer,
    const char *chat_template, const char *architecture, struct fathom_error *err);
const char *fm_chat_form_name(const struct fm_chat_form *form);

// ---- Prompt ----------------------------------------------------------------------------------------------

struct fm_conversation {
    const struct fathom_message *messages;
    size_t n;
    const char *tools;     // tools to call: JSON array of {"type": "function", "function": {…}}; NULL: none
    bool disable_thinking; // the model answers without a thought
};
// The state of a reply: whether the thought has ended, and whether any token has been seen.
struct fm_chat_state {
    bool in_answer, any;
};

// Checks that a conversation can continue from these messages. complete: also checks that the model can
// answer.
bool fm_chat_check_messages(const struct fm_chat_form *form, const struct fathom_message *messages, size_t n,
    bool complete, struct fathom_error *err);
bool fm_chat_check_tools(const struct fm_chat_form *form, const char *tools, struct fathom_error *err);
// Appends the prompt of the whole conversation, which must end with a user's message or with results of
// tools. The prompt opens the answer, or the thought before it; *state is the start state for
// fm_chat_follow(). Added tokens in the text of messages are not recognised, so that a message cannot forge a
// turn.
bool fm_chat_prompt(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer,
    const struct fm_conversation *talk, struct fm_tokens *tokens, struct fm_chat_state *state,
    struct fathom_error *err);

// ---- Reply -----------------------------------------------------------------------------------------------

// Classifies each generated token: a part of the thought, a mark of the thought, a part of the answer, or the
// end.
enum fm_chat_part { FM_CHAT_THOUGHT, FM_CHAT_THOUGHT_MARK, FM_CHAT_ANSWER, FM_CHAT_END };
enum fm_chat_part fm_chat_follow(
    struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id);

// Returns true when the token is a part of the text with which the form writes calls.
bool fm_chat_is_call_mark(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, int32_t id);
// Returns how many bytes of an answer so far are certainly content: the bytes before the calls, or before
// text that may become the beginning of the calls.
size_t fm_chat_content_length(const struct fm_chat_form *form, const char *answer, size_t length);

// Reads the calls after `content_length` bytes of an answer, and its text there. tools: as for
// fm_calls_read(). Returns false when out of memory.
bool fm_chat_read_calls(const struct fm_chat_form *form, const char *tools, const char *answer,
    size_t content_length, struct fm_call_reading *reading);
// The same for the calls alone.
bool fm_chat_parse_calls(
    const struct fm_chat_form *form, const char *answer, size_t content_length, struct fm_tool_calls *calls);
#endif
