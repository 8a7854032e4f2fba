#!/usr/bin/env python3
"""OpenVINO GenAI's side of a measurement: prefill or decoding of many sequences at once, one repetition for each line of
standard input, one JSON object for each, as `ponder bench --on-request` does it.

    openvino_worker.py --gguf SmolLM2-f16.gguf --task decode --rows 16 --length 512 --steps 16 --precision bf16 --threads 2

Its paged attention and continuous batching, greedily; contexts are of different random tokens, so that no two sequences
share pages. For decoding a prompt's pages are kept from the warm-up on (prefix caching); a repetition generates 1 and then
steps + 1 tokens of each sequence, and counts the second's time less the first's. Keys and values take two bytes in bf16,
four in f32. Ends with 77 where openvino_genai is missing, and for bf16 where the processor has no instructions for it.
"""
import argparse
import json
import random
import resource
import sys
import time

try:
    import numpy
    import openvino
    import openvino_genai as genai
except ImportError as missing:
    print(f"openvino_worker: {missing}", file=sys.stderr)
    sys.exit(77)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--task", required=True, choices=["prefill", "decode"])
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    scheduler = genai.SchedulerConfig()
    scheduler.enable_prefix_caching = args.task == "decode"
    scheduler.max_num_seqs = args.rows
    scheduler.max_num_batched_tokens = max(512, args.rows)
    scheduler.cache_size = 8  # GiB, touched as they are used
    with open("/proc/cpuinfo") as file:
        flags = file.read().split()
    if args.precision == "bf16" and not {"avx512_bf16", "amx_bf16"} & set(flags):
        print("openvino_worker: this processor has no instructions for bf16: OpenVINO would compute in f32", file=sys.stderr)
        sys.exit(77)
    # The plugin would otherwise keep keys and values in eight bits.
    kept = openvino.Type.bf16 if args.precision == "bf16" else openvino.Type.f32
    pipeline = genai.LLMPipeline(
        args.gguf, "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=args.threads,
        INFERENCE_PRECISION_HINT=args.precision, KV_CACHE_PRECISION=kept)

    draw = random.Random(7)
    prompts = numpy.array([[draw.randrange(500) for _ in range(args.length)] for _ in range(args.rows)], dtype=numpy.int64)
    inputs = genai.TokenizedInputs(openvino.Tensor(prompts), openvino.Tensor(numpy.ones_like(prompts)))

    def generate(tokens):
        config = genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = tokens
        config.ignore_eos = True
        config.do_sample = False
        config.apply_chat_template = False
        begin = time.perf_counter()
        found = pipeline.generate(inputs, config)
        seconds = time.perf_counter() - begin
        if any(len(row) != tokens for row in found.tokens):
            raise SystemExit(f"openvino_worker: {[len(row) for row in found.tokens]} tokens where {tokens} were asked for")
        return seconds

    def repetition():
        prompt = generate(1)
        if args.task == "prefill":
            return args.rows * args.length, prompt
        return args.rows * args.steps, generate(args.steps + 1) - prompt

    repetition()
    print(json.dumps({"ready": True, "openvino_genai": genai.__version__}), flush=True)
    for _ in sys.stdin:
        count, seconds = repetition()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"tokens_per_second": count / seconds, "seconds": seconds, "peak_memory_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
