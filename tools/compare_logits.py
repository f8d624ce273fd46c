#!/usr/bin/env python3
"""Checks that llama.cpp reads the files of `fathom convert`, and computes the same. A folder is a hub model with a
golden.safetensors of input_ids, logits, greedy_prompt and greedy_ids, such as tests/data/reference/v3. The script
converts each folder, lets llama-server continue the golden prompt greedily, and compares llama-server's probabilities
after every eighth token of input_ids with the golden ones.
    tools/compare_logits.py [--type f32] FOLDER...
FATHOM names the program (build/fathom), LLAMA_SERVER the peer's command (llama-server). The script builds nothing, and
prints a line a folder."""
import json
import math
import os
import pathlib
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
FATHOM = os.environ.get("FATHOM", str(HERE.parent / "build/fathom"))
SERVER = shlex.split(os.environ.get("LLAMA_SERVER", "llama-server"))
PORT = int(os.environ.get("PORT", "18099"))


def golden(folder):
    data = (folder / "golden.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        kind = {"F32": "f", "I32": "i"}[t["dtype"]]
        tensors[name] = struct.unpack(f"<{(end - begin) // 4}{kind}", data[8 + size + begin:8 + size + end])
    return tensors


def ask(path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as reply:
        return json.loads(reply.read())


def complete(prompt, n, n_probs=0):
    return ask("/completion", {"prompt": list(prompt), "n_predict": n, "temperature": 0, "ignore_eos": True, "return_tokens": True, "n_probs": n_probs,
                               "cache_prompt": False, "samplers": ["temperature"]})


def log_softmax(row):
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


def wait_until_ready(server, log):
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("llama-server did not start:\n" + "\n".join(pathlib.Path(log.name).read_text(errors="replace").splitlines()[-12:]))
        try:
            if ask("/health")["status"] == "ok":
                return
        except (OSError, ValueError):
            time.sleep(0.1)
    raise SystemExit("llama-server is not ready after a minute")


def compare(folder, g):
    n_vocab = len(g["logits"]) // len(g["input_ids"])
    worst, divergences = 0, []
    for end in range(8, len(g["input_ids"]) + 1, 8):
        row = g["logits"][(end - 1) * n_vocab:end * n_vocab]
        want = log_softmax(row)
        reply = complete(g["input_ids"][:end], 1, n_vocab)
        if "completion_probabilities" not in reply:
            continue # the server does not print a token that is no whole character
        got = reply["completion_probabilities"][0]["top_logprobs"]
        worst = max(worst, max(abs(x["logprob"] - want[x["id"]]) for x in got if want[x["id"]] > -20))
        divergences.append(sum(math.exp(want[x["id"]]) * (want[x["id"]] - x["logprob"]) for x in got))
    tokens = complete(g["greedy_prompt"], len(g["greedy_ids"]))["tokens"]
    same = sum(a == b for a, b in zip(tokens, g["greedy_ids"]))
    print(f"{folder.name:10s} greedy tokens equal: {same} of {len(g['greedy_ids'])}; "
          f"log-probabilities after {len(divergences)} prefixes differ by at most {worst:.1e}, KL divergence at most {max(divergences):.1e}", flush=True)


def main(arguments):
    kind = "f32"
    if arguments[:1] == ["--type"]:
        kind, arguments = arguments[1], arguments[2:]
    if not arguments:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory(dir=os.environ.get("WORK")) as work:
        for name in arguments:
            folder = pathlib.Path(name)
            g, model = golden(folder), f"{work}/{folder.name}.gguf"
            subprocess.run([FATHOM, "convert", str(folder), model, "--type", kind], check=True)
            flags = ["-m", model, "--port", str(PORT), "-c", "512", "-np", "1", "-fa", "off", "-ctk", "f32", "-ctv", "f32", "--no-warmup", "--device", "none", "-fit", "off"]
            with open(f"{work}/log", "w+") as log:
                server = subprocess.Popen(SERVER + flags, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
                try:
                    wait_until_ready(server, log)
                    compare(folder, g)
                finally:
                    if server.poll() is None:
                        os.killpg(server.pid, signal.SIGTERM)
                    server.wait()


main(sys.argv[1:])
