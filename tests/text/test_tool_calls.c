// The table of src/decisions/tool-calls.md: what becomes a call, and what stays text.
#include "text/support.h"
#include "text/json_mend.h"
#include "text/tool_calls.h"

#define D "<｜DSML｜"
#define E "</｜DSML｜"
#define PARAMETER(key, string, value) \
    D "parameter name=\"" key "\" string=\"" string "\">" value E "parameter>\n"
#define INVOKE(name, lines) D "invoke name=\"" name "\">\n" lines E "invoke>\n"
#define GOOD INVOKE("f", PARAMETER("a", "true", "x"))
#define BEGIN "<｜tool▁calls▁begin｜>"
#define END "<｜tool▁calls▁end｜>"
#define OPEN "<｜tool▁call▁begin｜>"
#define SEP "<｜tool▁sep｜>"
#define CLOSE "<｜tool▁call▁end｜>"
#define FENCED(name, arguments) OPEN "function" SEP name "\n```json\n" arguments "\n```" CLOSE
#define BARE(name, arguments) OPEN name SEP arguments CLOSE
#define CALL(json) "<tool_call>\n" json "\n</tool_call>"
#define F "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"
#define FUNCTION(name, lines) "<function=" name ">\n" lines "</function>\n"
#define LINE(key, value) "<parameter=" key ">\n" value "\n</parameter>\n"
#define PAIR(key, value) "<arg_key>" key "</arg_key>\n<arg_value>" value "</arg_value>\n"
#define KIMI(id, arguments) \
    "<|tool_call_begin|>" id "<|tool_call_argument_begin|>" arguments "<|tool_call_end|>"
#define KIMI_BEGIN "<|tool_calls_section_begin|>"
#define KIMI_END "<|tool_calls_section_end|>"

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": {\"zip\": {\"type\": \"string\"}, \"n\": {\"type\": \"integer\"}}}}},"
    "{\"type\": \"function\", \"function\": {\"name\": \"get_weather\"}}]";
enum { PLAIN, LISTED /* with the list of tools */ };

