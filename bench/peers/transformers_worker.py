#!/usr/bin/env python3
"""transformers' side of a measurement in two arithmetics: one repetition of a task for each line of standard input, one
JSON object for each, as `ponder bench --on-request` does it. Random weights of a config.json.

    transformers_worker.py --config bench/shapes/S.json --task train --rows 4 --length 512 --precision bf16 --threads 2

bf16 is autocast to train and to score, and weights of bf16 to prefill and decode. Ends with 77 where PyTorch or
transformers is missing.
"""
import argparse
import json
import os
import resource
import sys
import time

try:
    import torch
    import transformers
except ImportError as missing:
    print(f"transformers_worker: {missing}", file=sys.stderr)
    sys.exit(77)


def autocast(args):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")


def log_probabilities(model, tokens, args):
    with autocast(args):
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    return torch.log_softmax(logits.float(), -1).gather(-1, tokens[:, 1:, None])


def train(model, tokens, args):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.1, foreach=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(args):
            loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        optimizer.step()

    return step


def score(model, tokens, args):
    def step():
        with torch.inference_mode():
            log_probabilities(model, tokens, args)

    return step


def prefill(model, tokens, args):
    def step():
        with torch.inference_mode():
            for row in tokens:  # as generate() does it: logits of the last token alone
                hidden = model.model(input_ids=row[None], use_cache=True).last_hidden_state
                model.lm_head(hidden[:, -1:])

    return step


def decode(model, tokens, args):
    config = model.config
    head_dim = config.hidden_size // config.num_attention_heads
    shape = (args.rows, config.num_key_value_heads, args.length, head_dim)

    def step():
        with torch.inference_mode():
            cache = transformers.DynamicCache()
            for layer in range(config.num_hidden_layers):  # what it holds changes no time
                cache.update(torch.zeros(shape, dtype=model.dtype), torch.zeros(shape, dtype=model.dtype), layer)
            begin = time.perf_counter()
            last = torch.ones(args.rows, 1, dtype=torch.long)
            for _ in range(args.steps):
                last = model(input_ids=last, past_key_values=cache, use_cache=True).logits[:, -1].argmax(-1)[:, None]
            return time.perf_counter() - begin

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--task", required=True, choices=["train", "score", "prefill", "decode"])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    with open(args.config) as file:
        values = json.load(file)
    config = transformers.AutoConfig.for_model(**{k: v for k, v in values.items() if k != "torch_dtype"})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    if args.precision == "bf16" and args.task in ("prefill", "decode"):
        model = model.to(torch.bfloat16)
    tokens = torch.randint(config.vocab_size, (args.rows, args.length))
    step = globals()[args.task](model, tokens, args)
    count = args.rows * (args.steps if args.task == "decode" else args.length)
    step()
    print(json.dumps({"ready": True, "torch": torch.__version__, "transformers": transformers.__version__}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        seconds = step() or time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"tokens_per_second": count / seconds, "seconds": seconds, "peak_memory_bytes": peak}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
