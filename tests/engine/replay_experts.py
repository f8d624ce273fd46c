#!/usr/bin/env python3
"""Replays which experts a model chose, under several rules of which experts stay in slots. No test.

usage: replay_experts.py [--layers] TRACE...    traces by trace_experts; several of one model are one run each
       replay_experts.py --synthetic            traces with the hits of published ones

Prints hits (%) by share of the experts that have slots: the mean over layers. Columns:
  lru     recency: the expert used longest ago goes
  lfu     frequency with decay: the expert with the least count goes; a count halves in 64 tokens
  pin N   the experts used most in an earlier run have N % of the slots, recency the others
  pin N*  the same, with the earlier run being the same text: a bound for what pinning gives
  belady  the expert that is needed last of all goes: no rule is better
The earlier run is the other traces; for one trace alone its first half, and the second half counts.
A share with fewer slots than top_k gives "-": no rule keeps anything there.
needs: pip install numpy for --synthetic
"""
import bisect
import collections
import sys

SHARES = (0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.60)
PINS = (0.25, 0.5, 0.75)
HALF_LIFE = 64  # tokens


def read(path):
    """[layer][token] lists of experts, number of experts, top_k."""
    with open(path, encoding="ascii") as file:
        head = file.readline().split()
        n_layers, n_experts, top_k = int(head[1]), int(head[3]), int(head[5])
        layers = [[] for _ in range(n_layers)]
        for line in file:
            ids = [int(word) for word in line.split()]
            for i, layer in enumerate(layers):
                layer.append(ids[i * top_k:(i + 1) * top_k])
    return layers, n_experts, top_k


def replay(tokens, n_slots, worth, kept=frozenset(), n_skipped=0):
    """Share of hits. worth(t, e) says what a resident expert is worth; experts of the token itself stay."""
    resident, hits, needed = set(kept), 0, 0
    for t, ids in enumerate(tokens):
        if t >= n_skipped:
            hits += sum(e in resident for e in ids)
            needed += len(ids)
        worth.use(t, ids)
        missing = [e for e in ids if e not in resident]
        over = len(resident) + len(missing) - n_slots
        if over > 0:
            free = sorted((e for e in resident if e not in kept and e not in ids), key=worth.of)
            resident.difference_update(free[:over])
            missing = missing[:n_slots - len(resident)]  # pinned experts can leave too few slots for a token
        resident.update(missing)
    return 100 * hits / needed


class Recency:
    def __init__(self):
        self.last = {}

    def use(self, t, ids):
        for e in ids:
            self.last[e] = t

    def of(self, e):
        return self.last.get(e, -1)


class Frequency:
    def __init__(self):
        self.count, self.scale = collections.defaultdict(float), 1.0

    def use(self, t, ids):
        self.scale *= 2 ** (1 / HALF_LIFE)
        for e in ids:
            self.count[e] += self.scale

    def of(self, e):
        return self.count[e]


class Future:
    """Belady's rule."""

    def __init__(self, tokens):
        self.uses, self.t, self.end = collections.defaultdict(list), 0, len(tokens)
        for t, ids in enumerate(tokens):
            for e in ids:
                self.uses[e].append(t)

    def use(self, t, ids):
        self.t = t

    def of(self, e):
        i = bisect.bisect_right(self.uses[e], self.t)
        return -self.uses[e][i] if i < len(self.uses[e]) else -self.end


def most_used(tokens, n):
    count = collections.Counter(e for ids in tokens for e in ids)
    return frozenset(e for e, _ in count.most_common(n))


def row(earlier, tokens, n_slots, top_k, n_skipped):
    """Hits by rule. A pinned share leaves slots for one token at least."""
    out = [replay(tokens, n_slots, Recency(), n_skipped=n_skipped),
           replay(tokens, n_slots, Frequency(), n_skipped=n_skipped)]
    for known in (earlier, tokens[n_skipped:]):
        for share in PINS:
            n = min(int(share * n_slots), n_slots - top_k)
            out.append(replay(tokens, n_slots, Recency(), most_used(known, n), n_skipped))
    return out + [replay(tokens, n_slots, Future(tokens), n_skipped=n_skipped)]


