// Follows the reply of a model: the thought, the answer and their end.
#include "text/chat_parts.h"

enum fm_chat_part fm_chat_follow(const struct fathom_template *t, struct fm_chat_state *state, int32_t id) {
    const bool first = !state->any;
    state->any = true;
    if (fathom_token_is_end(t->tokenizer, id)) return FM_CHAT_END;
    if (t->open_mark && first && id == t->open_thought) return state->in_answer = false, FM_CHAT_THOUGHT_MARK;
    if (state->in_answer) return FM_CHAT_ANSWER;
    if (id != t->close_thought) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_MARK;
}

enum fm_call_style fm_chat_call_style(const struct fathom_template *t, bool tools) {
    return t->call_style == FM_CALL_LLAMA && !tools ? FM_CALL_NONE : t->call_style;
}
