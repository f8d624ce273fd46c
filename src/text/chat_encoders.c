#include "text/chat_encoders.h"
#include "text/chat_variables.h"
#include "text/json_text.h"
#include <string.h>

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"

// Where the two programs differ.
struct fm_chat_encoder {
    const char *list_open, *list_close;   // around the list of tools in the system prompt
    const char *calls_open, *calls_close; // around the calls of an answer
    const char *results_open, *result_open, *result_close, *result_between, *results_close;
    const char *after_results; // opens an answer behind results
    const char *user_joint;    // between a user's turn and another one or results before it; NULL: a new turn
    bool answer_each;          // a question that another one follows gets an empty answer
    bool keep_with_tools; // earlier thoughts stay when there are tools; otherwise since the last question
};

// ---- Texts -----------------------------------------------------------------------------------------------

#define DSML_EXAMPLE(block, noun) \
    "<｜DSML｜" block ">\n" \
    "<｜DSML｜invoke name=\"$" noun "_NAME\">\n" \
    "<｜DSML｜parameter name=\"$PARAMETER_NAME\" " \
    "string=\"true|false\">$PARAMETER_VALUE</｜DSML｜parameter>\n" \
    "...\n" \
    "</｜DSML｜invoke>\n" \
    "<｜DSML｜invoke name=\"$" noun "_NAME2\">\n" \
    "...\n" \
    "</｜DSML｜invoke>\n" \
    "</｜DSML｜" block ">\n\n"

const struct fm_chat_encoder fm_chat_v32 = {
    .list_open = "## Tools\n\n"
                 "You have access to a set of tools you can use to answer the user's question.\n"
                 "You can invoke functions by writing a \"<｜DSML｜function_calls>\" block like the "
                 "following as part of your reply to the user:\n" DSML_EXAMPLE("function_calls",
                     "FUNCTION") "String and scalar parameters should be specified as is without any "
                                 "escaping or quotes, while lists and objects should use JSON "
                                 "format. The \"string\" attribute should be set to \"true\" for string type "
                                 "parameters and \"false\" for other types (numbers, "
                                 "booleans, arrays, objects).\n\n"
                                 "If the thinking_mode is enabled, then after function results you should "
                                 "strongly consider outputting a thinking block. Here is "
                                 "an example:\n\n"
                                 "<｜DSML｜function_calls>\n...\n</｜DSML｜function_calls>\n\n"
                                 "<function_results>\n...\n</function_results>\n\n"
                                 "<think>...thinking about results</think>\n\n"
                                 "Here are the functions available in JSONSchema format:\n<functions>\n",
    .list_close = "\n</functions>\n",
    .calls_open = "\n\n<｜DSML｜function_calls>\n",
    .calls_close = "\n</｜DSML｜function_calls>",
    .results_open = "\n\n<function_results>",
    .result_open = "\n<result>",
    .result_close = "</result>",
    .result_between = "",
    .results_close = "\n</function_results>",
    .after_results = "\n\n",
    .answer_each = true,
};

const struct fm_chat_encoder fm_chat_v4 = {
    .list_open =
        "## Tools\n\n"
        "You have access to a set of tools to help answer the user's question. You can invoke tools by "
        "writing a \"<｜DSML｜tool_calls>\" "
        "block like the following:\n\n" DSML_EXAMPLE("tool_calls",
            "TOOL") "String parameters should be specified as is and set `string=\"true\"`. For all other "
                    "types (numbers, booleans, arrays, objects), "
                    "pass the value in JSON format and set `string=\"false\"`.\n\n"
                    "If thinking_mode is enabled (triggered by <think>), you MUST output your complete "
                    "reasoning inside <think>...</think> BEFORE any "
                    "tool calls or final response.\n\n"
                    "Otherwise, output directly after </think> with tool calls or final response.\n\n"
                    "### Available Tool Schemas\n\n",
    .list_close = "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke "
                  "tool calls.\n",
    .calls_open = "\n\n<｜DSML｜tool_calls>\n",
    .calls_close = "\n</｜DSML｜tool_calls>",
    .results_open = "<｜User｜>",
    .result_open = "<tool_result>",
    .result_close = "</tool_result>",
    .result_between = "\n\n",
    .results_close = "",
    .after_results = "<｜Assistant｜>",
    .user_joint = "\n\n",
    .keep_with_tools = true,
};

// ---- Writing ---------------------------------------------------------------------------------------------

// A prompt that is being written. An addition that finds no memory sets `failed`, and later ones do nothing.
struct prompt {
    const struct fm_chat_encoder *encoder;
    const struct fm_conversation *talk;
    size_t last_question; // index of the user's last message
    struct fm_chat_text *out;
    bool failed;
};

static void add_bytes(struct prompt *p, const char *bytes, size_t length, bool foreign) {
    p->failed = p->failed || !fm_text_append(&p->out->bytes, bytes, length);
    for (const char origin = foreign; !p->failed && length; length--)
        p->failed = !fm_text_append(&p->out->foreign, &origin, 1);
}

// Adds a text of the program.
static void add(struct prompt *p, const char *text) {
    add_bytes(p, text, strlen(text), false);
}

// Adds a text of a message; NULL: nothing.
static void add_content(struct prompt *p, const char *text) {
    if (text) add_bytes(p, text, strlen(text), true);
}

