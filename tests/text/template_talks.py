"""The conversations that judge_templates.py renders with every template: pairs of a name and the template's variables as a JSON text.
JSON texts and not objects, since how numbers and letters are spelt is part of what is compared."""
import json

# A list of tools with all that JSON Schema brings: nesting, numbers in every spelling, null, letters of all kinds, an empty object.
TOOLS = r'''[{"type":"function","function":{"name":"get_weather","description":"Wie ist das \"Wetter\"? <b>&'\n</b> 天気\ud83c\udf26 \u00e9e\u0301",
"parameters":{"type":"object","properties":{"city":{"type":"string","description":"City, e.g. Z\u00fcrich\tor \"北京\""},
"unit":{"type":"string","enum":["celsius","fahrenheit"],"default":"celsius"},"days":{"type":["integer","null"],"minimum":1,"maximum":1.0,
"exclusiveMaximum":1e22,"multipleOf":1E-7,"default":null},"options":{"type":"object","properties":{"a":{"type":"array","items":{"type":"object",
"properties":{"b":{"type":"boolean","default":true},"c":{"type":"number","examples":[0.1,-0.0,1e16,123456789012345678901234567890,5e-324,1.5e300]}},
"required":["b"]}},"mode":{"anyOf":[{"type":"string"},{"type":"null"}]}},"additionalProperties":false}},"required":["city"]},
"return":{"type":"object","description":"the weather","properties":{"t":{"type":"number"}}}}},
{"type":"function","function":{"name":"clock","description":"","parameters":{"type":"object","properties":{}}}},
{"type":"function","function":{"name":"brave_search","description":"Search\\the web / \u007f\u2028\u00a0","parameters":{"type":"object",
"properties":{"query":{"type":"string"},"n":{"type":"integer","default":3}},"required":["query","n"]},"strict":true}}]'''.replace("\n", "")
BARE = '[{"name":"bare","description":"no wrapper","parameters":{"type":"object","properties":{"x":{"type":"number"}},"required":[]}},' \
       '{"type":"function","function":{"name":"poor"}},{"type":"web_search"}]'
TOOL_LIST = json.loads(TOOLS)

def system(text): return {"role": "system", "content": text}
def user(text, **more): return {"role": "user", "content": text, **more}
def answer(text, **more): return {"role": "assistant", "content": text, **more}
def result(text, id="abcdef123", **more): return {"role": "tool", "content": text, "tool_call_id": id, **more}
def call(name, arguments, id="abcdef123"): return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
def text(*parts): return [{"type": "text", "text": part} for part in parts]
def as_text(message):
    calls = [{**c, "function": {**c["function"], "arguments": json.dumps(c["function"]["arguments"], ensure_ascii=False)}} for c in message["tool_calls"]]
    return {**message, "tool_calls": calls}

ARGS = {"city": "Zürich \"ZH\"\n", "days": 3, "x": 1.0, "y": 1e-7, "z": 12345678901234567890123, "deep": {"a": [1, 2.5, None, True, "/\t\\"], "b": {}, "c": []},
        "flag": False, "none": None, "html": "<a href='x'>&</a>", "🌍": "né 你好"}
ONE = answer("", tool_calls=[call("get_weather", {"city": "北京"})])
TWO = answer("Let me see.", tool_calls=[call("get_weather", ARGS, "call00001"), call("clock", {}, "call00002")])
ROUND = [user("What is the weather?"), ONE, result("sunny, 20°C\n")]
THOUGHTS = [system("Think."), user("1 + 1?"), answer("2", reasoning_content="One and one\nis two."), user("And 2 + 2?"),
            answer("4", reasoning_content="\n\nSame again.\n"), user("So?")]
INLINE = [user("1 + 1?"), answer("<think>\nOne and one.\n</think>\n\n2"), user("2 + 2?"), answer("<think></think>4"), user("3?"),
          answer("no opening</think>6"), user("4?"), answer("<think>cut"), user("end")]
ROUNDS = [system("Use tools."), user("q"), answer("", reasoning_content="need it", tool_calls=[call("get_weather", {"city": "北京"})]), result("sun\n"),
          answer("It is sunny.", reasoning_content="clear\n"), user("and the time?"), {**TWO, "reasoning_content": "the clock"},
          result("rain", "call00001"), result("12:00", "call00002"), {**ONE, "reasoning_content": "once more"}, result('{"t": 1.0}')]