static const struct row {
    const char *id, *what;
    enum fm_call_style style;
    int list;
    const char *answer, *calls, *text;
} rows[] = {
    // DSML
    {"D1", "as trained, text before", FM_CALL_DSML, PLAIN,
        "Sure.\n\n" D "function_calls>\n" GOOD E "function_calls>", "f{\"a\": \"x\"}", "Sure."},
    {"D2", "no parameters", FM_CALL_DSML, PLAIN, D "tool_calls>\n" INVOKE("f", "") E "tool_calls>", "f{}",
        ""},
    {"D3", "the section is never closed (sglang 40236)", FM_CALL_DSML, PLAIN, D "function_calls>\n" GOOD,
        "f{\"a\": \"x\"}", ""},
    {"D4", "no section at all (sglang 40236)", FM_CALL_DSML, PLAIN, GOOD, "f{\"a\": \"x\"}", ""},
    {"D5", "the section's begin is missing, its end is there (vllm 48931)", FM_CALL_DSML, PLAIN,
        "Ok.\n\n" GOOD E "tool_calls>", "f{\"a\": \"x\"}", "Ok."},
    {"D6", "one call of two has wrong JSON (sglang 40236)", FM_CALL_DSML, PLAIN,
        D "function_calls>\n" GOOD INVOKE("g", PARAMETER("b", "false", "{oops")) E "function_calls>",
        "f{\"a\": \"x\"}", D "invoke name=\"g\">\n" PARAMETER("b", "false", "{oops") E "invoke>"},
    {"D7", "the first call of two has wrong JSON", FM_CALL_DSML, PLAIN,
        "Hm.\n" D "tool_calls>\n" INVOKE("g", PARAMETER("b", "false", "{oops")) GOOD E "tool_calls>",
        "f{\"a\": \"x\"}", "Hm.\n" D "invoke name=\"g\">\n" PARAMETER("b", "false", "{oops") E "invoke>"},
    {"D8", "True, False and None where JSON is due", FM_CALL_DSML, PLAIN,
        D "tool_calls>\n" INVOKE(
            "f", PARAMETER("a", "false", "True") PARAMETER("b", "false", "[None, False]")) E "tool_calls>",
        "f{\"a\": true, \"b\": [null, false]}", ""},
    {"D9", "no string= : JSON if the value is JSON, else a string", FM_CALL_DSML, PLAIN,
        INVOKE("f", D "parameter name=\"a\">x" E "parameter>" D "parameter name=\"b\">[1]" E "parameter>"),
        "f{\"a\": \"x\", \"b\": [1]}", ""},
    {"D10", "no string= : a string if the list of tools says so", FM_CALL_DSML, LISTED,
        INVOKE(
            "f", D "parameter name=\"zip\">10001" E "parameter>" D "parameter name=\"n\">3" E "parameter>"),
        "f{\"zip\": \"10001\", \"n\": 3}", ""},
    {"D11", "V4's name of the section in V3.2", FM_CALL_DSML, PLAIN,
        D "tool_calls>\n" GOOD E "function_calls>", "f{\"a\": \"x\"}", ""},
    {"D12", "a parameter's end is missing", FM_CALL_DSML, PLAIN,
        INVOKE("f", D "parameter name=\"a\" string=\"true\">x" PARAMETER("b", "false", "1")),
        "f{\"a\": \"x\", \"b\": 1}", ""},
    {"D13", "an invoke's end is missing before another", FM_CALL_DSML, PLAIN,
        D "invoke name=\"f\">\n" PARAMETER("a", "true", "x") GOOD, "f{\"a\": \"x\"} f{\"a\": \"x\"}", ""},
    {"D14", "the answer ends within a call: more could follow", FM_CALL_DSML, PLAIN,
        D "tool_calls>\n" GOOD D "invoke name=\"g\">\n" PARAMETER("b", "true", "y"), "f{\"a\": \"x\"}",
        D "invoke name=\"g\">\n" D "parameter name=\"b\" string=\"true\">y" E "parameter>"},
    {"D15", "a JSON object in place of parameters", FM_CALL_DSML, PLAIN, INVOKE("f", "{\"a\": 1}\n"),
        "f{\"a\": 1}", ""},
    {"D16", "ASCII bars in the marks, single quotes", FM_CALL_DSML, PLAIN,
        "<|DSML|invoke name='f'>\n<|DSML|parameter name='a' string='true'>x</|DSML|parameter></|DSML|invoke>",
        "f{\"a\": \"x\"}", ""},
    {"D17", "string= is neither true nor false", FM_CALL_DSML, PLAIN,
        INVOKE("f", PARAMETER("n", "maybe", "1")), "", INVOKE("f", PARAMETER("n", "maybe", "1"))},
    {"D18", "no name", FM_CALL_DSML, PLAIN, D "invoke>" E "invoke>", "", D "invoke>" E "invoke>"},
    {"D19", "an empty section", FM_CALL_DSML, PLAIN, "a" D "tool_calls>" E "tool_calls>", "",
        "a" D "tool_calls>" E "tool_calls>"},
    {"D20", "text between and behind", FM_CALL_DSML, PLAIN, "a\n\n" GOOD "b\n" GOOD E "tool_calls>\nc",
        "f{\"a\": \"x\"} f{\"a\": \"x\"}", "a\nb\nc"},
    // DeepSeek R1, V3, V3.1
    {"R1", "as trained, two calls", FM_CALL_FENCED, PLAIN,
        BEGIN FENCED("f", "{\"a\": 1}") "\n" FENCED("g", "{}") END, "f{\"a\": 1} g{}", ""},
    {"R2", "the section's begin is missing (dynamo 10133)", FM_CALL_FENCED, PLAIN,
        FENCED("f", "{\"a\": 1}") END, "f{\"a\": 1}", ""},
    {"R3", "the section is never closed", FM_CALL_FENCED, PLAIN, BEGIN FENCED("f", "{\"a\": 1}"),
        "f{\"a\": 1}", ""},
    {"R4", "spaces, or _, in the marks", FM_CALL_FENCED, PLAIN,
        "<｜tool calls begin｜><｜tool_call_begin｜>function<｜tool sep｜>f\n```json\n{\"a\": 1}\n```<｜tool "
        "call end｜>"
        "<|tool\\_calls\\_end|>",
        "f{\"a\": 1}", ""},
    {"R5", "no type before the name", FM_CALL_FENCED, PLAIN,
        BEGIN OPEN "f\n```json\n{\"a\": 1}\n```" CLOSE END, "f{\"a\": 1}", ""},
    {"R6", "V3.1's writing by an R1", FM_CALL_FENCED, PLAIN, BEGIN BARE("f", "{\"a\": 1}") END, "f{\"a\": 1}",
        ""},
    {"R7", "R1's writing by a V3.1", FM_CALL_BARE, PLAIN, BEGIN FENCED("f", "{\"a\": 1}") END, "f{\"a\": 1}",
        ""},
    {"R8", "the call's mark is missing in the section", FM_CALL_FENCED, PLAIN,
        BEGIN "function" SEP "f\n```json\n{\"a\": 1}\n```" CLOSE END, "f{\"a\": 1}", ""},
    {"R9", "the call's end is missing, the JSON is whole", FM_CALL_BARE, PLAIN,
        BEGIN OPEN "f" SEP "{\"a\": 1}" OPEN "g" SEP "{}", "f{\"a\": 1} g{}", ""},
    {"R10", "the answer ends within the JSON", FM_CALL_BARE, PLAIN,
        BEGIN BARE("f", "{\"a\": 1}") OPEN "g" SEP "{\"a\"", "f{\"a\": 1}", OPEN "g" SEP "{\"a\""},
    {"R11", "one call of two has wrong JSON", FM_CALL_BARE, PLAIN,
        BEGIN BARE("g", "{oops}") BARE("f", "{\"a\": 1}") END, "f{\"a\": 1}", BARE("g", "{oops}")},
    {"R12", "no arguments, closed (vmlx-swift 228)", FM_CALL_BARE, PLAIN, BEGIN BARE("f", "") END, "f{}", ""},
    {"R13", "arguments that are no object", FM_CALL_BARE, PLAIN, "a" BEGIN BARE("f", "[]") END, "",
        "a" BEGIN BARE("f", "[]") END},
    {"R14", "no name", FM_CALL_BARE, PLAIN, BEGIN BARE("", "{}") END, "", BEGIN BARE("", "{}") END},
    {"R15", "text behind the JSON, text behind all", FM_CALL_BARE, PLAIN,
        "a\n" BEGIN BARE("f", "{\"a\": 1} now") END "\nDone.", "f{\"a\": 1}", "a\nnow\nDone."},
    {"R16", "arguments as a string", FM_CALL_BARE, PLAIN, BEGIN BARE("f", "\"{\\\"a\\\": 1}\"") END,
        "f{\"a\": 1}", ""},
    {"R17", "a mark in a string of the arguments", FM_CALL_BARE, PLAIN,
        BEGIN BARE("f", "{\"a\": \"" CLOSE "\"}") END, "f{\"a\": \"" CLOSE "\"}", ""},
    // <tool_call> with JSON
    {"J1", "as trained, two calls, text before", FM_CALL_JSON, PLAIN,
        "Yes.\n" CALL(F) "\n" CALL("{\"arguments\": {}, \"name\": \"g\"}"), "f{\"a\": 1} g{}", "Yes."},
    {"J2", "arguments as a string", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}"), "f{\"a\": 1}", ""},
    {"J3", "arguments null, or an empty string", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": null}") CALL("{\"name\": \"g\", \"arguments\": \"\"}"),
        "f{} g{}", ""},
    {"J4", "no arguments: an object with a name is data", FM_CALL_JSON, PLAIN, CALL("{\"name\": \"f\"}"), "",
        CALL("{\"name\": \"f\"}")},
    {"J5", "parameters in place of arguments", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"parameters\": {\"a\": 1}}"), "f{\"a\": 1}", ""},
    {"J6", "the name is missing, empty, or no string", FM_CALL_JSON, PLAIN,
        CALL("{\"arguments\": {}}") CALL("{\"name\": \"\", \"arguments\": {}}")
            CALL("{\"name\": 1, \"arguments\": {}}"),
        "",
        CALL("{\"arguments\": {}}") CALL("{\"name\": \"\", \"arguments\": {}}")
            CALL("{\"name\": 1, \"arguments\": {}}")},
    {"J7", "the API's writing: type and function around it", FM_CALL_JSON, PLAIN,
        CALL("{\"id\": \"x1\", \"type\": \"function\", \"function\": " F "}"), "f{\"a\": 1}#x1", ""},
    {"J8", "text behind the call", FM_CALL_JSON, PLAIN, CALL(F) "\nDone.", "f{\"a\": 1}", "Done."},
    {"J9", "text within the mark, behind the JSON", FM_CALL_JSON, PLAIN, CALL(F " Done."), "f{\"a\": 1}",
        "Done."},
    {"J10", "the last end is missing", FM_CALL_JSON, PLAIN, "<tool_call>\n" F, "f{\"a\": 1}", ""},
    {"J11", "an end is missing before the next begin", FM_CALL_JSON, PLAIN, "<tool_call>\n" F "\n" CALL(F),
        "f{\"a\": 1} f{\"a\": 1}", ""},
    {"J12", "the begin is missing, the end is there", FM_CALL_JSON, PLAIN, F "\n</tool_call>", "f{\"a\": 1}",
        ""},
    {"J13", "no marks, and the list of tools has the name (crustly 39)", FM_CALL_JSON, LISTED,
        "I call it.\n```json\n" F "\n```\nSo.", "f{\"a\": 1}", "I call it.\nSo."},
    {"J14", "no marks, and no tool of that name", FM_CALL_JSON, LISTED,
        "{\"name\": \"Bob\", \"arguments\": {}}", "", "{\"name\": \"Bob\", \"arguments\": {}}"},
    {"J15", "no marks, and the tools are not known", FM_CALL_JSON, PLAIN, F, "", F},
    {"J16", "the begin comes twice", FM_CALL_JSON, PLAIN, "<tool_call>\n" CALL(F), "f{\"a\": 1}", ""},
    {"J17", "several objects in one mark", FM_CALL_JSON, PLAIN, CALL(F "\n" F ", " F),
        "f{\"a\": 1} f{\"a\": 1} f{\"a\": 1}", ""},
    {"J18", "a list in the mark", FM_CALL_JSON, PLAIN, CALL("[" F ", " F "]"), "f{\"a\": 1} f{\"a\": 1}", ""},
    {"J19", "a fence in the mark", FM_CALL_JSON, PLAIN, CALL("```json\n" F "\n```"), "f{\"a\": 1}", ""},
    {"J20", "True, False, None", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": True, \"b\": [False, None]}}"),
        "f{\"a\": true, \"b\": [false, null]}", ""},
    {"J21", "single quotes", FM_CALL_JSON, PLAIN,
        CALL("{'name': 'f', 'arguments': {'a': 'say \"x\"', 'b': 'it\\'s'}}"),
        "f{\"a\": \"say \\\"x\\\"\", \"b\": \"it's\"}", ""},
    {"J22", "a comma before a bracket", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": [1, 2,],},}"), "f{\"a\": [1, 2]}", ""},
    {"J23", "a line end in a string", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": \"x\ny\"}}"), "f{\"a\": \"x\\ny\"}", ""},
    {"J24", "a backslash that escapes nothing", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": \"\\d+\"}}"), "f{\"a\": \"\\\\d+\"}", ""},
    {"J25", "a brace too many at the end", FM_CALL_JSON, PLAIN, CALL(F "}"), "f{\"a\": 1}", ""},
    {"J26", "the last brace is missing, the arguments are whole", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": 1}"), "f{\"a\": 1}", ""},
    {"J27", "the arguments are not whole", FM_CALL_JSON, PLAIN,
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1", "",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1"},
    {"J28", "one call of three has wrong JSON", FM_CALL_JSON, PLAIN, "a\n" CALL(F) CALL("{oops") CALL(F),
        "f{\"a\": 1} f{\"a\": 1}", "a\n" CALL("{oops")},
    {"J29", "one object of three in a mark has no name", FM_CALL_JSON, PLAIN, CALL(F "\n{\"x\": 1}\n" F),
        "f{\"a\": 1} f{\"a\": 1}", "{\"x\": 1}"},
    {"J30", "a mark in a string of the arguments (vllm 48353)", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}"), "f{\"a\": \"</tool_call>\"}",
        ""},
    {"J31", "an end without a call", FM_CALL_JSON, PLAIN, "a</tool_call>b", "", "a</tool_call>b"},
    {"J32", "Qwen3-Coder's writing", FM_CALL_JSON, PLAIN, CALL(FUNCTION("f", LINE("a", "1"))), "f{\"a\": 1}",
        ""},
    {"J33", "arguments that are a list, a word, or a string of words", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": [1]}") CALL("{\"name\": \"f\", \"arguments\": \"x\"}"), "",
        CALL("{\"name\": \"f\", \"arguments\": [1]}") CALL("{\"name\": \"f\", \"arguments\": \"x\"}")},
    {"J34", "half a surrogate pair, which is no text", FM_CALL_JSON, PLAIN,
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": \"\\ud800\"}}"), "",
        CALL("{\"name\": \"f\", \"arguments\": {\"a\": \"\\ud800\"}}")},
    // Qwen3-Coder
    {"Q1", "as trained, two calls", FM_CALL_XML, PLAIN,
        CALL(FUNCTION("f", LINE("a", "x y") LINE("b", "[1, 2]"))) "\n" CALL(FUNCTION("g", "")),
        "f{\"a\": \"x y\", \"b\": [1, 2]} g{}", ""},
    {"Q2", "the begin is missing, the end is there (ollama 16686)", FM_CALL_XML, PLAIN,
        "I fetch.\n\n" FUNCTION("f", LINE("a", "1")) "</tool_call>", "f{\"a\": 1}", "I fetch."},
    {"Q3", "no mark around it, and the list of tools has the name (ollama 17353)", FM_CALL_XML, LISTED,
        FUNCTION("f", LINE("zip", "1")) FUNCTION("f", LINE("n", "1")), "f{\"zip\": \"1\"} f{\"n\": 1}", ""},
    {"Q4", "no mark around it, and no tool of that name: text about calls (ollama 16398)", FM_CALL_XML,
        LISTED, "Write " FUNCTION("name", LINE("a", "1")) "so.", "",
        "Write " FUNCTION("name", LINE("a", "1")) "so."},
    {"Q5", "a parameter's end is missing (ollama 17914)", FM_CALL_XML, PLAIN,
        CALL("<function=f>\n<parameter=a>\nx\n<parameter=b>\ny\n</function>"),
        "f{\"a\": \"x\", \"b\": \"y\"}", ""},
    {"Q6", "the function's end is missing", FM_CALL_XML, PLAIN, CALL("<function=f>\n" LINE("a", "1")),
        "f{\"a\": 1}", ""},
    {"Q7", "the answer ends between parameters: more could follow", FM_CALL_XML, PLAIN,
        "<tool_call>\n<function=f>\n" LINE("a", "1"), "", "<tool_call>\n<function=f>\n" LINE("a", "1")},
    {"Q8", "True, single quotes (vllm-mlx 63)", FM_CALL_XML, PLAIN,
        CALL(FUNCTION("f", LINE("a", "True") LINE("b", "['x', 'y']"))),
        "f{\"a\": true, \"b\": [\"x\", \"y\"]}", ""},
    {"Q9", "the end mark of a parameter within its value (AReaL 1458)", FM_CALL_XML, PLAIN,
        CALL(FUNCTION("f", LINE("a", "x</parameter>y"))), "f{\"a\": \"x</parameter>y\"}", ""},
    {"Q10", "JSON in the function", FM_CALL_XML, PLAIN, CALL("<function=f>{\"a\": 1}</function>"),
        "f{\"a\": 1}", ""},
    {"Q11", "Hermes' writing", FM_CALL_XML, PLAIN, CALL(F), "f{\"a\": 1}", ""},
    {"Q12", "two functions in one mark, one without a name", FM_CALL_XML, PLAIN,
        CALL(FUNCTION("f", LINE("a", "1")) FUNCTION("", "") FUNCTION("g", "")), "f{\"a\": 1} g{}",
        "<function=>\n</function>"},
    {"Q13", "a value's line ends, but for the first and last, stay", FM_CALL_XML, PLAIN,
        CALL(FUNCTION("f", LINE("a", "\n  x\n"))), "f{\"a\": \"\\n  x\\n\"}", ""},
    // GLM
    {"G1", "as trained", FM_CALL_GLM, PLAIN, "a\n<tool_call>f\n" PAIR("a", "x") PAIR("n", "3") "</tool_call>",
        "f{\"a\": \"x\", \"n\": 3}", "a"},
    {"G2", "no arguments (vllm 32213)", FM_CALL_GLM, PLAIN,
        "<tool_call>f</tool_call><tool_call>g\n</tool_call>", "f{} g{}", ""},
    {"G3", "a number for a string, by the list of tools (mlx-vlm 2207)", FM_CALL_GLM, LISTED,
        "<tool_call>f\n" PAIR("zip", "10001") PAIR("n", "3") "</tool_call>",
        "f{\"zip\": \"10001\", \"n\": 3}", ""},
    {"G4", "the end is missing before another call", FM_CALL_GLM, PLAIN,
        "<tool_call>f\n" PAIR("a", "1") "<tool_call>g\n</tool_call>", "f{\"a\": 1} g{}", ""},
    {"G5", "the end is missing: more could follow", FM_CALL_GLM, PLAIN, "<tool_call>f\n" PAIR("a", "1"), "",
        "<tool_call>f\n" PAIR("a", "1")},
    {"G6", "the end of a value is missing", FM_CALL_GLM, PLAIN,
        "<tool_call>f<arg_key>a</arg_key><arg_value>1<arg_key>b</arg_key><arg_value>2</tool_call>",
        "f{\"a\": 1, \"b\": 2}", ""},
    {"G7", "JSON behind the name", FM_CALL_GLM, PLAIN, "<tool_call>f\n{\"a\": 1}</tool_call>", "f{\"a\": 1}",
        ""},
    {"G8", "Hermes' writing", FM_CALL_GLM, PLAIN, CALL(F), "f{\"a\": 1}", ""},
    {"G9", "the first key's begin is missing (vllm 47190)", FM_CALL_GLM, PLAIN,
        "<tool_call>fcommand</arg_key><arg_value>1</arg_value></tool_call>", "",
        "<tool_call>fcommand</arg_key><arg_value>1</arg_value></tool_call>"},
    {"G10", "a name with spaces is no name", FM_CALL_GLM, PLAIN, "<tool_call>call f now</tool_call>", "",
        "<tool_call>call f now</tool_call>"},
    // Llama
    {"L1", "as trained", FM_CALL_LLAMA, PLAIN, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "f{\"a\": 1}",
        ""},
    {"L2", "with the mark, several with ;", FM_CALL_LLAMA, PLAIN,
        "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": 1}}; {\"name\": \"g\", \"parameters\": {}}",
        "f{\"a\": 1} g{}", ""},
    {"L3", "type before the name; arguments; text before and behind", FM_CALL_LLAMA, PLAIN,
        "Sure: {\"type\": \"function\", \"name\": \"f\", \"arguments\": {\"a\": 1}} Done.", "f{\"a\": 1}",
        "Sure: \nDone."},
    {"L4", "an object that is no call", FM_CALL_LLAMA, PLAIN, "{\"name\": \"Bob\", \"age\": 3}", "",
        "{\"name\": \"Bob\", \"age\": 3}"},
    {"L5", "an object that names no tool of the list", FM_CALL_LLAMA, LISTED,
        "{\"name\": \"Bob\", \"parameters\": {}}", "", "{\"name\": \"Bob\", \"parameters\": {}}"},
    {"L6", "code behind the mark", FM_CALL_LLAMA, PLAIN, "<|python_tag|>search.call(query=\"x\")", "",
        "<|python_tag|>search.call(query=\"x\")"},
    {"L7", "<function=f>{…}</function>", FM_CALL_LLAMA, PLAIN, "<function=f>{\"a\": 1}</function>",
        "f{\"a\": 1}", ""},
    {"L8", "in a fence", FM_CALL_LLAMA, PLAIN, "```json\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n```",
        "f{\"a\": 1}", ""},
    {"L9", "the answer ends within the object", FM_CALL_LLAMA, PLAIN,
        "{\"name\": \"f\", \"parameters\": {\"a\"", "", "{\"name\": \"f\", \"parameters\": {\"a\""},
    // Mistral
    {"M1", "as trained: a list", FM_CALL_MISTRAL, PLAIN,
        "a[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}, {\"name\": "
        "\"g\", \"arguments\": {}}]",
        "f{\"a\": 1}#123456789 g{}", "a"},
    {"M2", "as trained: names and [ARGS] (mlx-lm 1374)", FM_CALL_MISTRAL, PLAIN,
        "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]123456789[ARGS]{}", "f{\"a\": 1} g{}#123456789",
        ""},
    {"M3", "no [ARGS]", FM_CALL_MISTRAL, PLAIN, "[TOOL_CALLS]f{\"a\": 1}", "f{\"a\": 1}", ""},
    {"M4", "single quotes, text behind (vllm 5649)", FM_CALL_MISTRAL, PLAIN,
        "[TOOL_CALLS][{'name': 'f', 'arguments': {'a': 1}}]$$ In order", "f{\"a\": 1}", "$$ In order"},
    {"M5", "one object of two is wrong", FM_CALL_MISTRAL, PLAIN, "[TOOL_CALLS][" F ", {\"name\": \"g\"}]",
        "f{\"a\": 1}", "{\"name\": \"g\"}"},
    {"M6", "no mark", FM_CALL_MISTRAL, PLAIN, "[" F "]", "", "[" F "]"},
    // Kimi
    {"K1", "as trained", FM_CALL_KIMI, PLAIN,
        "a" KIMI_BEGIN KIMI("functions.f:0", "{\"a\": 1}") KIMI("functions.g:1", "{}") KIMI_END,
        "f{\"a\": 1}#functions.f:0 g{}#functions.g:1", "a"},
    {"K2", "no section, or one with call for calls (llama.cpp 17376)", FM_CALL_KIMI, PLAIN,
        KIMI("functions.f:0", "{}") "<|tool_call_section_begin|>" KIMI(
            "functions.f:1", "{}") "<|tool_call_section_end|>",
        "f{}#functions.f:0 f{}#functions.f:1", ""},
    {"K3", "no functions. before the name", FM_CALL_KIMI, PLAIN, KIMI("f:0", "{}") KIMI("g", "{}"),
        "f{}#f:0 g{}", ""},
    {"K4", "other separators, by the list of tools (sglang 21377, exo 2281)", FM_CALL_KIMI, LISTED,
        KIMI("functionsget_weather5", "{}") KIMI("functions_get_weather_1", "{}"),
        "get_weather{}#functionsget_weather5 get_weather{}#functions_get_weather_1", ""},
    {"K5", "an id without a name (vllm 32146, 46127)", FM_CALL_KIMI, PLAIN,
        KIMI("call_abc123", "{\"name\": \"f\"}") KIMI("0", "{}"), "",
        KIMI("call_abc123", "{\"name\": \"f\"}") KIMI("0", "{}")},
    {"K6", "one call of two has wrong JSON", FM_CALL_KIMI, PLAIN,
        KIMI_BEGIN KIMI("functions.g:0", "{oops}") KIMI("functions.f:1", "{}") KIMI_END, "f{}#functions.f:1",
        KIMI("functions.g:0", "{oops}")},
    // none
    {"N1", "a model without a writing for calls", FM_CALL_NONE, PLAIN, "a\n" CALL(F) "\n", "",
        "a\n" CALL(F) "\n"},
    {"N2", "another style's marks", FM_CALL_DSML, PLAIN, CALL(F), "", CALL(F)},
};

