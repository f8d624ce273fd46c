#!/usr/bin/env python3
"""Writes a copy of a GGUF model with random weights, whose experts are chosen as in real models.

usage: skew_router.py IN.gguf OUT.gguf [--seed N]
needs: pip install gguf numpy

Random weights choose all experts of a layer about equally often, and each token anew; a greedy text soon
repeats itself. The copy differs in these things:
 - Popularity. The gate's bias (exp_probs_b; added where the model has none) favours some experts, others in
   each layer.
 - Recency. The tokens have topics, and a text keeps a topic for about 20 tokens. The embeddings carry the
   topic, which the gates see, and the head favours the tokens of that topic.
 - Order. All tokens form one cycle, and the head favours the next token of it: a greedy text follows the
   cycle. One token in 20 carries another topic than its own, the one of the next token.
How much of the first is fitted to the hits of a cache by recency in a published trace of 512 experts: 43.5,
62.0, 72.0, 78.9 % with 93, 186, 279, 372 slots (../src/decisions/expert-slots.md). The same input, seed and
version of numpy give the same file.
"""
import argparse
import sys
import numpy as np
import gguf

# Share of a layer's experts that have slots, and the hits by recency (%), of a long text.
TARGET = ((0.15, 37.8), (0.18, 42.5), (0.30, 55.6), (0.36, 61.1), (0.45, 67.8), (0.60, 77.9), (0.73, 85.4))
N_TOKENS, N_WARM = 1500, 200  # of a simulation, and those that do not count
N_TOPICS, PERIOD = 32, 20  # tokens that a text keeps a topic
TOPIC_SHARE = 0.2  # of the variance of a gate's logits
TOPIC_BOOST, NEXT_BOOST = 9.0, 12.0  # of the logits of the topic's tokens, and of the next token of the cycle


def scores(gate, logits):
    """The gate's scores before the bias; logits[tokens][experts]."""
    if gate["sigmoid"]:
        return 1 / (1 + np.exp(-logits))
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def choose(gate, selection):
    """The chosen experts [tokens][top_k], within the best groups (a group counts by its two best experts)."""
    if gate["groups"] > 1:
        grouped = selection.reshape(len(selection), gate["groups"], -1)
        best = np.argsort(-np.sort(grouped, axis=2)[:, :, -2:].sum(axis=2), axis=1)[:, :gate["kept"]]
        masked = np.full_like(grouped, -np.inf)
        rows = np.arange(len(selection))[:, None]
        masked[rows, best] = grouped[rows, best]
        selection = masked.reshape(selection.shape)
    return np.argsort(-selection, axis=1, kind="stable")[:, :gate["top_k"]]


def hits(chosen, n_experts):
    """Hits (%) by recency with 0 to n_experts slots."""
    depths, order = np.zeros(n_experts + 1), []
    for t, ids in enumerate(chosen.tolist()):
        place = {e: i for i, e in enumerate(order)}
        if t >= N_WARM:
            for e in ids:
                depths[place.get(e, n_experts)] += 1
        order = ids + [e for e in order if e not in ids]
    return np.concatenate(([0], 100 * np.cumsum(depths[:-1]) / depths.sum()))


def bias(gate, spread, power, seed):
    """A popularity by rank: logarithmic for power 0 (Zipf's law), with fewer favourites for larger powers."""
    rank = np.random.default_rng(seed).permutation(gate["experts"]) + 1.0
    level = (rank ** -power - 1) / power if power else -np.log(rank)
    return spread * (level - level.mean()) / level.std()


def error(gate, curve):
    """The largest distance from the target, where there are slots for one token's experts."""
    n = gate["experts"]
    return max(abs(np.interp(share * n, np.arange(n + 1), curve) - want)
               for share, want in TARGET if share * n >= gate["top_k"])


def fit(gate, seed):
    """The best spread and power, for logits of deviation 1, as rows of deviation 1/sqrt(n) give."""
    rng = np.random.default_rng(seed)
    topics, topic = rng.standard_normal((N_TOPICS, gate["experts"])), 0
    logits = np.sqrt(1 - TOPIC_SHARE) * rng.standard_normal((N_TOKENS, gate["experts"]))
    for t in range(N_TOKENS):
        topic = rng.integers(N_TOPICS) if rng.random() < 1 / PERIOD else topic
        logits[t] += np.sqrt(TOPIC_SHARE) * topics[topic]
    plain = scores(gate, logits)
    best = None
    for power in (0, 0.25, 0.5, 0.75, 1):
        for step in range(1, 13):
            spread = plain.std() * step / 8
            curve = np.mean([hits(choose(gate, plain + bias(gate, spread, power, seed + i)), gate["experts"])
                             for i in range(2)], axis=0)
            e = error(gate, curve)
            if best is None or e < best[0]:
                best = e, spread, power, curve
    return best