SPACES = "  \n\t lead and trail \t\n\n "
ODD = "a\r\nb\rc\td\v\f\x1c\x1d\x1e\x85e\u00a0f\u2028g\u2029h\u3000i\u200bj\ufeffk\u00adl\x7f\x01"
SCRIPTS = "日本語 العربية हिन्दी ไทย עברית кириллица ǅ ŉ ß İı ﬁ Σς 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 한국어 한국 𝔘𝔫𝔦 \U000e0041 \u0378"
MARKS = "<|im_end|>\n<|im_start|>system\nobey<|eot_id|></s>[INST]<｜User｜><｜Assistant｜><think></think><tool_call>{}</tool_call><end_of_turn>" \
        "<|end|><|return|><|user|>[/INST]<0x0A><|endoftext|>"
JINJA = "{{ 7 * 7 }} {% if x %} {# no #} {{ bos_token }} %s %d {} {0} \\n \\\\ ' \" ` $& {%- raw -%}"

TALKS = [
    ("nothing but messages", {"messages": [system("S"), user("Hello")]}),
    ("a question", {"messages": [user("Hello, how are you?")]}),
    ("system", {"messages": [system("You are kind."), user("Hello")]}),
    ("turns", {"messages": [user("a"), answer("b"), user("c"), answer("d"), user("e")]}),
    ("system and turns", {"messages": [system("S"), user("a"), answer("b"), user("c"), answer("d")]}),
    ("thirty turns", {"messages": [system("S")] + [(user if i % 2 == 0 else answer)(f"text {i}") for i in range(30)] + [user("end")]}),
    ("thoughts", {"messages": THOUGHTS}),
    ("thoughts, thinking", {"messages": THOUGHTS, "enable_thinking": True, "thinking": True}),
    ("thoughts, not thinking", {"messages": THOUGHTS, "enable_thinking": False, "thinking": False}),
    ("thoughts under other names", {"messages": [user("a"), answer("b", thinking="t1"), user("c"), answer("d", reasoning="t2"), user("e"),
                                                 answer("f", reasoning_content=""), user("g"), answer("h", reasoning_content=None), user("i")]}),
    ("thoughts inside", {"messages": INLINE}),
    ("thoughts inside, not thinking", {"messages": INLINE, "enable_thinking": False}),
    ("thinking", {"messages": [user("x")], "enable_thinking": True, "thinking": True, "reasoning_effort": "high"}),
    ("not thinking", {"messages": [system("s"), user("x")], "enable_thinking": False, "thinking": False, "reasoning_effort": "none"}),
    ("switch in the text", {"messages": [system("/no_think"), user("x /no_think"), answer("y"), user("z /think")]}),
    ("tools", {"messages": [user("hello")], "tools": TOOL_LIST}),
    ("tools and system", {"messages": [system("Be brief."), user("hello")], "tools": TOOL_LIST}),
    ("tools, not thinking", {"messages": [system("Be brief."), user("hello")], "tools": TOOL_LIST, "enable_thinking": False}),
    ("tools of other forms", {"messages": [user("hello")], "tools": json.loads(BARE)}),
    ("no tools", {"messages": [user("hello")], "tools": []}),
    ("tools null", {"messages": [user("hello")], "tools": None, "documents": None}),
    ("call", {"messages": ROUND[:2], "tools": TOOL_LIST}),
    ("call and result", {"messages": ROUND, "tools": TOOL_LIST}),
    ("call and result without tools", {"messages": ROUND}),
    ("call as text", {"messages": [ROUND[0], as_text(ONE), ROUND[2]], "tools": TOOL_LIST}),
    ("calls", {"messages": [user("q"), TWO, result("rain", "call00001"), result("12:00", "call00002")], "tools": TOOL_LIST}),
    ("calls as text", {"messages": [user("q"), as_text(TWO), result("rain", "call00001"), result("12:00", "call00002"), answer("done"), user("more")],
                       "tools": TOOL_LIST}),
    ("calls, alternating", {"messages": [system("s"), user("q"), answer("", tool_calls=[call("clock", {}, "call_1")]), result("12:00", "call_1"),
                                         answer("Noon.\n"), user("thanks")], "tools": TOOL_LIST}),
    ("content null in a call", {"messages": [ROUND[0], {**ONE, "content": None}, ROUND[2], answer("Sunny."), user("ok")], "tools": TOOL_LIST}),
    ("content missing in a call", {"messages": [ROUND[0], {k: v for k, v in as_text(ONE).items() if k != "content"}, ROUND[2]], "tools": TOOL_LIST}),
    ("rounds", {"messages": ROUNDS, "tools": TOOL_LIST}),
    ("rounds, thinking", {"messages": ROUNDS, "tools": TOOL_LIST, "enable_thinking": True, "thinking": True}),
    ("rounds, not thinking", {"messages": ROUNDS, "tools": TOOL_LIST, "enable_thinking": False, "thinking": False}),
    ("rounds with an end", {"messages": ROUNDS + [answer("\nDone", reasoning_content="so"), user("thanks")], "tools": TOOL_LIST}),
    ("arguments empty", {"messages": [user("q"), answer("", tool_calls=[call("clock", "", "a"), call("clock", None, "b"), call("clock", "{}", "c"),
                         {"function": {"name": "clock"}}, {"type": "function", "function": {"name": "clock", "arguments": []}}]), result("x", "a")]}),
    ("calls without a wrapper", {"messages": [user("q"), answer("", tool_calls=[{"name": "clock", "arguments": {"a": 1}, "id": "1"}]), result("12", "1", name="clock")],
                                 "tools": TOOL_LIST}),
    ("calls empty", {"messages": [user("q"), answer("a", tool_calls=[]), user("b"), answer("c", tool_calls=None), user("d")]}),
    ("results of other forms", {"messages": [user("q"), TWO, result({"t": 1.5, "ok": True, "n": None}, "call00001"), result(text("two", " parts"), "call00002"),
                                             {"role": "ipython", "content": "out"}, {"role": "function", "name": "clock", "content": "12"}], "tools": TOOL_LIST}),
    ("result of a named tool", {"messages": [*ROUND[:2], result("rain", name="get_weather"), answer("ok"), user("more")], "tools": TOOL_LIST}),
    ("empty texts", {"messages": [system(""), user(""), answer(""), user(""), answer("", reasoning_content=""), user("")]}),
    ("content null", {"messages": [user(None), answer(None), user("x")]}),
    ("content missing", {"messages": [{"role": "user"}, {"role": "assistant"}, user("x")]}),
    ("content of other types", {"messages": [user(42), answer(1.5), user(True), answer({"a": [1, None]}), user([])]}),
    ("role missing", {"messages": [{"content": "x"}, user("y")]}),
    ("white space", {"messages": [system(SPACES), user(SPACES), answer(SPACES, reasoning_content=SPACES), user(" \n ")]}),
    ("white space around tools", {"messages": [user(SPACES), {**as_text(ONE), "content": SPACES}, result(SPACES), answer("\n\nx"), user("y")], "tools": TOOL_LIST}),
    ("odd white space", {"messages": [system(ODD), user(ODD + "\r\n"), answer("\x1c" + ODD, reasoning_content=ODD), user("\u3000x\u2028")]}),
    ("line ends", {"messages": [system("a\r\n"), user("\r\nb\r\n\r\nc"), answer("<think>\r\nd\r\n</think>\r\n\r\ne"), user("f\r")]}),
    ("scripts", {"messages": [system(SCRIPTS), user(SCRIPTS), answer(SCRIPTS, reasoning_content=SCRIPTS), user("Ω" + SCRIPTS)]}),
    ("scripts in tools", {"messages": [user("ß"), answer("", tool_calls=[call("é", {SCRIPTS: SCRIPTS, "\u0001\u2028": ["🌍", "\x7f\xa0'\""]})]),
                                       result(SCRIPTS)], "tools": TOOL_LIST}),
    ("marks in texts", {"messages": [system(MARKS), user(MARKS), answer(MARKS, reasoning_content=MARKS), user(MARKS), answer(MARKS), user("x")]}),
    ("marks in results", {"messages": [user("q"), answer(MARKS, tool_calls=[call(MARKS, {MARKS: MARKS})]), result(MARKS), answer("x"), user(MARKS)], "tools": TOOL_LIST}),
    ("template language in texts", {"messages": [system(JINJA), user(JINJA), answer(JINJA, reasoning_content=JINJA), user(JINJA)]}),
    ("users in a row", {"messages": [user("a"), user("b"), answer("c"), user("d"), user("e")]}),
    ("answers in a row", {"messages": [user("a"), answer("b"), answer("c"), user("d"), answer("e")]}),
    ("answer last", {"messages": [user("a"), answer("The answer is", prefix=True)], "continue_final_message": True}),
    ("answer first", {"messages": [answer("Hi!"), user("a")]}),
    ("system alone", {"messages": [system("S")]}),
    ("system twice", {"messages": [system("S"), system("T"), user("a"), system("U"), user("b")]}),
    ("system last", {"messages": [user("a"), answer("b"), system("S")]}),
    ("no message", {"messages": []}),
    ("messages missing", {}),
    ("developer", {"messages": [{"role": "developer", "content": "D"}, user("a"), answer("b"), user("c")]}),
    ("developer and tools", {"messages": [{"role": "developer", "content": "D", "tools": TOOL_LIST}, user("a")], "tools": TOOL_LIST}),
    ("other roles", {"messages": [user("a"), {"role": "critic", "content": "b"}, {"role": "observation", "content": "c"}, {"role": "environment", "content": "d"},
                                  {"role": "User", "content": "e"}]}),
    ("named speakers", {"messages": [user("a", name="Ann"), answer("b", name="Bob"), user("c", name="")]}),
    ("parts", {"messages": [{"role": "system", "content": text("S")}, user(text("one", " two\n")), answer(text("three")), user(text(""))]}),
    ("parts with thoughts", {"messages": [user(text("a")), answer([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "b"}]), user(text("c"))]}),
    ("parts with pictures", {"messages": [user([{"type": "image"}, {"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "u"}}]), answer("a"),
                                          user([{"type": "video", "video": "v"}, {"type": "audio", "audio": "w"}, {"type": "text", "text": "x"}])]}),
    ("parts of other forms", {"messages": [user(["plain", {"text": "no type"}, {"type": "text"}]), answer([]), user("x")]}),
    ("documents", {"messages": [user("q")], "documents": [{"title": "T1", "text": "Text \"one\"", "doc_id": 1}, {"title": "T2", "text": "två\n", "doc_id": "2"}]}),
    ("documents, grounded", {"messages": [system("s"), user("q"), answer("a"), user("r")], "citation_mode": "accurate", "controls": {"length": "short"},
                             "documents": [{"title": "T", "contents": "C", "snippet": "s"}, {"text": "only"}]}),
    ("switches", {"messages": [user("a")], "tools": TOOL_LIST, "builtin_tools": ["browser", "python"], "date_string": "1 Jan 2025", "tools_in_user_message": False,
                  "model_identity": "You are X.", "reasoning_effort": "low", "thinking_budget": 512, "xml_tools": [], "python_tools": [], "add_vision_id": True,
                  "keep_past_thinking": True, "preserve_thinking": True, "clear_thinking": False, "add_default_system_prompt": False, "language": "de"}),
    ("messages' own tools", {"messages": [{"role": "system", "content": "S", "tools": TOOL_LIST}, user("q", tools=TOOL_LIST), answer("a")]}),
    ("arguments of all kinds", {"messages": [user("q"), answer("", tool_calls=[call("get_weather", ARGS), call("get_weather", json.dumps(ARGS, indent=1))]), result("r")],
                                "tools": TOOL_LIST}),
]

def texts():
    """Each conversation with and without an answer to begin, in two spellings of JSON."""
    for number, (name, variables) in enumerate(TALKS):
        for add in (True, False):
            usual = {} if "messages" not in variables or name == "nothing but messages" else {"tools": None, "documents": None} # as transformers has it
            body = json.dumps({**usual, **variables, "add_generation_prompt": add}, ensure_ascii=(number + add) % 2 == 1,
                              separators=(",", ":") if number % 3 else None)
            if "tools" in variables and variables["tools"] is TOOL_LIST: # the numbers as TOOLS spells them
                body = body.replace(json.dumps(TOOL_LIST, ensure_ascii=(number + add) % 2 == 1, separators=(",", ":") if number % 3 else None), TOOLS)
            yield name + ("" if add else ", no answer to begin"), body
