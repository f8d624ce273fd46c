// Chat forms: turns to prompt tokens as each family of models wants them, and the split of what comes back into thought and answer.
// Earlier turns keep the answer only (no thought).
#ifndef FM_TEXT_CHAT_H
#define FM_TEXT_CHAT_H
#include "text/tokenizer.h"

enum fm_role { FM_ROLE_SYSTEM, FM_ROLE_USER, FM_ROLE_ASSISTANT };
struct fm_message { enum fm_role role; const char *text; size_t length; };

struct fm_chat_form;
// By name ("deepseek-r1", "qwen3", …); NULL with the list of names in *err.
const struct fm_chat_form *fm_chat_form_named(const char *name, struct fathom_error *err);
// By what the model's own template (NULL: none) says; without one, by the marks that the tokenizer has. NULL with *err set.
const struct fm_chat_form *fm_chat_form_choose(const struct fm_tokenizer *tokenizer, const char *chat_template, struct fathom_error *err);
const char *fm_chat_form_name(const struct fm_chat_form *form);

// Appends the whole prompt for the messages; the last one is the user's, and the answer (or the thought before it, unless
// no_thought) is opened after it. Text of the messages is encoded without recognising added tokens (a user cannot forge a turn).
bool fm_chat_prompt(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, const struct fm_message *messages, size_t n,
    bool no_thought, struct fm_tokens *tokens, struct fathom_error *err);

// Follows the generated tokens: is the thought still open, and is this token part of the thought, its mark, the answer, or the end?
enum fm_chat_part { FM_CHAT_THOUGHT, FM_CHAT_THOUGHT_MARK, FM_CHAT_ANSWER, FM_CHAT_END };
struct fm_chat_state { bool in_answer, any; };
struct fm_chat_state fm_chat_start(const struct fm_chat_form *form, bool no_thought);
enum fm_chat_part fm_chat_follow(struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id);
#endif
