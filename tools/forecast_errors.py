#!/usr/bin/env python3
"""Prints how far the foretold speed of decoding is from the measured one.

usage: forecast_errors.py MODEL.gguf [-n N] [--rounds N]
For a card that holds all experts of a model, 60, 30 and 15 % of them, the least that slots need, and less. The
device's memory counts as apart from the host's (--discrete). FATHOM is the program (build/fathom), RUN a command
that runs it. The first round knows nothing of the model but its file: its forecasts come from rates that are
measured at the start and from a published trace. Later rounds know the rounds before. Pipelines are built before.
"""
import argparse
import glob
import json
import os
import subprocess
import tempfile

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("model")
parser.add_argument("-n", type=int, default=64)
parser.add_argument("--rounds", type=int, default=2)
args = parser.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
program = os.environ.get("RUN", "").split() + [os.environ.get("FATHOM", f"{here}/../build/fathom")]
context = str(args.n + 16)

with tempfile.TemporaryDirectory() as cache:
    environment = dict(os.environ, XDG_CACHE_HOME=cache)

    def run(command, *options):
        done = subprocess.run(program + [command, args.model, "--discrete", "--ctx", context, "--json", *options],
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(done.stderr.strip())
        return json.loads(done.stdout)

    model = run("inspect")
    plan = model["plan"]
    # 1/20 more for the ends of blocks, slots' tables and the reserve
    rest, experts = 1.05 * (plan["total"] - plan["expert_bytes"]), 1.04 * plan["expert_bytes"]
    floor = (model["experts_used"] + 0.3) / model["experts"]
    below = (model["experts_used"] - 2) / model["experts"]
    shares = {"100 %": None, "60 %": 0.6, "30 %": 0.3, "15 %": 0.15, "floor": floor, "below": below}
    for warm in (None, 0.3):
        limit = () if warm is None else ("--vram", str(int(rest + warm * experts)))
        run("bench", "--no-tune", "-p", "0", "-n", "4", "-r", "1", *limit)
    for kept in glob.glob(f"{cache}/fathom/experts-*") + glob.glob(f"{cache}/fathom/rates-*"):
        os.remove(kept)
    print(f"{'round':6}{'experts':8}{'slots':>6}{'foretold':>10}{'measured':>10}{'error %':>9}{'hits %':>8}{'foretold':>9}")
    for number in range(args.rounds):
        for name, share in shares.items():
            limit = () if share is None else ("--vram", str(int(rest + share * experts)))
            test = run("bench", "--no-tune", "-p", "0", "-n", str(args.n), "-r", "3", *limit)["tests"][0]
            forecast, where = test["forecast"], test.get("experts", {"slots": model["experts"], "hit_rate": 1})
            print(f"{number + 1:<6}{name:8}{where['slots']:6}{forecast['tokens_per_second']:10.2f}{test['median']:10.2f}"
                  f"{forecast['error_percent']:9.1f}{100 * where.get('hit_rate', 0):8.1f}"
                  f"{100 * forecast.get('hit_rate', 0):9.1f}", flush=True)