// Adds the text of a JSON string, or another value printed as Python prints it.
static void add_value(struct prompt *p, struct fm_json_text value, bool as_text) {
    struct fm_text text = {0};
    p->failed =
        p->failed || !(as_text ? fm_json_text_unquote(value, &text) : fm_json_text_print(value, &text));
    if (!p->failed) add_bytes(p, text.text, text.length, true);
    fm_text_free(&text);
}

static void add_tools(struct prompt *p) {
    struct fm_json_text rest = fm_json_text(p->talk->tools, strlen(p->talk->tools)), key, entry;
    add(p, p->encoder->list_open);
    for (bool first = true; fm_json_text_next(&rest, &key, &entry); first = false) {
        if (!first) add(p, "\n");
        add_value(p, fm_json_text_member(entry, "function"), false);
    }
    add(p, p->encoder->list_close);
}

static void add_system(struct prompt *p) {
    const struct fathom_message *first = &p->talk->messages[0];
    if (first->role == FATHOM_ROLE_SYSTEM) add_content(p, first->content);
    if (!p->talk->tools) return;
    add(p, "\n\n");
    add_tools(p);
}

static void add_question(struct prompt *p, size_t i) {
    const struct fathom_message *messages = p->talk->messages;
    const bool joins = p->encoder->user_joint && i &&
        (messages[i - 1].role == FATHOM_ROLE_USER || messages[i - 1].role == FATHOM_ROLE_TOOL);
    const bool ignored =
        p->encoder->answer_each && i + 1 < p->talk->n && messages[i + 1].role == FATHOM_ROLE_USER;
    add(p, joins ? p->encoder->user_joint : "<｜User｜>");
    add_content(p, messages[i].content);
    if (ignored) add(p, "<｜Assistant｜></think>");
}

// One line for each parameter: strings as they are, other values as JSON.
static void add_call(struct prompt *p, const struct fathom_tool_call *call) {
    struct fm_json_text rest = fm_json_text(call->arguments, strlen(call->arguments)), key, value;
    add(p, "<｜DSML｜invoke name=\"");
    add_content(p, call->name);
    add(p, "\">\n");
    for (bool first = true; fm_json_text_next(&rest, &key, &value); first = false) {
        const bool is_string = value.at < value.end && *value.at == '"';
        add(p, first ? "<｜DSML｜parameter name=\"" : "\n<｜DSML｜parameter name=\"");
        add_value(p, key, true);
        add(p, is_string ? "\" string=\"true\">" : "\" string=\"false\">");
        add_value(p, value, is_string);
        add(p, "</｜DSML｜parameter>");
    }
    add(p, "\n</｜DSML｜invoke>");
}

static void add_calls(struct prompt *p, const struct fathom_message *message) {
    if (!message->n_tool_calls) return;
    add(p, p->encoder->calls_open);
    for (size_t i = 0; i < message->n_tool_calls; i++) {
        if (i) add(p, "\n");
        add_call(p, &message->tool_calls[i]);
    }
    add(p, p->encoder->calls_close);
}

static void add_results(struct prompt *p, const struct fathom_message *results) {
    const size_t n = results[-1].n_tool_calls;
    add(p, p->encoder->results_open);
    for (size_t i = 0; i < n; i++) {
        if (i) add(p, p->encoder->result_between);
        add(p, p->encoder->result_open);
        add_content(p, fm_chat_result(results, i)->content);
        add(p, p->encoder->result_close);
    }
    add(p, p->encoder->results_close);
}

// Opens the answer at place i.
static void open_answer(struct prompt *p, size_t i) {
    const bool behind_results = i && p->talk->messages[i - 1].role == FATHOM_ROLE_TOOL;
    add(p, behind_results ? p->encoder->after_results : "<｜Assistant｜>");
}

static void add_answer(struct prompt *p, size_t i) {
    const struct fathom_message *message = &p->talk->messages[i];
    const bool kept = p->encoder->keep_with_tools ? p->talk->tools != NULL : i > p->last_question;
    open_answer(p, i);
    if (kept && !p->talk->disable_thinking) {
        add(p, "<think>");
        add_content(p, message->reasoning);
    }
    add(p, "</think>");
    add_content(p, message->content);
    add_calls(p, message);
    add(p, EOS);
}

bool fm_chat_encode(
    const struct fm_chat_encoder *encoder, const struct fm_conversation *talk, struct fm_chat_text *out) {
    struct prompt p = {.encoder = encoder, .talk = talk, .out = out};
    for (size_t i = 0; i < talk->n; i++)
        if (talk->messages[i].role == FATHOM_ROLE_USER) p.last_question = i;
    add(&p, BOS);
    add_system(&p);
    for (size_t i = 0; i < talk->n; i++) {
        const struct fathom_message *message = &talk->messages[i];
        switch (message->role) {
        case FATHOM_ROLE_SYSTEM: break; // add_system() added this message
        case FATHOM_ROLE_USER: add_question(&p, i); break;
        case FATHOM_ROLE_ASSISTANT: add_answer(&p, i); break;
        case FATHOM_ROLE_TOOL:
            if (message[-1].role != FATHOM_ROLE_TOOL) add_results(&p, message);
            break;
        }
    }
    if (!talk->complete) {
        open_answer(&p, talk->n);
        add(&p, talk->disable_thinking ? "</think>" : "<think>");
    }
    return !p.failed;
}