static void append(char *out, size_t size, const char *text) {
    const size_t n = strlen(out);
    assert_true(n + strlen(text) < size);
    strcpy(out + n, text);
}

static void print_calls(const struct fm_tool_calls *calls, char *out, size_t size) {
    *out = 0;
    for (size_t i = 0; i < calls->n; i++) {
        if (i) append(out, size, " ");
        append(out, size, calls->items[i].name);
        append(out, size, calls->items[i].arguments);
        if (calls->items[i].id) append(out, size, "#"), append(out, size, calls->items[i].id);
    }
}

static void check_row(const struct row *row) {
    struct fm_call_reading reading;
    struct fm_text text = {0};
    char calls[1024];
    assert_true(fm_calls_read(row->style, row->list ? tools : NULL, row->answer, &reading));
    assert_true(fm_call_reading_text(&reading, row->answer, &text));
    print_calls(&reading.calls, calls, sizeof(calls));
    if (strcmp(calls, row->calls) != 0)
        fail_msg("%s: calls \"%s\" and not \"%s\"", row->id, calls, row->calls);
    if (strcmp(text.text, row->text) != 0)
        fail_msg("%s: text \"%s\" and not \"%s\"", row->id, text.text, row->text);
    // as the answer comes, nothing is taken for text that turns out to be none
    size_t known = 0;
    for (size_t k = 0; k <= strlen(row->answer); k++) {
        known += fm_calls_begin(row->style, row->answer + known, k - known);
        if (known > k) fail_msg("%s: %zu of %zu bytes are text", row->id, known, k);
        if (strncmp(text.text, row->answer, known) != 0)
            fail_msg("%s: \"%.*s\" was taken for text", row->id, (int)known, row->answer);
    }
    fm_text_free(&text);
    fm_call_reading_free(&reading);
}

