#!/usr/bin/python3
"""PyTorch's side of a measurement: one repetition of a task for each line of standard input, one JSON object for each,
as `ponder bench --on-request` does it. bench/targets starts it with the settings that make it a fair peer
(bench/peers/torch); started bare it warns.

    torch_worker.py --config bench/shapes/T.json --task train --rows 8 --length 512
"""
import argparse
import json
import os
import resource
import sys
import time

import torch

from torch_model import Cache, Config, Qwen2, decode_logits, prefill


def train(model, tokens, args):
    # Tensor by tensor: the multi-tensor update holds temporary copies of every parameter at once (4 GB on Q) and is no
    # faster on a CPU. (PyTorch 1.13 has no fused AdamW there.)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.1, foreach=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        model.loss(tokens).backward()
        optimizer.step()

    return step


def score(model, tokens, args):
    def step():
        with torch.inference_mode():
            model.loss(tokens, reduction="none")

    return step


def prefill_rows(model, tokens, args):
    cache = Cache(model, args.rows, args.length)

    def step():
        with torch.inference_mode():
            prefill(model, tokens, cache)

    return step


def decode(model, tokens, args):
    room = args.length + args.steps
    cache = Cache(model, args.rows, room)
    with torch.inference_mode():
        prefill(model, tokens, cache)

    def step():
        with torch.inference_mode():
            next_tokens = torch.ones(args.rows, dtype=torch.long)
            for i in range(args.steps):
                next_tokens = decode_logits(model, next_tokens, cache, args.length + i, room).argmax(-1)

    return step


TASKS = {"train": train, "score": score, "prefill": prefill_rows, "decode": decode}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--task", choices=sorted(TASKS), default="train")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--lean", action="store_true", help="the form written for speed, not the plain one")
    args = parser.parse_args()
    if os.environ.get("OPENBLAS_CORETYPE") != "SKYLAKEX" and os.environ.get("PONDER_TORCH_AS_IT_IS") != "1":
        print("torch_worker: not started by bench/peers/torch; the numbers are those of slow defaults", file=sys.stderr)

    torch.set_num_threads(args.threads or len(os.sched_getaffinity(0)))
    torch.manual_seed(1)
    config = Config(args.config)
    model = Qwen2(config, args.recompute, args.lean)
    tokens = torch.randint(config.vocab, (args.rows, args.length))
    step = TASKS[args.task](model, tokens, args)
    for _ in range(args.warm_up):
        step()
    print(json.dumps({"ready": True}), flush=True)
    count = args.rows * (args.steps if args.task == "decode" else args.length)
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        print(json.dumps({
            "task": args.task, "tokens_per_second": count / seconds, "seconds": seconds,
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "threads": torch.get_num_threads(),
        }), flush=True)


if __name__ == "__main__":
    main()
