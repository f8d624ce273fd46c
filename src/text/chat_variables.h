// A conversation as the variables of a chat template, in the form that transformers gives to templates.
#ifndef FM_TEXT_CHAT_VARIABLES_H
#define FM_TEXT_CHAT_VARIABLES_H
#include "text/chat.h"

// How a template wants tool calls: probed once, because templates differ and do not say so.
struct fm_call_form {
    bool text_arguments; // the arguments as JSON text; otherwise as an object
    bool empty_content;  // the content of a message that has calls alone is ""; otherwise none
};

// Appends a JSON object: messages, tools, add_generation_prompt, the switches for thinking (enable_thinking,
// thinking) and the texts of the tokenizer's named tokens. Results of tools are put in the order of their
// calls. Returns false when out of memory.
bool fm_chat_variables(const struct fm_conversation *talk, const struct fathom_tokenizer *tokenizer,
    const struct fm_call_form *form, struct fm_text *out);
// Members of the variables whose texts are the template's own, for struct fm_jinja_input.
extern const char *const fm_chat_own_variables[];
extern const size_t fm_chat_n_own_variables;

// Returns the result of call i of the message before `results`: the one that names the call's id, or else the
// one at place i. Calls of one id have their results in order.
const struct fathom_message *fm_chat_result(const struct fathom_message *results, size_t i);
#endif
