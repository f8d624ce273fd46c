#include "text/chat.h"
#include <stdlib.h>

// DeepSeek-R1's marks. Qwen's and Llama's distillations carry the same ones.
enum mark { BOS, EOS, USER, ASSISTANT, THINK, THINK_END, N_MARKS };
static const char *const mark_names[N_MARKS] = {
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>",
};

static bool append(struct fm_tokens *tokens, int32_t id, struct fathom_error *err) {
    if (tokens->count == tokens->capacity) {
        size_t capacity = 2 * tokens->capacity + 64;
        int32_t *grown = realloc(tokens->ids, capacity * sizeof(*grown));
        if (!grown) return fm_fail(err, FATHOM_NO_MEMORY, "chat: no memory for %zu tokens", capacity);
        tokens->ids = grown;
        tokens->capacity = capacity;
    }
    tokens->ids[tokens->count++] = id;
    return true;
}

static bool append_turn(const struct fm_tokenizer *tokenizer, const struct fm_message *message, const int32_t *marks,
    struct fm_tokens *tokens, struct fathom_error *err) {
    if (message->role == FM_ROLE_USER && !append(tokens, marks[USER], err)) return false;
    if (message->role == FM_ROLE_ASSISTANT && !append(tokens, marks[ASSISTANT], err)) return false;
    if (!fm_tokenizer_encode(tokenizer, message->text, message->length, false, tokens, err)) return false;
    return message->role != FM_ROLE_ASSISTANT || append(tokens, marks[EOS], err);
}

bool fm_chat_prompt(const struct fm_tokenizer *tokenizer, const struct fm_message *messages, size_t n, struct fm_tokens *tokens,
    struct fathom_error *err) {
    int32_t marks[N_MARKS];
    size_t count = tokens->count;
    for (int i = 0; i < N_MARKS; i++) {
        marks[i] = fm_tokenizer_find(tokenizer, mark_names[i]);
        if (marks[i] < 0) return fm_fail(err, FATHOM_UNSUPPORTED, "chat: the tokenizer has no token %s, which DeepSeek-R1's form needs",
            mark_names[i]);
    }
    if (n == 0 || messages[n - 1].role != FM_ROLE_USER) return fm_fail(err, FATHOM_INVALID, "chat: the last message must be the user's");
    if (!append(tokens, marks[BOS], err)) goto fail;
    for (size_t i = 0; i < n; i++)
        if (!append_turn(tokenizer, &messages[i], marks, tokens, err)) goto fail;
    if (!append(tokens, marks[ASSISTANT], err) || !append(tokens, marks[THINK], err)) goto fail;
    if (!fm_tokenizer_encode(tokenizer, "\n", 1, false, tokens, err)) goto fail;
    return true;
fail:
    tokens->count = count;
    return false;
}

enum fm_chat_part fm_chat_follow(struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id) {
    if (id == fm_tokenizer_eos(tokenizer) || id == fm_tokenizer_find(tokenizer, mark_names[EOS])) return FM_CHAT_END;
    if (state->in_answer) return FM_CHAT_ANSWER;
    if (id != fm_tokenizer_find(tokenizer, mark_names[THINK_END])) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_END;
}
