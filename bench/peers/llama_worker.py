#!/usr/bin/env python3
"""llama.cpp's side of a measurement: prefill or decoding of many sequences at once, one repetition for each line of standard
input, one JSON object for each, as `ponder bench --on-request` does it.

    llama_worker.py --gguf SmolLM2-bf16.gguf --task decode --rows 16 --length 512 --steps 16 --threads 2

llama.cpp is llama-cpp-python's, by its bindings of the C functions: measured is llama_decode on one batch with a token of
every sequence. Its next token is the likeliest of those of the first row alone (one search costs what all would cost a
program in C++, a fraction of a percent). Each sequence has its own pages (kv_unified off), of --cache's type. Ends with 77 where llama_cpp is missing.
"""
import argparse
import ctypes
import json
import random
import resource
import sys
import time

try:
    import llama_cpp as llama
    import numpy
except (ImportError, FileNotFoundError, RuntimeError) as missing:
    print(f"llama_worker: {missing}", file=sys.stderr)
    sys.exit(77)

F32, F16 = 0, 1  # ggml_type
FLASH = {"auto": -1, "off": 0, "on": 1}  # llama_flash_attn_type; auto: llama.cpp's choice


class Context:
    def __init__(self, args):
        silent = llama.llama_log_callback(lambda level, text, data: None)
        llama.llama_log_set(silent, ctypes.c_void_p(0))
        self.silent = silent
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(args.gguf.encode(), llama.llama_model_default_params())
        params = llama.llama_context_default_params()
        params.n_seq_max = args.rows
        params.n_ctx = args.rows * (-(-(args.length + args.steps + 1) // 256) * 256)
        params.n_batch = params.n_ubatch = max(512, args.rows)
        params.n_threads = params.n_threads_batch = args.threads
        params.type_k = params.type_v = F32 if args.cache == "f32" else F16
        params.kv_unified = False
        params.flash_attn_type = FLASH[args.flash_attention]
        self.context = llama.llama_init_from_model(self.model, params)
        if not self.model or not self.context:
            raise SystemExit(f"llama_worker: {args.gguf} cannot be used")
        self.memory = llama.llama_get_memory(self.context)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(max(512, args.rows), 0, 1)

    def decode(self, entries):
        """entries: (token, position, sequence, whether logits are wanted)"""
        self.batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            self.batch.token[i], self.batch.pos[i] = token, position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
            self.batch.logits[i] = wanted
        if llama.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_worker: llama_decode failed")

    def likeliest(self, index):
        """Waits for what was computed, too: llama_decode may return before it is done."""
        return int(numpy.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, index), (self.vocabulary,)).argmax())

    def forget(self, begin):
        for sequence in range(llama.llama_n_seq_max(self.context)):
            llama.llama_memory_seq_rm(self.memory, sequence, begin, -1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--task", required=True, choices=["prefill", "decode"])
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--cache", choices=["f32", "f16"], default="f16", help="keys and values; f16 is llama.cpp's own")
    parser.add_argument("--flash-attention", choices=FLASH, default="auto")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    context = Context(args)
    draw = random.Random(7)
    prompts = [[draw.randrange(500) for _ in range(args.length)] for _ in range(args.rows)]

    def prefill():
        for sequence, prompt in enumerate(prompts):
            for begin in range(0, args.length, 512):
                part = prompt[begin:begin + 512]
                context.decode([(token, begin + i, sequence, begin + i + 1 == args.length) for i, token in enumerate(part)])
            context.likeliest(len(part) - 1)

    def step():
        if args.task == "prefill":
            context.forget(0)
            prefill()
            return args.rows * args.length
        token = 1
        for i in range(args.steps):
            context.decode([(token, args.length + i, sequence, True) for sequence in range(args.rows)])
            token = context.likeliest(0)
        context.forget(args.length)
        return args.rows * args.steps

    if args.task == "decode":
        prefill()
    step()
    print(json.dumps({"ready": True, "llama_cpp_python": llama.__version__}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        count = step()
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"tokens_per_second": count / seconds, "seconds": seconds, "peak_memory_bytes": peak}), flush=True)


if __name__ == "__main__":
    main()