static void each_row(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) check_row(&rows[i]);
}

// The page has each row, with what happens.
static void page(void **state) {
    (void)state;
    size_t length, n = 0;
    char *file = need_file(FATHOM_SOURCE_DIR "/src/decisions/tool-calls.md", &length);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        const char *happens = !row->calls[0]                                     ? "text"
            : row->text[0] && strncmp(row->answer, row->text, strlen(row->text)) ? "call, the rest text"
                                                                                 : "call";
        char line[512];
        snprintf(line, sizeof(line), "| %s | %s | %s |", row->id, row->what, happens);
        if (!strstr(file, line)) fail_msg("the page lacks the line %s", line);
    }
    for (const char *at = file; (at = strstr(at, "\n| ")); at++) n++;
    assert_int_equal(n, sizeof(rows) / sizeof(*rows) + 1); // and the head
    free(file);
}

static void styles(void **state) {
    (void)state;
    static const struct {
        enum fm_call_style style;
        const char *text;
    } templates[] = {
        {FM_CALL_NONE, "{{ messages }}"},
        {FM_CALL_FENCED, BEGIN OPEN "{{ type }}" SEP "{{ name }}\n```json\n{{ arguments }}"},
        {FM_CALL_BARE, BEGIN OPEN "{{ name }}" SEP "{{ arguments }}" CLOSE},
        {FM_CALL_DSML, "{{ '<｜DSML｜tool_calls>' }}"},
        {FM_CALL_JSON, "<tool_call>\n{\"name\": "},
        {FM_CALL_XML, "<tool_call>\n<function={{ name }}>"},
        {FM_CALL_GLM, "<tool_call>{{ name }}<arg_key>"},
        {FM_CALL_LLAMA, "<|start_header_id|>ipython<|end_header_id|>"},
        {FM_CALL_LLAMA, "<|python_tag|>"},
        {FM_CALL_MISTRAL, "[AVAILABLE_TOOLS] [TOOL_CALLS]"},
        {FM_CALL_KIMI, "<|tool_calls_section_begin|><|tool_call_begin|>"},
    };
    for (size_t i = 0; i < sizeof(templates) / sizeof(*templates); i++)
        assert_int_equal(fm_call_style_of(templates[i].text), templates[i].style);
    assert_int_equal(fm_call_style_of(NULL), FM_CALL_NONE);
    assert_true(fm_call_has_mark(FM_CALL_BARE, SEP, strlen(SEP)));
    assert_true(fm_call_has_mark(FM_CALL_DSML, "｜DSML｜", strlen("｜DSML｜")));
    assert_false(fm_call_has_mark(FM_CALL_BARE, "<think>", 7));
    assert_false(fm_call_has_mark(FM_CALL_NONE, SEP, strlen(SEP)));
}