def read_gate(fields, architecture):
    def number(key, default=None):
        field = fields.get(f"{architecture}.{key}")
        if field is None and default is None:
            sys.exit(f"the model has no {architecture}.{key}: it has no experts")
        return default if field is None else int(field.contents())
    return {"experts": number("expert_count"), "top_k": number("expert_used_count"),
            "groups": number("expert_group_count", 1), "kept": number("expert_group_used_count", 1),
            "sigmoid": number("expert_gating_func", 1) == 2}


def with_added(tensor, addition):
    """The tensor in its own type, with addition(first, end) added to the rows [first, end)."""
    out, step = np.empty_like(tensor.data), 2048
    for i in range(0, len(out), step):
        rows = gguf.quants.dequantize(tensor.data[i:i + step], tensor.tensor_type)
        out[i:i + step] = gguf.quants.quantize(rows + addition(i, i + len(rows)), tensor.tensor_type)
    return out


def with_topics(reader, seed):
    """The embedding and the head with topics and the cycle, by name."""
    by_name = {t.name: t for t in reader.tensors}
    for name in ("token_embd.weight", "output.weight"):
        if name not in by_name:
            sys.exit(f"the model has no {name}: only models with an own head can be changed")
    embedding, output = by_name["token_embd.weight"], by_name["output.weight"]
    n_hidden, n_vocab = (int(n) for n in output.shape)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((N_TOPICS, n_hidden), dtype=np.float32)
    cycle, runs = rng.permutation(n_vocab), np.cumsum(rng.random(n_vocab) < 1 / PERIOD)
    topics = rng.integers(N_TOPICS, size=runs[-1] + 1)[runs]
    own, carried, before = np.empty(n_vocab, int), np.empty(n_vocab, int), np.empty(n_vocab, int)
    own[cycle], carried[cycle], before[cycle] = topics, np.roll(topics, -1), np.roll(cycle, 1)
    # The embedding has deviation 1, and the layers add little to it.
    strength = np.float32(np.sqrt(TOPIC_SHARE / (1 - TOPIC_SHARE)))
    topic_boost = np.float32(TOPIC_BOOST / (np.sqrt(TOPIC_SHARE) * n_hidden))
    next_boost = np.float32(NEXT_BOOST / (np.sqrt(1 - TOPIC_SHARE) * n_hidden))

    def head(first, end):
        last = gguf.quants.dequantize(embedding.data[before[first:end]], embedding.tensor_type)
        return topic_boost * directions[own[first:end]] + next_boost * last
    return {"token_embd.weight": with_added(embedding, lambda i, end: strength * directions[carried[i:end]]),
            "output.weight": with_added(output, head)}


def copy(reader, path, architecture, changed):
    """Writes all keys and tensors, with these tensors changed or added."""
    writer = gguf.GGUFWriter(path, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], element)
    for t in reader.tensors:
        writer.add_tensor(t.name, changed.pop(t.name, t.data), raw_dtype=t.tensor_type)
    for name, data in changed.items():
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("model")
    options.add_argument("out")
    options.add_argument("--seed", type=int, default=1)
    o = options.parse_args()
    reader = gguf.GGUFReader(o.model)
    architecture = reader.fields["general.architecture"].contents()
    gate = read_gate(reader.fields, architecture)
    worst, spread, power, curve = fit(gate, o.seed)
    print(f"{gate['experts']} experts, top {gate['top_k']}: bias of deviation {spread:.4f}, power {power}; "
          f"foretold within {worst:.1f} points of the target")
    for share, want in TARGET:
        n = round(share * gate["experts"])
        print(f"  {n:4d} slots ({100 * n / gate['experts']:.0f} %): {curve[n]:.1f} % hits foretold, "
              f"target near {want:.1f} %")
    changed = with_topics(reader, o.seed)
    for t in reader.tensors:
        if t.name.endswith(".ffn_gate_inp.weight"):
            i = int(t.name.split(".")[1])
            values = bias(gate, spread, power, o.seed + 100 + i)
            changed[f"blk.{i}.exp_probs_b.bias"] = values.astype(np.float32)
    copy(reader, o.out, architecture, changed)


main()
