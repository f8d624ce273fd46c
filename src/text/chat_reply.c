// Follows the reply of a model: the thought, the answer and their end.
#include "text/chat_parts.h"
#include <stdio.h>
#include <string.h>

enum fm_chat_part fm_chat_follow(const struct fathom_template *t, struct fm_chat_state *state, int32_t id) {
    const bool first = !state->any;
    state->any = true;
    if (fathom_token_is_end(t->tokenizer, id)) return FM_CHAT_END;
    if (t->open_mark && first && id == t->open_thought) return state->in_answer = false, FM_CHAT_THOUGHT_MARK;
    if (state->in_answer) return state->cut && id == t->close_thought ? FM_CHAT_SECOND_MARK : FM_CHAT_ANSWER;
    if (id != t->close_thought) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_MARK;
}

bool fm_chat_end_thought(const struct fathom_template *t, const int32_t *ids, size_t n,
    struct fm_tokens *tokens, struct fathom_error *err) {
    size_t open = n, length = 0;
    while (open && ids[open - 1] != t->open_thought) open--; // behind the opening mark
    const char *first = open && open < n ? fathom_token_bytes(t->tokenizer, ids[open], &length) : "";
    const bool lines = length && first[0] == '\n';
    const char *last = n ? fathom_token_bytes(t->tokenizer, ids[n - 1], &length) : "";
    const bool in_line = !length || last[length - 1] != '\n';
    char text[64];
    snprintf(text, sizeof(text), "%s%s%s", lines && in_line ? "\n" : "", t->close_mark, lines ? "\n\n" : "");
    return fm_tokenizer_encode(t->tokenizer, text, strlen(text), true, tokens, err);
}

enum fm_call_style fm_chat_call_style(const struct fathom_template *t, bool tools) {
    return t->call_style == FM_CALL_LLAMA && !tools ? FM_CALL_NONE : t->call_style;
}
