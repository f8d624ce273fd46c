#!/usr/bin/env python3
"""Prints the memory that models of DeepSeek's family need at 4 bits (Q4_K_M), as `fathom inspect` plans it.
The script writes a GGUF header of each model's shape; the weights are a hole that takes no space on the disk.
usage: memory_table.py build/fathom [CONTEXT]"""
import json, math, os, struct, subprocess, sys, tempfile

# name: layers, width, dense width, vocabulary, heads; dense models: heads of keys, architecture;
# mixtures: rank of queries, dense layers, experts, experts used, experts shared, width of an expert
DENSE = {
    "R1-Distill-Qwen-1.5B": (28, 1536, 8960, 151936, 12, 2, "qwen2"),
    "R1-Distill-Qwen-7B": (28, 3584, 18944, 152064, 28, 4, "qwen2"),
    "R1-Distill-Llama-8B": (32, 4096, 14336, 128256, 32, 8, "llama"),
    "R1-Distill-Qwen-14B": (48, 5120, 13824, 152064, 40, 8, "qwen2"),
    "R1-Distill-Qwen-32B": (64, 5120, 27648, 152064, 40, 8, "qwen2"),
    "R1-Distill-Llama-70B": (80, 8192, 28672, 128256, 64, 8, "llama"),
}
MIXTURE = {
    "V2-Lite": (27, 2048, 10944, 102400, 16, 0, 1, 64, 6, 2, 1408),
    "R1, V3, V3.1": (61, 7168, 18432, 129280, 128, 1536, 3, 256, 8, 1, 2048),
}
F32, Q5_0, Q8_0, Q4_K, Q6_K = 0, 6, 8, 12, 14  # GGUF's numbers of the types
BLOCK = {F32: (1, 4), Q5_0: (32, 22), Q8_0: (32, 34), Q4_K: (256, 144), Q6_K: (256, 210)}


def more_bits(i, n):  # llama.cpp's Q4_K_M gives these layers 6 bits
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


