#include "text/chat.h"
#include <stdlib.h>
#include <string.h>

// A form as text. Marks in these texts are added tokens of the model; what stands between two marks is encoded as one.
struct fm_chat_form {
    const char *name;
    const char *begin, *default_system; // before all; the system prompt where none is given, or NULL
    struct turn { const char *open, *close; } turns[3]; // by fm_role
    const char *answer;                 // opens the answer
    const char *think, *no_think;       // after it: opens the thought; says that there is none. NULL: cannot
    bool trim;                          // white space around a message is dropped
};

#define DEEPSEEK_TURNS(answer) {{"", ""}, {"<｜User｜>", ""}, {"<｜Assistant｜>" answer, "<｜end▁of▁sentence｜>"}}
#define CHATML_TURNS                                                                                                                  \
    {{"<|im_start|>system\n", "<|im_end|>\n"}, {"<|im_start|>user\n", "<|im_end|>\n"}, {"<|im_start|>assistant\n", "<|im_end|>\n"}}
#define LLAMA3_HEAD(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"

enum form_index { R1, V3, V31, QWEN3, QWEN25, SMOLLM2, CHATML, LLAMA3, N_FORMS };
static const struct fm_chat_form forms[N_FORMS] = {
    [R1] = {"deepseek-r1", "<｜begin▁of▁sentence｜>", NULL, DEEPSEEK_TURNS(""), "<｜Assistant｜>", "<think>\n", NULL, false},
    [V3] = {"deepseek-v3", "<｜begin▁of▁sentence｜>", NULL, DEEPSEEK_TURNS(""), "<｜Assistant｜>", NULL, "", false},
    // V3.2 and V4 write turns without tools the same way
    [V31] = {"deepseek-v3.1", "<｜begin▁of▁sentence｜>", NULL, DEEPSEEK_TURNS("</think>"), "<｜Assistant｜>", "<think>", "</think>", false},
    [QWEN3] = {"qwen3", "", NULL, CHATML_TURNS, "<|im_start|>assistant\n", "", "<think>\n\n</think>\n\n", false}, // opens its thought itself
    [QWEN25] = {"qwen2.5", "", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", CHATML_TURNS,
        "<|im_start|>assistant\n", NULL, "", false},
    [SMOLLM2] = {"smollm2", "", "You are a helpful AI assistant named SmolLM, trained by Hugging Face", CHATML_TURNS,
        "<|im_start|>assistant\n", NULL, "", false},
    [CHATML] = {"chatml", "", NULL, CHATML_TURNS, "<|im_start|>assistant\n", NULL, "", false},
    [LLAMA3] = {"llama3", "<|begin_of_text|>", NULL,
        {{LLAMA3_HEAD("system"), "<|eot_id|>"}, {LLAMA3_HEAD("user"), "<|eot_id|>"}, {LLAMA3_HEAD("assistant"), "<|eot_id|>"}},
        LLAMA3_HEAD("assistant"), NULL, "", true},
};

static const char *const marks[] = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>",
    "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
static const char *const ends[] = {"<｜end▁of▁sentence｜>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"};
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

// ---- Choosing --------------------------------------------------------------------------------------------------

const struct fm_chat_form *fm_chat_form_named(const char *name, struct fathom_error *err) {
    char list[256] = "";
    for (size_t i = 0; i < N_FORMS; i++) {
        if (!strcmp(name, forms[i].name)) return &forms[i];
        strcat(strcat(list, i ? ", " : ""), forms[i].name);
    }
    fm_fail(err, FATHOM_INVALID, "there is no chat template \"%s\"; there are %s", name, list);
    return NULL;
}

const char *fm_chat_form_name(const struct fm_chat_form *form) { return form->name; }

const struct fm_chat_form *fm_chat_form_choose(const struct fm_tokenizer *tokenizer, const char *t, struct fathom_error *err) {
    if (t && strstr(t, "<|im_start|>"))
        return &forms[strstr(t, "named SmolLM") ? SMOLLM2 : strstr(t, "<think>") ? QWEN3 : strstr(t, "You are Qwen, created by") ? QWEN25 : CHATML];
    if (t && strstr(t, "<|start_header_id|>")) return &forms[LLAMA3];
    if (t && strstr(t, "<｜Assistant｜>")) return &forms[strstr(t, "thinking") ? V31 : strstr(t, "</think>") ? R1 : V3];
    if (t) {
        fm_fail(err, FATHOM_UNSUPPORTED, "the model's own chat template is of no known form");
        return NULL;
    }
    if (fm_tokenizer_find(tokenizer, "<｜Assistant｜>") >= 0) return &forms[fm_tokenizer_find(tokenizer, "<think>") >= 0 ? R1 : V3];
    if (fm_tokenizer_find(tokenizer, "<|im_start|>") >= 0) return &forms[CHATML];
    if (fm_tokenizer_find(tokenizer, "<|start_header_id|>") >= 0) return &forms[LLAMA3];
    fm_fail(err, FATHOM_UNSUPPORTED, "the model has no chat template, and its tokenizer no marks of a known one (<｜Assistant｜>, <|im_start|>, "
        "<|start_header_id|>)");
    return NULL;
}

