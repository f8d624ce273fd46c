#!/usr/bin/env python3
"""Writes tests/data/reference/v32/first_of_ties.safetensors: what golden.safetensors holds, had the indexer's ties gone to the first positions.

The small model's indexer often gives several positions a score of exactly 0 (every head's product is negative), and the last of the 24 places falls
among them. Which of them torch.topk takes is an accident of std::nth_element on the masked row of one prefill; Fathom takes the first, which does
not depend on how a text is cut into chunks. This numpy forward pass has both rules: with torch's it must give transformers' logits (checked here,
to 1e-4), with the other one it writes the file. Needs numpy and g++.
"""
import ctypes
import json
import math
import os
import struct
import subprocess
import tempfile

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference", "v32")
N_HEADS, N_NOPE, N_ROPE, N_VALUE, RANK = 4, 32, 16, 32, 64
N_INDEX, TOP_K = 64, 24
F = np.float32

TORCH_TOPK = """
#include <algorithm>
#include <utility>
#include <vector>
extern "C" void topk(const float *x, long n, long k, long *out) {
    std::vector<std::pair<float, long>> queue(n);
    for (long i = 0; i < n; i++) queue[i] = {x[i], i};
    auto better = [](const std::pair<float, long> &a, const std::pair<float, long> &b) { return a.first > b.first; };
    std::nth_element(queue.begin(), queue.begin() + k - 1, queue.end(), better);
    for (long i = 0; i < k; i++) out[i] = queue[i].second;
}
"""


