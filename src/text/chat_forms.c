#include "text/chat_forms.h"
#include <string.h>

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"
#define DEEPSEEK_TURNS .system = {"", ""}, .user = {"<｜User｜>", ""}, .assistant = {"<｜Assistant｜>", EOS}
#define CHATML_TURNS \
    .system = {"<|im_start|>system\n", "<|im_end|>\n"}, .user = {"<|im_start|>user\n", "<|im_end|>\n"}, \
    .assistant = {"<|im_start|>assistant\n", "<|im_end|>\n"}
#define LLAMA3_TURN(role) \
    { "<|start_header_id|>" role "<|end_header_id|>\n\n", "<|eot_id|>" }

const char *const fm_chat_marks[] = {BOS, EOS, "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>",
    "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>", "<｜tool▁sep｜>", NULL};
const char *const fm_chat_optional_marks[] = {
    "｜DSML｜", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", NULL};

// ---- Tools -----------------------------------------------------------------------------------------------

// The templates of V3 and R1 write calls and results but no list of tools; the system prompt has to list
// them.
static const struct fm_tool_form fenced_tools = {
    .list = FM_LIST_NONE,
    .style = FM_CALL_FENCED,
    .begin = "<｜tool▁calls▁begin｜>",
    .calls_open = "<｜tool▁calls▁begin｜>",
    .call_open = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    .call_name_close = "\n```json\n",
    .call_close = "\n```<｜tool▁call▁end｜>",
    .call_between = "\n",
    .calls_close = "<｜tool▁calls▁end｜>",
    .results_open = "<｜tool▁outputs▁begin｜>",
    .result_open = "<｜tool▁output▁begin｜>",
    .result_close = "<｜tool▁output▁end｜>",
    .result_between = "\n",
    .results_close = "<｜tool▁outputs▁end｜>",
    .after = "",
};

static const struct fm_tool_form v31_tools = {
    .list = FM_LIST_SECTIONS,
    .list_open = "## Tools\nYou have access to the following tools:\n\n",
    .list_between = "\n\n",
    .list_close =
        "\n\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<"
        "｜tool▁call▁end｜>{additional_tool_calls}"
        "<｜tool▁calls▁end｜>\n\n"
        "Where:\n"
        "- `tool_call_name` must be an exact match to one of the available tools\n"
        "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
        "- For multiple tool calls, chain them directly without separators or spaces",
    .style = FM_CALL_BARE,
    .begin = "<｜tool▁calls▁begin｜>",
    .calls_open = "<｜tool▁calls▁begin｜>",
    .call_open = "<｜tool▁call▁begin｜>",
    .call_name_close = "<｜tool▁sep｜>",
    .call_close = "<｜tool▁call▁end｜>",
    .call_between = "",
    .calls_close = "<｜tool▁calls▁end｜>",
    .results_open = "",
    .result_open = "<｜tool▁output▁begin｜>",
    .result_close = "<｜tool▁output▁end｜>",
    .result_between = "",
    .results_close = "",
    .after = "",
};

#define DSML_CALLS(block) \
    .style = FM_CALL_DSML, .begin = "<｜DSML｜" block ">", .calls_open = "\n\n<｜DSML｜" block ">\n", \
    .call_open = "<｜DSML｜invoke name=\"", .call_name_close = "\">\n", .call_close = "\n</｜DSML｜invoke>", \
    .call_between = "\n", .calls_close = "\n</｜DSML｜" block ">"
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

static const struct fm_tool_form v32_tools = {
    .list = FM_LIST_FUNCTIONS,
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
    .list_between = "\n",
    .list_close = "\n</functions>\n",
    DSML_CALLS("function_calls"),
    .results_open = "\n\n<function_results>",
    .result_open = "\n<result>",
    .result_close = "</result>",
    .result_between = "",
    .results_close = "\n</function_results>",
    .after = "\n\n",
    .thought_after = true,
};

static const struct fm_tool_form v4_tools = {
    .list = FM_LIST_FUNCTIONS,
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
    .list_between = "\n",
    .list_close = "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke "
                  "tool calls.\n",
    DSML_CALLS("tool_calls"),
    .results_open = "<｜User｜>",
    .result_open = "<tool_result>",
    .result_close = "</tool_result>",
    .result_between = "\n\n",
    .results_close = "",
};

#define QWEN_TOOLS \
    .list = FM_LIST_ENTRIES, \
    .list_open = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" \
                 "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n", \
    .list_between = "\n", \
    .list_close = "\n</tools>\n\nFor each function call, return a json object with function name and " \
                  "arguments within " \
                  "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, " \
                  "\"arguments\": <args-json-object>}\n" \
                  "</tool_call>", \
    .style = FM_CALL_JSON, .begin = "<tool_call>", .calls_open = "", \
    .call_open = "<tool_call>\n{\"name\": \"", \
    .call_name_close = "\", \"arguments\": ", .call_close = "}\n</tool_call>", .call_between = "\n", \
    .calls_close = "", .content_between = true, .results_open = "<|im_start|>user", \
    .result_open = "\n<tool_response>\n", .result_close = "\n</tool_response>", .result_between = "", \
    .results_close = "<|im_end|>\n"
static const struct fm_tool_form qwen25_tools = {QWEN_TOOLS};
static const struct fm_tool_form qwen3_tools = {QWEN_TOOLS, .list_alone = true};

// ---- Forms -----------------------------------------------------------------------------------------------

enum form_index { R1, V3, V31, V32, V4, QWEN3, QWEN25, SMOLLM2, CHATML, LLAMA3, N_FORMS };
static const struct fm_chat_form forms[N_FORMS] = {
    [R1] = {"deepseek-r1", BOS, DEEPSEEK_TURNS, .think = "<think>\n", .past = "", .tools = &fenced_tools},
    [V3] = {"deepseek-v3", BOS, DEEPSEEK_TURNS, .no_think = "", .past = "", .tools = &fenced_tools},
    [V31] = {"deepseek-v3.1", BOS, DEEPSEEK_TURNS, .think = "<think>", .no_think = "</think>",
        .past = "</think>", .tools = &v31_tools},
    [V32] = {"deepseek-v3.2", BOS, DEEPSEEK_TURNS, .answer_each = true, .think = "<think>",
        .no_think = "</think>", .past = "</think>", .keep = FM_KEEP_SINCE_USER,
        .thought = {"<think>", "</think>"}, .tools = &v32_tools},
    [V4] = {"deepseek-v4", BOS, DEEPSEEK_TURNS, .user_joint = "\n\n", .think = "<think>",
        .no_think = "</think>", .past = "</think>", .keep = FM_KEEP_WITH_TOOLS,
        .thought = {"<think>", "</think>"}, .tools = &v4_tools},
    [QWEN3] = {"qwen3", "", CHATML_TURNS, .think = "" /* the model opens the thought */,
        .no_think = "<think>\n\n</think>\n\n", .past = "", .keep = FM_KEEP_ANY_SINCE_USER,
        .thought = {"<think>\n", "\n</think>\n\n"}, .tools = &qwen3_tools},
    [QWEN25] = {"qwen2.5", "", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        CHATML_TURNS, .no_think = "", .past = "", .tools = &qwen25_tools},
    [SMOLLM2] = {"smollm2", "", "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        CHATML_TURNS, .no_think = "", .past = ""},
    [CHATML] = {"chatml", "", CHATML_TURNS, .no_think = "", .past = ""},
    [LLAMA3] = {"llama3", "<|begin_of_text|>", .system = LLAMA3_TURN("system"), .user = LLAMA3_TURN("user"),
        .assistant = LLAMA3_TURN("assistant"), .no_think = "", .past = "", .trim = true},
};

const struct fm_chat_form *fm_chat_form_named(const char *name, struct fathom_error *err) {
    char list[256] = "";
    for (size_t i = 0; i < N_FORMS; i++) {
        if (!strcmp(name, forms[i].name)) return &forms[i];
        strcat(strcat(list, i ? ", " : ""), forms[i].name);
    }
    fm_fail(err, FATHOM_INVALID, "there is no chat template \"%s\"; there are %s", name, list);
    return NULL;
}

const char *fm_chat_form_name(const struct fm_chat_form *form) {
    return form->name;
}

static enum form_index of_template(const char *t) {
    if (strstr(t, "DSML")) return strstr(t, "function_calls") ? V32 : V4;
    if (strstr(t, "<|im_start|>") && strstr(t, "named SmolLM")) return SMOLLM2;
    if (strstr(t, "<|im_start|>"))
        return strstr(t, "<think>") ? QWEN3 : strstr(t, "You are Qwen, created by") ? QWEN25 : CHATML;
    if (strstr(t, "<|start_header_id|>")) return LLAMA3;
    if (strstr(t, "<｜Assistant｜>")) return strstr(t, "thinking") ? V31 : strstr(t, "</think>") ? R1 : V3;
    return N_FORMS;
}

// V3.2 and V4 come without a template, and only V4 has these marks.
static enum form_index of_model(const struct fm_tokenizer *tokenizer, const char *architecture) {
    if (!strcmp(architecture, "deepseek4")) return V4;
    if (!strcmp(architecture, "deepseek32")) return V32;
    if (fm_tokenizer_find(tokenizer, "｜DSML｜") >= 0)
        return fm_tokenizer_find(tokenizer, "<｜latest_reminder｜>") >= 0 ? V4 : V32;
    if (fm_tokenizer_find(tokenizer, "<｜Assistant｜>") >= 0)
        return fm_tokenizer_find(tokenizer, "<think>") >= 0 ? R1 : V3;
    if (fm_tokenizer_find(tokenizer, "<|im_start|>") >= 0) return CHATML;
    return fm_tokenizer_find(tokenizer, "<|start_header_id|>") >= 0 ? LLAMA3 : N_FORMS;
}

const struct fm_chat_form *fm_chat_form_choose(const struct fm_tokenizer *tokenizer,
    const char *chat_template, const char *architecture, struct fathom_error *err) {
    const enum form_index form =
        chat_template ? of_template(chat_template) : of_model(tokenizer, architecture);
    if (form != N_FORMS) return &forms[form];
    fm_fail(err, FATHOM_UNSUPPORTED,
        chat_template ? "the model's own chat template is of no known form"
                      : "the model has no chat template, and its tokenizer no marks of a known one "
                        "(<｜Assistant｜>, <|im_start|>, <|start_header_id|>)");
    return NULL;
}
