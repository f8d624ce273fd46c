// Reads the reply of a model: the thought, the answer, and the calls at the end of the answer.
#include "text/chat_forms.h"

enum fm_chat_part fm_chat_follow(
    struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id) {
    const bool first = !state->any;
    state->any = true;
    if (fm_tokenizer_is_end(tokenizer, id)) return FM_CHAT_END;
    if (first && id == fm_tokenizer_find(tokenizer, "<think>"))
        return state->in_answer = false, FM_CHAT_THOUGHT_MARK;
    if (state->in_answer) return FM_CHAT_ANSWER;
    if (id != fm_tokenizer_find(tokenizer, "</think>")) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_MARK;
}

// ---- Calls -----------------------------------------------------------------------------------------------

static enum fm_call_style style_of(const struct fm_chat_form *form) {
    return form->tools ? form->tools->style : FM_CALL_NONE;
}

bool fm_chat_is_call_mark(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, int32_t id) {
    size_t length;
    const char *bytes = fm_tokenizer_bytes(tokenizer, id, &length);
    return bytes && fm_call_has_mark(style_of(form), bytes, length);
}

size_t fm_chat_content_length(const struct fm_chat_form *form, const char *answer, size_t length) {
    return style_of(form) == FM_CALL_NONE ? length : fm_calls_begin(style_of(form), answer, length);
}

bool fm_chat_read_calls(const struct fm_chat_form *form, const char *tools, const char *answer,
    size_t content_length, struct fm_call_reading *reading) {
    return fm_calls_read(style_of(form), tools, answer + content_length, reading);
}

bool fm_chat_parse_calls(
    const struct fm_chat_form *form, const char *answer, size_t content_length, struct fm_tool_calls *calls) {
    struct fm_call_reading reading;
    const bool read = fm_chat_read_calls(form, NULL, answer, content_length, &reading);
    *calls = reading.calls;
    reading.calls = (struct fm_tool_calls){0};
    fm_call_reading_free(&reading);
    return read;
}