class Gguf:
    def __init__(self, arch, name):
        self.arch, self.kv, self.infos, self.n_kv, self.n, self.size = arch, b"", b"", 0, 0, 0
        for key, value in (("architecture", arch), ("name", name)):
            self.kv += text("general." + key) + struct.pack("<I", 8) + text(value)
            self.n_kv += 1

    def key(self, name, value):
        code, form = (6, "<f") if isinstance(value, float) else (4, "<I")
        self.kv += text(f"{self.arch}.{name}") + struct.pack("<I", code) + struct.pack(form, value)
        self.n_kv += 1

    def tensor(self, name, dims, kind=Q4_K):  # the columns come first
        if dims[0] % 256:
            kind = {Q4_K: Q5_0, Q6_K: Q8_0}.get(kind, kind)
        block, size = BLOCK[kind]
        self.infos += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, self.size)
        self.n += 1
        self.size += (math.prod(dims) // block * size + 31) // 32 * 32

    def write(self, path):
        with open(path, "wb") as f:
            f.write(b"GGUF" + struct.pack("<IQQ", 3, self.n, self.n_kv) + self.kv + self.infos)
            f.truncate((f.tell() + 31) // 32 * 32 + self.size)


def start(arch, name, layers, width, inter, vocab, heads):
    g = Gguf(arch, name)
    for key, value in (("block_count", layers), ("embedding_length", width), ("context_length", 131072),
                       ("feed_forward_length", inter), ("attention.head_count", heads),
                       ("attention.layer_norm_rms_epsilon", 1e-6)):
        g.key(key, value)
    g.tensor("token_embd.weight", (width, vocab))
    g.tensor("output_norm.weight", (width,), F32)
    g.tensor("output.weight", (width, vocab), Q6_K)
    return g


def feed_forward(g, b, kinds, width, inter, down):
    for kind in kinds:
        g.tensor(f"{b}ffn_{kind}.weight", (width, inter))
    g.tensor(f"{b}ffn_down.weight", (inter, width), down)


def dense(name, layers, width, inter, vocab, heads, n_kv, arch):
    g, head = start(arch, name, layers, width, inter, vocab, heads), width // heads
    g.key("attention.head_count_kv", n_kv)
    for i in range(layers):
        b, more = f"blk.{i}.", Q6_K if more_bits(i, layers) else Q4_K
        g.tensor(b + "attn_norm.weight", (width,), F32)
        g.tensor(b + "ffn_norm.weight", (width,), F32)
        for part, n, kind in (("q", heads, Q4_K), ("k", n_kv, Q4_K), ("v", n_kv, more)):
            g.tensor(f"{b}attn_{part}.weight", (width, n * head), kind)
            if arch == "qwen2":
                g.tensor(f"{b}attn_{part}.bias", (n * head,), F32)
        g.tensor(b + "attn_output.weight", (heads * head, width))
        feed_forward(g, b, ("gate", "up"), width, inter, more)
    return g


def mixture(name, layers, width, inter, vocab, heads, q_rank, n_dense, experts, used, shared, expert):
    g = start("deepseek2", name, layers, width, inter, vocab, heads)
    rows = {"attention.head_count_kv": 1, "attention.kv_lora_rank": 512, "attention.key_length": 576,
            "attention.value_length": 512, "attention.key_length_mla": 192, "attention.value_length_mla": 128,
            "rope.dimension_count": 64, "leading_dense_block_count": n_dense, "expert_count": experts,
            "expert_used_count": used, "expert_shared_count": shared, "expert_feed_forward_length": expert}
    if q_rank:
        rows["attention.q_lora_rank"] = q_rank
    for key, value in rows.items():
        g.key(key, value)
    for i in range(layers):
        b, more = f"blk.{i}.", Q6_K if more_bits(i, layers) else Q4_K
        g.tensor(b + "attn_norm.weight", (width,), F32)
        g.tensor(b + "ffn_norm.weight", (width,), F32)
        if q_rank:
            g.tensor(b + "attn_q_a.weight", (width, q_rank))
            g.tensor(b + "attn_q_a_norm.weight", (q_rank,), F32)
            g.tensor(b + "attn_q_b.weight", (q_rank, heads * 192))
        else:
            g.tensor(b + "attn_q.weight", (width, heads * 192))
        g.tensor(b + "attn_kv_a_mqa.weight", (width, 576))
        g.tensor(b + "attn_kv_a_norm.weight", (512,), F32)
        g.tensor(b + "attn_k_b.weight", (128, 512, heads), Q8_0)
        g.tensor(b + "attn_v_b.weight", (512, 128, heads), Q8_0)
        g.tensor(b + "attn_output.weight", (heads * 128, width))
        if i < n_dense:
            feed_forward(g, b, ("gate", "up"), width, inter, more)
            continue
        g.tensor(b + "ffn_gate_inp.weight", (width, experts), F32)
        for part, dims, kind in (("gate", (width, expert), Q4_K), ("up", (width, expert), Q4_K),
                                 ("down", (expert, width), more)):
            g.tensor(f"{b}ffn_{part}_exps.weight", (*dims, experts), kind)
            both = (dims[0], expert * shared) if part != "down" else (expert * shared, width)
            g.tensor(f"{b}ffn_{part}_shexp.weight", both, kind)
    return g


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    context = sys.argv[2] if len(sys.argv) == 3 else "4096"
    rows = [(mixture, name, shape) for name, shape in MIXTURE.items()]
    rows += [(dense, name, shape) for name, shape in DENSE.items()]
    print(f"| model | parameters (active) | file, GB | GiB for {context} tokens | cache a token, KiB |")
    print("|---|---|---|---|---|")
    for make, name, shape in rows:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.gguf")
            make(name, *shape).write(path)
            got = subprocess.run([sys.argv[1], "inspect", path, "--ctx", context, "--json"], check=True,
                                 stdout=subprocess.PIPE).stdout
            m, size = json.loads(got), os.path.getsize(path)
        total, cache = m["plan"]["total"] / 2**30, m["cache_bytes_per_token"] / 1024
        parameters, active = m["parameters"] / 1e9, m["parameters_active"] / 1e9
        print(f"| {name} | {parameters:.1f} ({active:.1f}) | {size / 1e9:.1f} | {total:.1f} | {cache:.0f} |")


main()
