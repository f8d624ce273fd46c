// DeepSeek-R1's chat form: turns to prompt tokens, and the split of what comes back into thought and answer.
//   <bos> [system] { <｜User｜> question <｜Assistant｜> answer <eos> }* <｜User｜> question <｜Assistant｜><think>\n
// Earlier turns keep the answer only (no thought).
#ifndef FM_TEXT_CHAT_H
#define FM_TEXT_CHAT_H
#include "text/tokenizer.h"

enum fm_role { FM_ROLE_SYSTEM, FM_ROLE_USER, FM_ROLE_ASSISTANT };
struct fm_message { enum fm_role role; const char *text; size_t length; };

// Appends the whole prompt for the messages; the last one is the user's, and the thought is opened after it. Text of the messages is
// encoded without recognising added tokens (a user cannot forge a turn).
bool fm_chat_prompt(const struct fm_tokenizer *tokenizer, const struct fm_message *messages, size_t n, struct fm_tokens *tokens,
    struct fathom_error *err);

// Follows the generated tokens: is the thought still open, and is this token part of the thought, its end, the answer, or the end of all?
enum fm_chat_part { FM_CHAT_THOUGHT, FM_CHAT_THOUGHT_END, FM_CHAT_ANSWER, FM_CHAT_END };
struct fm_chat_state { bool in_answer; };
enum fm_chat_part fm_chat_follow(struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id);
#endif