// Reads an answer that begins with marks that begin no call, and ends with a call. Returns how many calls.
static size_t calls_after(size_t n_marks) {
    static const char mark[] = "<tool_call>x ", call[] = CALL(F);
    const size_t n = sizeof(mark) - 1;
    char *answer = malloc(n_marks * n + sizeof(call));
    assert_non_null(answer);
    for (size_t i = 0; i < n_marks; i++) memcpy(answer + i * n, mark, n);
    memcpy(answer + n_marks * n, call, sizeof(call));
    struct fm_call_reading reading;
    assert_true(fm_calls_read(FM_CALL_JSON, tools, answer, &reading));
    const size_t n_calls = reading.calls.n;
    assert_int_equal(reading.n_texts, 1);
    assert_int_equal(reading.texts[0].end, n_calls ? n_marks * n : strlen(answer));
    fm_call_reading_free(&reading);
    free(answer);
    return n_calls;
}

static void after_256_failures_all_is_text(void **state) {
    (void)state;
    assert_int_equal(calls_after(255), 1);
    assert_int_equal(calls_after(256), 0);
}

static void mended(void **state) {
    (void)state;
    static const char *const json[][2] = {{"{\"a\":  [1, -2.50e+3]}", "{\"a\":  [1, -2.50e+3]}"},
        {"'a\tb'", "\"a\\tb\""}, {"\"\\u00e4\\/\"", "\"\\u00e4\\/\""}, {"\"\\u12\"", "\"\\\\u12\""},
        {"True", "true"}, {"[]", "[]"}, {"{ }", "{ }"}, {"01", NULL}, {"1.", NULL}, {"NaN", NULL},
        {"{a: 1}", NULL}, {"[1 2]", NULL}, {"[,]", NULL}, {"\"x", NULL}, {"{\"a\" 1}", NULL}, {"", NULL},
        {"-", NULL}};
    for (size_t i = 0; i < sizeof(json) / sizeof(*json); i++) {
        struct fm_text out = {0};
        bool no_memory = false;
        const char *at = json[i][0], *end = at + strlen(at);
        const bool whole = fm_json_mend(&at, end, &out, &no_memory) && at == end;
        if (whole != (json[i][1] != NULL)) fail_msg("%s became %s", json[i][0], whole ? out.text : "nothing");
        if (whole) assert_string_equal(out.text, json[i][1]);
        assert_false(no_memory);
        fm_text_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_row), cmocka_unit_test(page),
        cmocka_unit_test(styles), cmocka_unit_test(mended), cmocka_unit_test(after_256_failures_all_is_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