// ---- Prompt ----------------------------------------------------------------------------------------------------

// A prompt in the making: text since the last mark is held back, because words may cross from a form's text to a message's.
struct prompt {
    const struct fm_tokenizer *tokenizer;
    struct fm_tokens *tokens;
    struct fathom_error *err;
    const char *form;
    char *text;
    size_t length, capacity;
};

static bool add_text(struct prompt *p, const char *text, size_t length) {
    if (length > p->capacity - p->length) {
        if (length > SIZE_MAX / 4 - p->length) return fm_fail(p->err, FATHOM_NO_MEMORY, "chat: the text is too long");
        const size_t capacity = 2 * (p->length + length);
        char *grown = realloc(p->text, capacity);
        if (!grown) return fm_fail(p->err, FATHOM_NO_MEMORY, "chat: no memory for %zu bytes", capacity);
        p->text = grown;
        p->capacity = capacity;
    }
    if (length) memcpy(p->text + p->length, text, length);
    p->length += length;
    return true;
}

static bool flush(struct prompt *p) {
    const size_t length = p->length;
    p->length = 0;
    return !length || fm_tokenizer_encode(p->tokenizer, p->text, length, false, p->tokens, p->err);
}

static bool add_mark(struct prompt *p, const char *mark) {
    if (fm_tokenizer_find(p->tokenizer, mark) < 0)
        return fm_fail(p->err, FATHOM_UNSUPPORTED, "chat: the tokenizer has no token %s, which the template %s needs", mark, p->form);
    return flush(p) && fm_tokenizer_encode(p->tokenizer, mark, strlen(mark), true, p->tokens, p->err);
}

static bool add_form(struct prompt *p, const char *text) {
    while (*text) {
        size_t i = 0, length = 1;
        while (i < COUNT(marks) && strncmp(text, marks[i], strlen(marks[i])) != 0) i++;
        if (i < COUNT(marks)) length = strlen(marks[i]);
        if (i < COUNT(marks) ? !add_mark(p, marks[i]) : !add_text(p, text, 1)) return false;
        text += length;
    }
    return true;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }

static bool add_turn(struct prompt *p, const struct fm_chat_form *form, struct fm_message message) {
    if (form->trim) {
        while (message.length && is_space(message.text[0])) message.text++, message.length--;
        while (message.length && is_space(message.text[message.length - 1])) message.length--;
    }
    return add_form(p, form->turns[message.role].open) && add_text(p, message.text, message.length) &&
           add_form(p, form->turns[message.role].close);
}

bool fm_chat_prompt(const struct fm_chat_form *form, const struct fm_tokenizer *tokenizer, const struct fm_message *messages, size_t n,
    bool no_thought, struct fm_tokens *tokens, struct fathom_error *err) {
    struct prompt p = {.tokenizer = tokenizer, .tokens = tokens, .err = err, .form = form->name};
    const size_t count = tokens->count;
    if (n == 0 || messages[n - 1].role != FM_ROLE_USER) return fm_fail(err, FATHOM_INVALID, "chat: the last message must be the user's");
    if (no_thought && !form->no_think) return fm_fail(err, FATHOM_UNSUPPORTED, "chat: with the template %s a model always thinks", form->name);
    if (!add_form(&p, form->begin)) goto fail;
    if (form->default_system && messages[0].role != FM_ROLE_SYSTEM) {
        const struct fm_message system = {FM_ROLE_SYSTEM, form->default_system, strlen(form->default_system)};
        if (!add_turn(&p, form, system)) goto fail;
    }
    for (size_t i = 0; i < n; i++)
        if (!add_turn(&p, form, messages[i])) goto fail;
    if (!add_form(&p, form->answer) || !add_form(&p, form->think && !no_thought ? form->think : form->no_think) || !flush(&p)) goto fail;
    free(p.text);
    return true;
fail:
    tokens->count = count;
    free(p.text);
    return false;
}

// ---- Reply -----------------------------------------------------------------------------------------------------

struct fm_chat_state fm_chat_start(const struct fm_chat_form *form, bool no_thought) {
    return (struct fm_chat_state){.in_answer = no_thought || !form->think || !form->think[0]};
}

enum fm_chat_part fm_chat_follow(struct fm_chat_state *state, const struct fm_tokenizer *tokenizer, int32_t id) {
    const bool first = !state->any;
    state->any = true;
    if (id == fm_tokenizer_eos(tokenizer)) return FM_CHAT_END;
    for (size_t i = 0; i < COUNT(ends); i++)
        if (id == fm_tokenizer_find(tokenizer, ends[i])) return FM_CHAT_END;
    if (first && id == fm_tokenizer_find(tokenizer, "<think>")) return state->in_answer = false, FM_CHAT_THOUGHT_MARK;
    if (state->in_answer) return FM_CHAT_ANSWER;
    if (id != fm_tokenizer_find(tokenizer, "</think>")) return FM_CHAT_THOUGHT;
    state->in_answer = true;
    return FM_CHAT_THOUGHT_MARK;
}
