#!/usr/bin/env python3
"""Prints the memory that models of DeepSeek's family need at 4 bits (Q4_K_M), as `fathom inspect` plans it.
The script writes a GGUF header of each model's shape; the weights are a hole that takes no space on the disk.
With --cards: the speed that `fathom inspect` foretells for R1 and V4-Flash on cards that they do not fit.
usage: memory_table.py build/fathom [CONTEXT | --cards]"""
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
F32, Q5_0, Q8_0, Q4_K, Q6_K, I32, MXFP4 = 0, 6, 8, 12, 14, 26, 39  # GGUF's numbers of the types
BLOCK = {F32: (1, 4), Q5_0: (32, 22), Q8_0: (32, 34), Q4_K: (256, 144), Q6_K: (256, 210), I32: (1, 4), MXFP4: (32, 17)}

CARDS, HOSTS, DISKS = (8, 16, 24, 48), (32, 64, 128), (3, 7)  # GiB, GiB, GB/s
MACHINE = ("--link-rate", "25", "--host-rate", "60")  # GB/s: PCIe 4 x16, DDR5 with two channels


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

    def array(self, name, values):
        self.kv += text(f"{self.arch}.{name}") + struct.pack("<IIQ", 9, 5, len(values))
        self.kv += struct.pack(f"<{len(values)}i", *values)
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


def v4_flash():  # experts of 4 bits as published (MXFP4), everything else of 8
    layers, width, heads, q_rank, rank, vocab, experts, used, expert = 43, 4096, 64, 1024, 512, 129280, 256, 6, 2048
    g = start("deepseek4", "V4-Flash", layers, width, expert, vocab, heads)
    ratios = [0, 0] + [4, 128] * 20 + [4]
    for key, value in {
            "attention.head_count_kv": 1, "attention.q_lora_rank": q_rank, "attention.key_length": rank,
            "rope.dimension_count": 64, "attention.sliding_window": 128, "attention.output_group_count": 8,
            "attention.output_lora_rank": 1024, "attention.compress_rope_freq_base": 160000.0,
            "attention.indexer.head_count": 64, "attention.indexer.key_length": 128, "attention.indexer.top_k": 512,
            "hyper_connection.count": 4, "hyper_connection.sinkhorn_iterations": 20, "hyper_connection.epsilon": 1e-6,
            "hash_layer_count": 3, "expert_count": experts, "expert_used_count": used, "expert_shared_count": 1,
            "expert_feed_forward_length": expert, "expert_gating_func": 4}.items():
        g.key(key, value)
    g.array("attention.compress_ratios", ratios)

    def mix(prefix, n, scales):
        g.tensor(prefix + "_fn.weight", (4 * width, n), F32)
        g.tensor(prefix + "_base.weight", (n,), F32)
        g.tensor(prefix + "_scale.weight", (scales,), F32)

    def compressor(prefix, ratio, n):
        wide = 2 * n if ratio == 4 else n
        g.tensor(prefix + "_kv.weight", (width, wide), Q8_0)
        g.tensor(prefix + "_gate.weight", (width, wide), Q8_0)
        g.tensor(prefix + "_ape.weight", (wide, ratio), F32)
        g.tensor(prefix + "_norm.weight", (n,), F32)

    mix("output_hc", 4, 1)
    for i, ratio in enumerate(ratios):
        b = f"blk.{i}."
        mix(b + "hc_attn", 24, 3)
        mix(b + "hc_ffn", 24, 3)
        for name, n in (("attn_norm", width), ("ffn_norm", width), ("attn_q_a_norm", q_rank), ("attn_kv_a_norm", rank),
                        ("attn_sinks", heads)):
            g.tensor(f"{b}{name}.weight", (n,), F32)
        for name, dims in (("attn_q_a", (width, q_rank)), ("attn_q_b", (q_rank, heads * rank)),
                           ("attn_kv", (width, rank)), ("attn_output_a", (heads // 8 * rank, 8 * 1024)),
                           ("attn_output_b", (8 * 1024, width))):
            g.tensor(f"{b}{name}.weight", dims, Q8_0)
        if ratio:
            compressor(b + "attn_compressor", ratio, rank)
        if ratio == 4:
            g.tensor(b + "indexer.attn_q_b.weight", (q_rank, 64 * 128), Q8_0)
            g.tensor(b + "indexer.proj.weight", (width, 64), Q8_0)
            compressor(b + "indexer_compressor", ratio, 128)
        if i < 3:
            g.tensor(b + "ffn_gate_tid2eid.weight", (used, vocab), I32)
        g.tensor(b + "ffn_gate_inp.weight", (width, experts), F32)
        for part, dims in (("gate", (width, expert)), ("up", (width, expert)), ("down", (expert, width))):
            g.tensor(f"{b}ffn_{part}_exps.weight", (*dims, experts), MXFP4)
            g.tensor(f"{b}ffn_{part}_shexp.weight", dims, Q8_0)
    return g


def inspect(path, *options):
    got = subprocess.run([sys.argv[1], "inspect", path, "--json", *options], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(got)


def cards():
    models = {"R1, V3, V3.1": lambda: mixture("R1", *MIXTURE["R1, V3, V3.1"]), "V4-Flash": v4_flash}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in models.items():
            path = os.path.join(folder, "model.gguf")
            make().write(path)
            print(f"\n{name} ({os.path.getsize(path) / 1e9:.0f} GB), tokens a second foretold with a disk of "
                  f"{DISKS[0]} / {DISKS[1]} GB/s:\n")
            print("| card | slots a layer | " + " | ".join(f"{host} GiB of host memory" for host in HOSTS) + " |")
            print("|---|---" + "|---" * len(HOSTS) + "|")
            for card in CARDS:
                cells = []
                for host in HOSTS:
                    plans = [inspect(path, "--device-memory", f"{card}GiB", "--host-memory", f"{host}GiB",
                                     "--disk-rate", str(disk), *MACHINE)["plan"] for disk in DISKS]
                    speeds = [f"{p['forecast']['tokens_per_second']:.2g}" for p in plans]
                    cells.append(" / ".join(speeds) if plans[0]["fits"] else "-")
                plan = plans[0]
                slots = (f"{plan['slots']} of 256" if plan["fits"] else f"needs {plan['fixed'] / 2**30:.1f} GiB")
                print(f"| {card} GiB | {slots} | " + " | ".join(cells) + " |")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if sys.argv[2:] == ["--cards"]:
        return cards()
    context = sys.argv[2] if len(sys.argv) == 3 else "4096"
    rows = [(mixture, name, shape) for name, shape in MIXTURE.items()]
    rows += [(dense, name, shape) for name, shape in DENSE.items()]
    print(f"| model | parameters (active) | file, GB | GiB for {context} tokens | cache a token, KiB |")
    print("|---|---|---|---|---|")
    for make, name, shape in rows:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.gguf")
            make(name, *shape).write(path)
            m, size = inspect(path, "--ctx", context), os.path.getsize(path)
        plan = m["plan"]
        total, cache = (plan["weights"] + plan["cache"] + plan["scratch"]) / 2**30, m["cache_bytes_per_token"] / 1024
        parameters, active = m["parameters"] / 1e9, m["parameters_active"] / 1e9
        print(f"| {name} | {parameters:.1f} ({active:.1f}) | {size / 1e9:.1f} | {total:.1f} | {cache:.0f} |")


main()