def load(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        raw = data[slice(*info["data_offsets"])]
        if info["dtype"] == "BF16":
            values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(raw, {"F32": "<f4", "I32": "<i4"}[info["dtype"]])
        tensors[name] = values.reshape(info["shape"])
    return tensors


def save(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.tobytes()
        header[name] = {"dtype": "F32" if values.dtype == F else "I32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def torch_topk(scores):
    out = np.zeros(TOP_K, np.int64)
    scores = np.ascontiguousarray(scores, F)
    library.topk(scores.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(len(scores)), ctypes.c_long(TOP_K), out.ctypes.data_as(ctypes.c_void_p))
    return out


def first_topk(scores):
    return np.argsort(-scores, kind="stable")[:TOP_K]


def rms(x, w):
    return (x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 1e-6) * w).astype(F)


def angles(n):
    rope = config["rope_scaling"]

    def pair(turns):
        return N_ROPE * math.log(rope["original_max_position_embeddings"] / (turns * 2 * math.pi)) / (2 * math.log(config["rope_theta"]))

    low, high = max(math.floor(pair(rope["beta_fast"])), 0), min(math.ceil(pair(rope["beta_slow"])), N_ROPE - 1)
    i = np.arange(N_ROPE // 2)
    ramp = np.clip((i - low) / (high - low if high != low else 0.001), 0, 1)
    plain = config["rope_theta"] ** (-2 * i / N_ROPE)
    angle = np.arange(n)[:, None] * (plain / rope["factor"] * ramp + plain * (1 - ramp))
    return np.cos(angle), np.sin(angle)


def turn_pairs(x, cos, sin):
    y = np.empty_like(x)
    y[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    y[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return y


def turn_halves(x, cos, sin):
    a, b = x[..., :N_ROPE // 2], x[..., N_ROPE // 2:N_ROPE]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., N_ROPE:]], -1).astype(F)


def swiglu(name, x):
    gate = x @ weights[name + "gate_proj.weight"].T
    return (gate / (1 + np.exp(-gate)) * (x @ weights[name + "up_proj.weight"].T)) @ weights[name + "down_proj.weight"].T


def heads(x, n):
    return x.reshape(len(x), n, -1).transpose(1, 0, 2)


def visible(w, h, q_latent, cos, sin, topk):
    """0 where a token attends, else -inf."""
    query = turn_halves(heads(q_latent @ w("indexer.wq_b.weight").T, config["index_n_heads"]), cos, sin)
    key = h @ w("indexer.wk.weight").T
    key = (key - key.mean(-1, keepdims=True)) / np.sqrt(key.var(-1, keepdims=True) + 1e-6)
    key = turn_halves(key * w("indexer.k_norm.weight") + w("indexer.k_norm.bias"), cos, sin)
    each = np.maximum(query @ key.T * N_INDEX ** -0.5, 0)
    scores = np.einsum("th,hts->ts", h @ w("indexer.weights_proj.weight").T * config["index_n_heads"] ** -0.5, each).astype(F)
    mask = np.full(scores.shape, -np.inf)
    for t, row in enumerate(scores):
        row[t + 1:] = -np.inf
        chosen = topk(row) if len(row) > TOP_K else np.arange(len(row))
        mask[t, chosen[chosen <= t]] = 0
    return mask


def attention(w, h, topk):
    cos, sin = angles(len(h))
    q_latent = rms(h @ w("q_a_proj.weight").T, w("q_a_layernorm.weight"))
    q = heads(q_latent @ w("q_b_proj.weight").T, N_HEADS)
    kv = h @ w("kv_a_proj_with_mqa.weight").T
    expanded = heads(rms(kv[:, :RANK], w("kv_a_layernorm.weight")) @ w("kv_b_proj.weight").T, N_HEADS)
    scores = q[..., :N_NOPE] @ expanded[..., :N_NOPE].transpose(0, 2, 1)
    scores = scores + turn_pairs(q[..., N_NOPE:], cos, sin) @ turn_pairs(kv[:, RANK:], cos, sin).T
    magnitude = 0.1 * math.log(config["rope_scaling"]["factor"]) + 1
    scores = scores * ((N_NOPE + N_ROPE) ** -0.5 * magnitude ** 2) + visible(w, h, q_latent, cos, sin, topk)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    mean = p / p.sum(-1, keepdims=True) @ expanded[..., N_NOPE:]
    return mean.transpose(1, 0, 2).reshape(len(h), -1) @ w("o_proj.weight").T


def mixture(name, h):
    y = swiglu(name + "shared_experts.", h)
    score = 1 / (1 + np.exp(-(h @ weights[name + "gate.weight"].T)))
    biased = score + weights[name + "gate.e_score_correction_bias"]
    n_groups, n_of = config["n_group"], score.shape[1] // config["n_group"]
    for t, row in enumerate(biased):
        best = np.argsort(-np.sort(row.reshape(n_groups, n_of), -1)[:, -2:].sum(-1))[:config["topk_group"]]
        kept = np.where(np.isin(np.arange(len(row)) // n_of, best), row, -np.inf)
        top = np.argsort(-kept)[:config["num_experts_per_tok"]]
        for e in top:
            y[t] += score[t, e] / score[t, top].sum() * config["routed_scaling_factor"] * swiglu(f"{name}experts.{e}.", h[t])
    return y


def forward(ids, topk):
    x = weights["model.embed_tokens.weight"][ids].astype(F)
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}."
        h = rms(x, weights[name + "input_layernorm.weight"])
        x = (x + attention(lambda suffix: weights[f"{name}self_attn.{suffix}"], h, topk)).astype(F)
        h = rms(x, weights[name + "post_attention_layernorm.weight"])
        x = (x + (swiglu if i < config["first_k_dense_replace"] else mixture)(name + "mlp.", h)).astype(F)
    return (rms(x, weights["model.norm.weight"]) @ weights["lm_head.weight"].T).astype(F)


with tempfile.TemporaryDirectory() as folder:
    source, shared = os.path.join(folder, "topk.cpp"), os.path.join(folder, "topk.so")
    with open(source, "w") as file:
        file.write(TORCH_TOPK)
    subprocess.run(["g++", "-O2", "-shared", "-fPIC", source, "-o", shared], check=True)
    library = ctypes.CDLL(shared)
weights = load(os.path.join(FOLDER, "model.safetensors"))
golden = load(os.path.join(FOLDER, "golden.safetensors"))
with open(os.path.join(FOLDER, "config.json")) as file:
    config = json.load(file)
apart = np.abs(forward(golden["input_ids"], torch_topk) - golden["logits"]).max()
assert apart < 1e-4, apart
logits = forward(golden["input_ids"], first_topk)
text = list(golden["greedy_prompt"])
for _ in golden["greedy_ids"]:
    text.append(int(forward(np.array(text), first_topk)[-1].argmax()))
n_other = int((np.abs(logits - golden["logits"]).max(1) > 1e-3).sum())
print(f"with torch's ties: {apart:.1e} from transformers; {n_other} of {len(logits)} tokens depend on a tie")
save(os.path.join(FOLDER, "first_of_ties.safetensors"), {"input_ids": golden["input_ids"], "logits": logits, "greedy_prompt": golden["greedy_prompt"],
                                                         "greedy_ids": np.array(text[len(golden["greedy_prompt"]):], np.int32)})
