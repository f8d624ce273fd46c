#!/usr/bin/env python3
"""Writes chat_vectors.json: conversations rendered by the models' own templates.
    make_chat_vectors.py FOLDER
FOLDER holds NAME/tokenizer_config.json of the tokenizers that tools/fetch_tokenizers.sh fetches. R1's and V3.1's
template is NAME/chat_template.jinja. V3.2 and V4 have Python in place of a template: NAME/encoding_dsv32.py and
NAME/encoding_dsv4.py, from the models' folder `encoding`."""
import importlib, json, os, sys
from jinja2.sandbox import ImmutableSandboxedEnvironment

FORMS = ["deepseek-r1", "deepseek-v3", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "qwen2.5", "qwen3", "llama3"]
MARKS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<|im_start|>",
         "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "｜DSML｜", "<tool_call>", "</tool_call>",
         *(f"<｜tool▁{kind}▁{end}｜>" for kind in ("calls", "call", "outputs", "output") for end in ("begin", "end")), "<｜tool▁sep｜>"]
DSML = {"deepseek-v3.2": "encoding_dsv32", "deepseek-v4": "encoding_dsv4"}
SWITCHED = ["deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "qwen3"]  # models that can be told not to think
FENCED = ["deepseek-r1", "deepseek-v3"]  # their templates are right for one round of two calls only, and list no tools
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Wie ist das \"Wetter\"? <b>&'", "parameters": {
             "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}}, "required": ["city"]}}},
         {"type": "function", "function": {"name": "clock", "description": "Time: 時間 / zone\n", "parameters": {}}}]

def user(text): return {"role": "user", "content": text}
def system(text): return {"role": "system", "content": text}
def answer(text, reasoning=None, calls=None):
    message = {"role": "assistant", "content": text}
    if reasoning is not None: message["reasoning"] = reasoning
    if calls: message["tool_calls"] = [{"id": f"id{i}", "name": n, "arguments": a} for i, (n, a) in enumerate(calls)]
    return message
def result(text, i): return {"role": "tool", "content": text, "tool_call_id": f"id{i}"}

PLAIN = [[user("1 + 1?")], [user("")], [system("Be kind."), user("né 你好 🌍"), answer("2"), user("\n  and now? \n")],
         [user("a"), answer(""), user("b"), answer("two\nlines"), user("c")], [system(""), user("x")],
         [user("a"), answer("b", "\nhm\n"), user("c"), answer("d", ""), user("e")]]
TWO = [("weather", {"city": "Zürich \"ZH\"\n", "days": 3, "deep": {"a": [1, 2.5, None, True], "b": "/\t"}}), ("clock", {})]
ROUNDS = [system("Use tools."), user("q"), answer("", "need it", [("weather", {"city": "北京"})]), result("sun\n", 0),
          answer("It is sunny.", "clear\n"), user("and the time?"), answer("Let me see.", "the clock", TWO), result("rain", 0), result("12:00", 1)]
WITH_TOOLS = [[user("q"), answer("", None, TWO), result("rain", 0), result("12:00", 1)], ROUNDS, [user("hello")], [system("S"), user("hello")],
              ROUNDS + [answer("\nDone", "so"), user("thanks")]]

def byte_tokenizer():
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    vocab = {chr(b if b in keep else 256 + rest.index(b)): b for b in range(256)}
    added = [{"id": 256 + i, "content": m, "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
             for i, m in enumerate(MARKS)]
    return {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}, "model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": added}

def sections(tools):
    """V3.1's list of tools, as its model card has it: the template leaves it to the system prompt."""
    text = "## Tools\nYou have access to the following tools:\n\n"
    for tool in (t["function"] for t in tools):
        text += f"### {tool['name']}\nDescription: {tool['description']}\n\nParameters: {json.dumps(tool['parameters'], ensure_ascii=False)}\n\n"
    return text + """IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{additional_tool_calls}<｜tool▁calls▁end｜>

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces"""

def for_template(form, talk, tools):
    messages = []
    for message in talk:
        out = {k: v for k, v in message.items() if k not in ("tool_calls", "reasoning")}
        if "reasoning" in message: out["reasoning_content"] = message["reasoning"]
        if "tool_calls" in message:
            as_text = not form.startswith("qwen")
            out["tool_calls"] = [{"id": c["id"], "type": "function", "function": {"name": c["name"],
                "arguments": json.dumps(c["arguments"]) if as_text else c["arguments"]}} for c in message["tool_calls"]]
            if form in FENCED: out["content"] = None
        messages.append(out)
    if tools and form in [*DSML, "deepseek-v3.1"] and messages[0]["role"] != "system": messages.insert(0, system(""))
    if tools and form in DSML: messages[0] = {**messages[0], "tools": tools}
    if tools and form == "deepseek-v3.1": messages[0] = system(messages[0]["content"] + "\n\n" + sections(tools))
    return messages

def for_fathom(talk, raw):
    """Arguments as text, and results in another order than their calls."""
    messages = []
    for message in talk:
        message = dict(message)
        if "tool_calls" in message:
            dump = (lambda a: json.dumps(a)) if raw else (lambda a: json.dumps(a, indent=1).replace("/", "\\/"))
            message["tool_calls"] = [{**c, "arguments": dump(c["arguments"])} for c in message["tool_calls"]]
        if message["role"] == "tool" and messages[-1]["role"] == "tool": messages.insert(len(messages) - 1, message)
        else: messages.append(message)
    return messages

def renderer(folder, form):
    """The form's template, or None, and a function that renders a conversation."""
    home = os.path.join(folder, form)
    if form in DSML:
        sys.path.insert(0, home)
        module = importlib.import_module(DSML[form])
        return None, lambda messages, tools, think: module.encode_messages(messages, thinking_mode="thinking" if think else "chat")
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)  # as transformers has it
    bos, source = "<｜begin▁of▁sentence｜>", os.path.join(home, "chat_template.jinja")
    if os.path.exists(source):
        source = open(source).read()
    else:
        config = json.load(open(os.path.join(home, "tokenizer_config.json")))
        source, bos = config["chat_template"], config["bos_token"]
        if isinstance(bos, dict): bos = bos["content"]
    template = environment.from_string(source)
    return source, lambda messages, tools, think: template.render(messages=messages, tools=tools, add_generation_prompt=True, bos_token=bos,
                                                                  enable_thinking=think)

cases, templates = [], {}
for form in FORMS:
    source, render = renderer(sys.argv[1], form)
    if source: templates[form] = source
    talks = [(talk, None) for talk in PLAIN]
    if form in FENCED: talks += [(WITH_TOOLS[0], None), (WITH_TOOLS[0] + [answer("Rain at noon."), user("thanks")], None)]
    elif form != "llama3": talks += [(talk, TOOLS) for talk in WITH_TOOLS] + [(talk, None) for talk in WITH_TOOLS]
    if form in [*DSML, "qwen3"]: talks += [([user("a"), user("b"), answer("c", "d"), user("e"), user("f")], None)]
    for disable_thinking in ([False, True] if form in SWITCHED else [False]):
        for talk, tools in talks:
            case = {"form": form, "disable_thinking": disable_thinking, "messages": for_fathom(talk, form in FENCED or form == "deepseek-v3.1")}
            if tools: case["tools"] = json.dumps(tools, separators=(",", ":"))
            cases.append({**case, "text": render(for_template(form, talk, tools), tools, not disable_thinking)})
json.dump({"tokenizer": byte_tokenizer(), "templates": templates, "cases": cases},
          open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_vectors.json"), "w"), ensure_ascii=False, indent=0)
