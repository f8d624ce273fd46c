#include "text/chat_variables.h"
#include "text/json_text.h"
#include <string.h>

const char *const fm_chat_own_variables[] = {
    "bos_token", "eos_token", "unk_token", "pad_token", "messages.*.role"};
const size_t fm_chat_n_own_variables = sizeof(fm_chat_own_variables) / sizeof(*fm_chat_own_variables);

static bool add(struct fm_text *out, const char *text) {
    return fm_text_append(out, text, strlen(text));
}

static bool add_string(struct fm_text *out, const char *text) {
    return fm_json_text_quote(text, strlen(text), out);
}

// Adds a member, if it has a text, behind another member.
static bool add_member(struct fm_text *out, const char *key, const char *text) {
    return !text || (add(out, ", \"") && add(out, key) && add(out, "\": ") && add_string(out, text));
}

static bool add_call(struct fm_text *out, const struct fathom_tool_call *call, bool text_arguments) {
    return add(out, "{\"type\": \"function\"") && add_member(out, "id", call->id) &&
        add(out, ", \"function\": {\"name\": ") && add_string(out, call->name) &&
        add(out, ", \"arguments\": ") &&
        (text_arguments ? add_string(out, call->arguments) : add(out, call->arguments)) && add(out, "}}");
}

static bool add_message(
    struct fm_text *out, const struct fathom_message *message, const struct fm_call_form *form) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    const bool empty = !message->content || !message->content[0],
               none = empty && message->n_tool_calls && !form->empty_content;
    if (!add(out, "{\"role\": ") || !add_string(out, roles[message->role]) || !add(out, ", \"content\": ") ||
        !(none ? add(out, "null") : add_string(out, empty ? "" : message->content)) ||
        !add_member(out, "reasoning_content", message->reasoning) ||
        !add_member(out, "thinking", message->reasoning) || // the name that gpt-oss reads
        !add_member(out, "tool_call_id", message->tool_call_id))
        return false;
    for (size_t i = 0; i < message->n_tool_calls; i++)
        if (!add(out, i ? ", " : ", \"tool_calls\": [") ||
            !add_call(out, &message->tool_calls[i], form->text_arguments))
            return false;
    return add(out, message->n_tool_calls ? "]}" : "}");
}

const struct fathom_message *fm_chat_result(const struct fathom_message *results, size_t i) {
    const struct fathom_message *asker = results - 1;
    const char *id = asker->tool_calls[i].id;
    size_t n_before = 0; // earlier calls of the same id: models repeat ids
    for (size_t k = 0; id && k < i; k++)
        n_before += asker->tool_calls[k].id && !strcmp(asker->tool_calls[k].id, id);
    for (size_t k = 0; id && k < asker->n_tool_calls; k++)
        if (results[k].tool_call_id && !strcmp(results[k].tool_call_id, id) && !n_before--)
            return &results[k];
    return &results[i];
}

static bool add_messages(
    struct fm_text *out, const struct fm_conversation *talk, const struct fm_call_form *form) {
    for (size_t i = 0, n_results = 0; i < talk->n; i++) {
        const struct fathom_message *message = &talk->messages[i];
        const bool result = message->role == FATHOM_ROLE_TOOL;
        if (result) message = fm_chat_result(message - n_results, n_results);
        n_results = result ? n_results + 1 : 0;
        if ((i && !add(out, ", ")) || !add_message(out, message, form)) return false;
    }
    return true;
}

bool fm_chat_variables(const struct fm_conversation *talk, const struct fathom_tokenizer *tokenizer,
    const struct fm_call_form *form, struct fm_text *out) {
    static const char *const named[FM_NAMED_TOKENS] = {
        [FM_NAMED_BOS] = "bos_token",
        [FM_NAMED_EOS] = "eos_token",
        [FM_NAMED_UNK] = "unk_token",
        [FM_NAMED_PAD] = "pad_token",
    };
    if (!add(out, "{\"documents\": null, \"messages\": [") || !add_messages(out, talk, form) ||
        !add(out, "]") || !add(out, ", \"tools\": ") || !add(out, talk->tools ? talk->tools : "null") ||
        !add(out,
            talk->complete ? ", \"add_generation_prompt\": false" : ", \"add_generation_prompt\": true") ||
        !add(out,
            talk->disable_thinking ? ", \"enable_thinking\": false, \"thinking\": false"
                                   : ", \"enable_thinking\": true, \"thinking\": true"))
        return false;
    for (int i = 0; i < FM_NAMED_TOKENS; i++)
        if (!add_member(out, named[i], fm_tokenizer_named(tokenizer, i))) return false;
    return add(out, "}");
}
