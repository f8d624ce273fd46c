#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to seeds/ beside this file: small files of each format, whole and broken."""
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).parent / "seeds"
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, x):
    if kind == STRING:
        return string(x)
    if kind == ARRAY:
        element, items = x
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, i) for i in items)
    return struct.pack("<" + PACK[kind], x)


def gguf(keys, tensors, version=3, alignment=32):
    """keys: (key, kind, value); tensors: (name, dims, type, offset, size)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for key, kind, x in keys:
        out += string(key) + struct.pack("<I", kind) + value(kind, x)
    end = 0
    for name, dims, kind, offset, size in tensors:
        out += string(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", kind, offset)
        end = max(end, offset + size) if size else end # a size of 0: no bytes are written for it
    out += bytes(-len(out) % alignment)
    return out + bytes(i % 251 for i in range(end))


def safetensors(header, size, pad=0):
    text = (header if isinstance(header, str) else json.dumps(header)).encode() + b" " * pad
    return struct.pack("<Q", len(text)) + text + bytes(i % 251 for i in range(size))


def write(folder, files):
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (ROOT / folder / name).write_bytes(data)


ARCH = ("general.architecture", STRING, "deepseek2")
ALL_KINDS = [("k.u8", U8, 200), ("k.i8", I8, -3), ("k.u16", U16, 60000), ("k.i16", I16, -300), ("k.u32", U32, 7), ("k.i32", I32, -7), ("k.f32", F32, 1.5),
             ("k.bool", BOOL, 1), ("k.text", STRING, "text"), ("k.u64", U64, 1 << 40), ("k.i64", I64, -(1 << 40)), ("k.f64", F64, 0.1),
             ("k.ints", ARRAY, (I32, [1, -2, 3])), ("k.floats", ARRAY, (F32, [0.5, 2.0])), ("k.texts", ARRAY, (STRING, ["a", "", "bc"])),
             ("k.empty", ARRAY, (U8, [])), ("k.bools", ARRAY, (BOOL, [0, 1]))]
TENSORS = [("f32", [4, 3], 0, 0, 48), ("f16", [8], 1, 64, 16), ("bf16", [2, 2, 2, 2], 30, 96, 32), ("q8_0", [32, 2], 8, 128, 68), ("q4_0", [64], 2, 224, 36)]
TOKENIZER = [("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "deepseek-v3"),
             ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab", "<x>", "[PAD4]"])), ("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1, 1, 3, 5])),
             ("tokenizer.ggml.merges", ARRAY, (STRING, ["a b"])), ("tokenizer.ggml.bos_token_id", U32, 3), ("tokenizer.ggml.add_bos_token", BOOL, 1)]
ENDS = TOKENIZER[:2] + [("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab", "<x>", "<|im_end|>", "<｜y｜>"])), TOKENIZER[4],
                        ("tokenizer.ggml.eot_token_id", U32, 3), ("tokenizer.ggml.eos_token_ids", ARRAY, (I32, [2, 4])),
                        ("tokenizer.chat_template", STRING, "x"), ("tokenizer.chat_template.tool_use", STRING, "y")]
OLDER = [ARCH] + [("deepseek2." + key, U32, n) for key, n in (("attention.head_count", 2), ("attention.key_length", 12), ("attention.value_length", 3),
                                                              ("rope.dimension_count", 8))]
whole = gguf([ARCH] + ALL_KINDS, TENSORS)
write("gguf", {
    "empty_list": gguf([], []), "all_kinds": whole, "version2": gguf([ARCH], TENSORS[:2], version=2), "tokenizer": gguf([ARCH] + TOKENIZER, TENSORS[:1]),
    "tokenizer_ends": gguf([ARCH] + ENDS, TENSORS[:1]),
    "alignment": gguf([ARCH, ("general.alignment", U32, 64)], TENSORS[:2], alignment=64),
    "truncated": whole[:-40], "truncated_keys": whole[:90], "zeros": bytes(256), "magic": b"GGML" + whole[4:],
    "overlap": gguf([ARCH], [("a", [16], 0, 0, 64), ("b", [16], 0, 32, 64)]), "past_end": gguf([ARCH], [("a", [16], 0, 1 << 40, 0)]),
    "overflow": gguf([ARCH], [("a", [1 << 62, 1 << 62], 0, 0, 64)]), "nested": gguf([("n", ARRAY, (ARRAY, []))], []),
    "kv_b": gguf(OLDER, [("blk.0.attn_kv_b.weight", [32, 14], 0, 0, 1792)]),
    "kv_b_blocks": gguf(OLDER, [("blk.0.attn_kv_b.weight", [256, 14], 12, 0, 2016)]),
    "gate_up": gguf(OLDER, [("blk.3.ffn_gate_up_exps.weight", [32, 6, 2], 8, 0, 408), ("blk.0.ffn_gate_up.weight", [4, 6], 0, 416, 96),
                            ("blk.0.ffn_gate_up_shexp.weight", [4, 5], 0, 512, 80)]),
    "qkv": gguf([("general.architecture", STRING, "qwen2"), ("qwen2.attention.head_count", ARRAY, (U32, [4, 4])), ("qwen2.attention.head_count_kv", F32, 2)],
                [("blk.1.attn_qkv.weight", [4, 16], 0, 0, 256), ("blk.1.attn_qkv.bias", [16], 0, 256, 64)]),
    "name": gguf([ARCH], [("a\x1b[31m\nb", [4], 77, 0, 16)]),
    "split": gguf([ARCH, ("split.no", U16, 0), ("split.count", U16, 2), ("split.tensors.count", I32, 1)], TENSORS[:1]),
    "points": gguf([ARCH], [("a", [256], 19, 0, 50), ("b", [256], 16, 64, 66), ("c", [256], 21, 160, 110)]),
    "twice": gguf([ARCH, ARCH], []), "q4_k": gguf([ARCH], [("a", [256], 12, 0, 144)]),
})

A = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
B = {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]}
write("safetensors", {
    "two": safetensors({"__metadata__": {"format": "pt"}, "a": A, "b": B}, 32, pad=5), "none": safetensors({}, 0),
    "scalar": safetensors({"s": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}, 8),
    "no_elements": safetensors({"e": {"dtype": "F16", "shape": [0, 7], "data_offsets": [0, 0]}}, 0),
    "half_bytes": safetensors({"f": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, 1),
    "fp8": safetensors({"f": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [0, 4]}}, 4),
    "overlap": safetensors({"a": A, "b": {**B, "data_offsets": [20, 28]}}, 28), "hole": safetensors({"a": A, "b": {**B, "data_offsets": [28, 36]}}, 36),
    "past_end": safetensors({"a": {**A, "data_offsets": [8, 32]}}, 24), "truncated": safetensors({"a": A}, 24)[:30],
    "overflow": safetensors({"a": {**A, "shape": [1 << 40, 1 << 40]}}, 24), "twice": safetensors('{"a":%s,"a":%s}' % (json.dumps(A), json.dumps(A)), 24),
    "bad_offsets": safetensors({"a": {**A, "data_offsets": [24, 0]}}, 24), "bad_dtype": safetensors({"a": {**A, "dtype": "F12"}}, 24),
    "negative": safetensors({"a": {**A, "shape": [-2, -3]}}, 24), "deep": safetensors("[" * 100 + "]" * 100, 0), "text": safetensors('{"a"', 0),
    "length": struct.pack("<Q", 1 << 60) + b"{}",
})

BYTES = {c: i for i, c in enumerate("!,.0123456789<>Habcdefghijklmnopqrstuvwxyz{}Ġ")}
SPLIT = {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated", "invert": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def tokenizer(**other):
    vocab = {**BYTES, "he": 50, "ll": 51, "hell": 52, "Ġx": 53}
    return {"version": "1.0", "added_tokens": [{"id": 60, "content": "<think>", "special": False, "normalized": False},
                                               {"id": 61, "content": "<eos>", "special": True, "lstrip": True, "single_word": True}],
            "normalizer": {"type": "Sequence", "normalizers": []}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]},
            "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": vocab, "merges": [["h", "e"], ["l", "l"], ["he", "ll"], ["Ġ", "x"]]}, **other}


model = tokenizer()["model"]
seeds = {
    "plain": tokenizer(), "merge_strings": tokenizer(model={**model, "merges": ["h e", "l l"]}), "nfc": tokenizer(normalizer={"type": "NFC"}),
    "gpt2": tokenizer(pre_tokenizer={**BYTE_LEVEL, "use_regex": True, "add_prefix_space": True}),
    "digits": tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}),
    "literal": tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [{**SPLIT, "pattern": {"String": "l"}, "behavior": "MergedWithNext"}, BYTE_LEVEL]}),
    "ignore_merges": tokenizer(model={**model, "ignore_merges": True}), "unknown": tokenizer(model={**model, "unk_token": "x"}),
    "bad_regex": tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [{**SPLIT, "pattern": {"Regex": "(["}}, BYTE_LEVEL]}),
    "bad_merge": tokenizer(model={**model, "merges": [["zz", "yy"]]}), "same_id": tokenizer(model={**model, "vocab": {"a": 1, "b": 1}}),
    "huge_id": tokenizer(model={**model, "vocab": {"a": 1 << 40}}), "wordpiece": tokenizer(model={"type": "WordPiece", "vocab": {}}),
    "letters": tokenizer(added_tokens=[{"id": 60, "content": "ö", "normalized": True}, {"id": 61, "content": "  "}, {"id": 62, "content": "<|im_end|>"}]),
    "decoders": tokenizer(decoder={"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "Fuse"}]}),
    "no_model": {"version": "1.0"}, "array": [],
}
write("tokenizer", {name: json.dumps(x, ensure_ascii=False).encode() for name, x in seeds.items()} | {"truncated": json.dumps(tokenizer()).encode()[:300]})


def chat(form, *texts):
    return bytes([form]) + b"\0".join(text.encode() for text in texts)


LIST = json.dumps([{"type": "function", "function": {"name": "f", "description": "\u00e9\n\"", "parameters": {"a": [1, {"b": None}]}}}])
ARGUMENTS = '{"a": "x\\u00e9\\ud83d\\ude00\\ud800\\n", "n": [1, 2.5, {"k": true}], "": {}}'
LINES = '<｜DSML｜parameter name="a" string="true">x "y"</｜DSML｜parameter>\n<｜DSML｜parameter name="n" string="false">[1]</｜DSML｜parameter>\n'
CALL = '<｜DSML｜invoke name="f">\n' + LINES + "</｜DSML｜invoke>\n"
MARKED = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>%s<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
OBJECT = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
write("chat", {
    "r1": chat(0, "", ARGUMENTS, "r", "yes" + MARKED % 'function<｜tool▁sep｜>f\n```json\n{"a": 1}\n```'),
    "v31": chat(2, LIST, ARGUMENTS, "r", MARKED % "f<｜tool▁sep｜>{}"), "v32": chat(3, LIST, ARGUMENTS, "r", "a\n\n<｜DSML｜function_calls>\n" + CALL + "</｜DSML｜function_calls>"),
    "v4": chat(4, LIST, ARGUMENTS, "<｜User｜>", "a\n\n<｜DSML｜tool_calls>\n" + CALL + CALL + "</｜DSML｜tool_calls>"),
    "v4_cut": chat(4, LIST[:-1], ARGUMENTS[:-1], "r", "a\n\n<｜DSML｜tool_calls>\n" + CALL), "v4_nested": chat(4, "[" * 70, "{" * 70, "r", "<｜DSML"),
    "qwen25": chat(5, LIST, "{}", "r", OBJECT), "qwen3": chat(6, LIST, " { } ", "", "a" + OBJECT + "\n" + OBJECT), "llama3": chat(7, "", "{}", "r", OBJECT),
    "empty": chat(4),
})


# styles in the order of enum fm_call_style
BEGIN, FUNCTION = "a\n<｜tool▁calls▁begin｜>", "<function=f>\n<parameter=a>\nTrue\n</parameter>\n<parameter=b>\n['x']\n</function>\n"
KIMI = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"
write("tool_calls", {
    "empty": b"", "none": chat(0, OBJECT), "fenced": chat(1, MARKED % 'function<｜tool▁sep｜>f\n```json\n{"a": 1}\n```' + " b"),
    "bare": chat(2, BEGIN + "<|tool call begin|>f<｜tool_sep｜>{'a': None,}<｜tool▁call▁begin｜>g<｜tool▁sep｜><｜tool▁call▁end｜> b"),
    "dsml": chat(3, "a\n\n<｜DSML｜tool_calls>\n" + CALL + CALL.replace("[1]", "{oops") + "</｜DSML｜tool_calls> b"),
    "dsml_cut": chat(3, CALL[:-20]), "json": chat(4, "a\n" + OBJECT + OBJECT[:-20] + OBJECT), "json_bare": chat(4, '```json\n{"name": "f", "arguments": "{}"}\n```'),
    "xml": chat(5, "<tool_call>\n" + FUNCTION + FUNCTION + "</tool_call> b " + FUNCTION), "llama": chat(7, '{"type": "function", "name": "f", "parameters": {"a": "\\d"}}; x'),
    "glm": chat(6, "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<tool_call>g</tool_call>"), "llama_mark": chat(7, "<|python_tag|>f.call(1)" + FUNCTION),
    "mistral": chat(8, '[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "1"}, {"name": 1}][TOOL_CALLS]f[CALL_ID]2[ARGS]{}'), "kimi": chat(9, KIMI + KIMI.replace("s.f:0", "_f_1")),
})


def tuned(*rows, version=1, row_size=92):
    """rows: op, variant, shape, first token, last token, size."""
    return struct.pack("<II", version, row_size) + b"".join(
        struct.pack("<24s24s8I3I", op.encode(), variant.encode(), *(shape + [0] * 8)[:8], *rest) for op, variant, shape, *rest in rows)


ROW = ("matmul", "rows", [2, 1, 2048, 2048], 1, 1, 4)
write("tuned", {
    "one": tuned(ROW), "none": tuned(), "several": tuned(ROW, ("latent_attention", "heads", [1, 16, 512, 64], 2, 3, 0)),
    "version": tuned(ROW, version=2), "row_size": tuned(ROW, row_size=88), "cut": tuned(ROW)[:-1], "short": b"\1\0\0",
    "no_name": tuned(("", "rows", [], 1, 1, 0)), "long_name": tuned(("matmul", "r" * 24, [], 1, 1, 0)), "tokens": tuned(("matmul", "rows", [], 3, 2, 0)),
    "no_tokens": tuned(("matmul", "rows", [], 0, 2, 0)),
})


def matrix(name, values, runs=2):
    return struct.pack("<i", len(name)) + name.encode() + struct.pack(f"<ii{len(values)}f", runs, len(values), *values)


UP = matrix("blk.0.ffn_up.weight", [1.0, 0.5, 0.0, 3.0] * 2)
SUMS = [("blk.0.ffn_up.weight.in_sum2", [4, 2], 0, 0, 32), ("blk.0.ffn_up.weight.counts", [1, 2], 0, 32, 8)]
write("importance", {
    "one": struct.pack("<i", 1) + UP, "two": struct.pack("<i", 2) + UP + matrix("output.weight", [2.0]), "none": struct.pack("<i", 0),
    "cut": struct.pack("<i", 2) + UP, "many": struct.pack("<i", 0x7fffffff), "twice": struct.pack("<i", 2) + UP + UP,
    "negative": struct.pack("<i", 1) + matrix("blk.0.ffn_up.weight", [-1.0] * 4), "gguf": gguf([("general.type", STRING, "imatrix")], SUMS),
    "gguf_counts_missing": gguf([("general.type", STRING, "imatrix")], SUMS[:1]),
})


def mixed(lane, word):
    product = (lane ^ word) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    return (product << 29 | product >> 35) & (1 << 64) - 1


def summed(data):
    """The data and their checksum, as of src/base/checksum.c."""
    lanes, total = [1, 2, 3, 4], mixed(0, len(data))
    words = struct.iter_unpack("<4Q", data + bytes(32 - len(data) % 32))
    for block in words:
        lanes = [mixed(lane, word) for lane, word in zip(lanes, block)]
    for lane in lanes:
        total = mixed(total, lane)
    return data + struct.pack("<Q", mixed(total, total >> 32))


def section(kind, index, data, size=None):
    return summed(struct.pack("<IIQ", kind, index, len(data) if size is None else size) + data)


def session(tokens=(1, 2, 3), evaluated=2, drafted=0, layers=(b"abcd" * 6, b"efgh" * 6), drafts=0, extra=b"", version=1, order=0x01020304, more=0, body=None):
    if body is None:
        body = section(1, 0, struct.pack(f"<{len(tokens)}i", *tokens)) + section(2, 0, extra) + b"".join(section(3, i, x) for i, x in enumerate(layers))
    head = struct.pack("<8sIIQQ6IQ", b"FathomSe", version, order, 72 + len(body) + more, 0x123456789abcdef, 1, len(tokens), evaluated, drafted, len(layers) - drafts, drafts, len(extra))
    return summed(head) + body


THREE = struct.pack("<3i", 1, 2, 3)
write("session", {
    "whole": session(), "empty": session((), 0, layers=(b"", b"")), "no_layers": session(layers=()), "extra": session(extra=b"{\"text\": 1}" * 9),
    "drafts": session(drafted=1, drafts=1), "version": session(version=2), "order": session(order=0x04030201), "cut": session()[:-1], "head": session()[:40],
    "longer": session() + b"\0", "bit": session()[:100] + b"\xff" + session()[101:], "more": session(more=1), "evaluated": session(evaluated=4),
    "drafted": session(drafted=4), "draft_layers": session(drafts=2), "swapped": session(body=section(1, 0, THREE) + section(2, 0, b"") + section(3, 1, b"a") + section(3, 0, b"b")),
    "past_the_end": session(body=section(1, 0, THREE, 1 << 40)), "overflow": session(body=section(1, 0, THREE, (1 << 64) - 8)), "few_tokens": session(body=section(1, 0, THREE[4:])),
    "many_layers": session(layers=(b"",) * 2, body=section(1, 0, THREE) + section(2, 0, b"")),
})


def talk(messages=(), **members):
    return json.dumps({"version": 1, "raw": False, "fixed_system": False, "time": [126, 10, 30, 16, 50, 0, 1, 333, 0], "messages": messages} | members).encode()


USER, CALLS = {"role": "user", "content": "é🙂\u0001\"\\"}, [{"name": "f", "arguments": "{}", "id": "1"}, {"name": "g", "arguments": "2"}]
TURN = [USER, {"role": "assistant", "reasoning": "", "tool_calls": CALLS}, {"role": "tool", "content": "7", "tool_call_id": "1"}]
write("talk", {
    "empty": b"", "none": talk(), "turn": talk(TURN), "system": talk([{"role": "system", "content": "s"}] + TURN, fixed_system=True, tools="[{}]", template_name="deepseek-v4"),
    "text": talk([USER], template_text="{{ messages }}"), "raw": talk(raw=True), "raw_messages": talk(TURN, raw=True), "both": talk(template_name="a", template_text="b"),
    "version": talk(version=2), "no_version": talk(version=None), "cut": talk(TURN)[:-9], "no_system": talk([USER], fixed_system=True), "role": talk([{"role": "king"}]),
    "no_role": talk([{}]), "content": talk([{"role": "user", "content": 7}]), "call": talk([{"role": "assistant", "tool_calls": [{"name": "f"}]}]), "calls": talk([{"role": "user", "tool_calls": 1}]),
    "time": talk(time=[0, 12, 1, 0, 0, 0, 0, 0, 0]), "times": talk(time=[0] * 10), "no_time": talk(time=None), "zero": talk([{"role": "user", "content": "a\u0000b"}]), "array": b"[]", "messages": talk(messages={}),
})
