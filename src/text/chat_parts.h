// The parts of a chat template, for the files chat*.c.
#ifndef FM_TEXT_CHAT_PARTS_H
#define FM_TEXT_CHAT_PARTS_H
#include "text/chat_encoders.h"
#include "text/chat_variables.h"
#include "text/jinja.h"

// A template that is built in: an encoder, or a text in Jinja for models that bring none.
struct fm_chat_builtin {
    const char *name;
    const struct fm_chat_encoder *encoder; // NULL: text
    const char *text;
    const char *marks[5]; // that the tokenizer must have; NULL ends them
};
extern const struct fm_chat_builtin fm_chat_builtins[];
extern const size_t fm_chat_n_builtins;

struct fathom_template {
    const struct fathom_tokenizer *tokenizer;
    const struct fm_chat_builtin *builtin; // NULL: the text is the model's or the caller's
    struct fm_jinja *jinja;                // NULL: builtin->encoder
    struct fm_jinja *with_tools;           // for conversations with tools, where the model has one; or NULL
    struct tm now;
    struct fm_call_form call_form;
    enum fm_call_style call_style;
    int32_t open_thought, close_thought; // ids of the marks; -1: none
    const char *open_mark, *close_mark;  // their texts; NULL: none
};
#endif
