#!/usr/bin/env python3
"""Compares the mean-square errors of `fathom quantize` and llama-quantize, tensor by tensor.

  compare_quantize.py FATHOM 'LLAMA_QUANTIZE' MODEL.gguf [--imatrix FILE] [--types Q4_K_M,...] [--work DIR]

MODEL is stored as F32, F16 or BF16. LLAMA_QUANTIZE is a command, which may have arguments of its own. Needs PyPI's gguf and numpy.
With --imatrix the matrix weights the errors, as it does in both programs. The exit code is 1 if an error of Fathom's is
more than 2 % above llama-quantize's, or if a tensor's type differs.
"""
import argparse, os, shlex, subprocess, sys, tempfile
import numpy as np
from gguf import GGUFReader, dequantize

TYPES = "Q8_0,Q6_K,Q5_K_M,Q5_K_S,Q4_K_M,Q4_K_S,Q5_1,Q5_0,Q4_1,Q4_0,IQ4_NL,IQ4_XS,Q3_K_L,Q3_K_M,Q3_K_S,Q2_K"


def tensors(path):
    return {t.name: t for t in GGUFReader(path).tensors}


def floats(tensor):
    return dequantize(tensor.data, tensor.tensor_type).astype(np.float64).reshape(*reversed(tensor.shape.tolist()))


def importances(path):
    if not path:
        return {}
    with open(path, "rb") as f:
        if f.read(4) == b"GGUF":
            t = tensors(path)
            return {n[:-8]: x.data.reshape(-1, x.shape[0]) / np.maximum(t[n[:-8] + ".counts"].data.reshape(-1, 1), 1e-30)
                    for n, x in t.items() if n.endswith(".in_sum2")}
        f.seek(0)
        result = {}
        for _ in range(int(np.fromfile(f, "<i4", 1)[0])):
            name = f.read(int(np.fromfile(f, "<i4", 1)[0])).decode()
            n_runs, n = np.fromfile(f, "<i4", 2)
            result[name] = np.fromfile(f, "<f4", n) / max(n_runs, 1)
        return result


def main():
    p = argparse.ArgumentParser()
    p.add_argument("fathom")
    p.add_argument("llama_quantize")
    p.add_argument("model")
    p.add_argument("--imatrix")
    p.add_argument("--types", default=TYPES)
    p.add_argument("--work", help="the folder for the files; they are deleted")
    a = p.parse_args()
    source, weights, bad = tensors(a.model), importances(a.imatrix), 0
    print("type      tensors  error/other's: mean    worst   (tensor)")
    with tempfile.TemporaryDirectory(dir=a.work) as work:
        for name in a.types.split(","):
            ours, theirs = os.path.join(work, "ours.gguf"), os.path.join(work, "theirs.gguf")
            extra = ["--imatrix", a.imatrix] if a.imatrix else []
            for command in ([a.fathom, "quantize", a.model, ours, "--type", name] + extra,
                            shlex.split(a.llama_quantize) + extra + [a.model, theirs, name]):
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{shlex.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            x, y, ratios = tensors(ours), tensors(theirs), {}
            for tensor in x:
                if x[tensor].tensor_type != y[tensor].tensor_type:
                    print(f"  {tensor}: {x[tensor].tensor_type.name}, llama-quantize: {y[tensor].tensor_type.name}")
                    bad += 1
                    continue
                if x[tensor].tensor_type.name in ("F32", "F16", "BF16"):
                    continue
                truth, w = floats(source[tensor]), np.ones(1)
                if tensor in weights:
                    w = np.asarray(weights[tensor], np.float64).reshape(-1, 1, truth.shape[-1])
                error = [np.sum(w * (floats(t[tensor]) - truth) ** 2) for t in (x, y)]
                ratios[tensor] = error[0] / error[1] if error[1] else float(error[0] > 0)
            worst = max(ratios, key=ratios.get)
            print(f"{name:8}  {len(ratios):7}                 {np.mean(list(ratios.values())):6.3f}   {ratios[worst]:6.3f}   ({worst})")
            bad += ratios[worst] > 1.02
            os.remove(ours)
            os.remove(theirs)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