def table(title, runs, n_experts, top_k, shares=SHARES):
    """runs: for each layer and counted text (earlier tokens, tokens, tokens that do not count)."""
    pins = [f"pin {100 * p:.0f}{star}" for star in ("", "*") for p in PINS]
    print(f"\n{title}: {n_experts} experts, top {top_k}, {len(runs)} sequences of {len(runs[0][1])} tokens")
    print(f"{'slots':>12} " + " ".join(f"{name:>7}" for name in ["lru", "lfu", *pins, "belady"]))
    for share in shares:
        n_slots = round(share * n_experts)
        label = f"{n_slots} ({100 * share:.0f} %)"
        if n_slots < top_k:
            print(f"{label:>12}       -")
            continue
        rows = [row(*run[:2], n_slots, top_k, run[2]) for run in runs]
        print(f"{label:>12} " + " ".join(f"{sum(c) / len(c):7.1f}" for c in zip(*rows)))


def replay_files(paths, by_layer):
    texts = [read(path) for path in paths]
    n_experts, top_k = texts[0][1:]
    by = []
    for i in range(len(texts[0][0])):
        runs = []
        for j, text in enumerate(texts):
            if len(texts) == 1:
                half = len(text[0][i]) // 2
                runs.append((text[0][i][:half], text[0][i], half))
            else:
                runs.append(([ids for k, other in enumerate(texts) if k != j for ids in other[0][i]],
                             text[0][i], len(text[0][i]) // 8))
        by.append(runs)
    title = paths[0].rsplit("/", 1)[-1] + (f" and {len(paths) - 1} more" if paths[1:] else "")
    if by_layer:
        for i, runs in enumerate(by):
            table(f"{title}, layer {i} of those with experts", runs, n_experts, top_k)
    table(title, [run for runs in by for run in runs], n_experts, top_k)


def synthesize(n_experts, top_k, n_tokens, zipf, drift, period, popularity_seed, seed):
    """Scores are a popularity by Zipf's law, a part that drifts over `period` tokens, and Gumbel noise."""
    import numpy as np
    rng = np.random.default_rng(seed)
    rank = np.random.default_rng(popularity_seed).permutation(n_experts) + 1.0
    keep, slow, tokens = np.exp(-1 / period), rng.standard_normal(n_experts), []
    for _ in range(n_tokens):
        slow = keep * slow + np.sqrt(1 - keep * keep) * rng.standard_normal(n_experts)
        score = -zipf * np.log(rank) + drift * slow + rng.gumbel(size=n_experts)
        tokens.append(np.argpartition(-score, top_k)[:top_k].tolist())
    return tokens


def synthetic():
    # Three traces a model that all have about its published hits, which do not tell popularity from drift. The
    # published trace of 512 experts has about 340 tokens of top 10: 15 % of its uses were first ones.
    models = (("512 experts", 512, 10, 341, 0, (93, 186, 279, 372, 512), (43.5, 62.0, 72.0, 78.9, 85.0),
               ((0.78, 0.0, 20), (0.6, 1.0, 20), (0.2, 1.45, 20))),
              ("V4-Flash", 256, 6, 800, 100, (24, 32, 40), (69, 73, 75),
               ((1.4, 0.0, 10), (1.4, 2.0, 10), (0.0, 4.0, 20))))
    small = (10 / 256, 12 / 256, 16 / 256, 24 / 256)
    for model, n_experts, top_k, n_tokens, n_skipped, slots, published, laws in models:
        for name, (zipf, drift, period) in zip(("popularity alone", "both", "drift alone or nearly"), laws):
            tokens = synthesize(n_experts, top_k, n_tokens, zipf, drift, period, 1, 2)
            print(f"\n{model}, {name} (Zipf {zipf}, drift {drift} over {period} tokens):\n  hits with {slots} slots "
                  + ", ".join(f"{replay(tokens, n, Recency(), n_skipped=n_skipped):.1f}" for n in slots)
                  + f"; published {published}")
            for n, k, shares in ((n_experts, top_k, SHARES), (256, 8, small)):
                runs = [(synthesize(n, k, 1000, zipf, drift, period, i, 1000 + i),
                         synthesize(n, k, 800, zipf, drift, period, i, i), 200) for i in range(2)]
                table(f"{model}, {name}", runs, n, k, shares)


def main():
    words = sys.argv[1:]
    if words == ["--synthetic"]:
        return synthetic()
    by_layer = words[:1] == ["--layers"]
    paths = words[by_layer:]
    if not paths or paths[0].startswith("-"):
        sys.exit(__doc__)
    return replay_files(paths, by_layer)


main()
