#!/usr/bin/python3
"""Measures the rows of docs/performance.md's table of targets; see bench/targets. Rows:

  1  a training step at 512 tokens a row          5  decode of 64 and 16 sequences, Q, bf16 weights
  2  a training step at 2,048 tokens a row        6  decode of 64 sequences, T and S
  3  peak memory of those steps                   7  decode of one sequence, Q, bf16 weights
  4  scoring                                      8  a whole rollout job against static batches
  9  prefill of Q    10  samples of one long prompt    11  a row of 32k tokens    12  planned and measured memory
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from turns import in_turn, ratios

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "bench" / "peers"
GIB, MIB = 1 << 30, 1 << 20
PROCESS = 12 * MIB  # code, libraries and the allocator's own of a `ponder bench`
ROWS = range(1, 13)

# shape: (rows, tokens a row) of a training step; Q is measured alone, as two do not fit into 24 GiB.
STEPS = {512: {"T": 8, "S": 4, "Q": 1}, 2048: {"T": 2, "S": 1, "Q": 1}}
TRAIN_TARGETS = {  # against PyTorch, share of the f32 peak
    (512, "T"): (2.3, 0.70), (512, "S"): (1.9, 0.80), (512, "Q"): (1.8, 0.80),
    (2048, "T"): (10, 0.80), (2048, "S"): (2.5, 0.70), (2048, "Q"): (1.9, 0.75)}
SCORE_TARGETS = {"T": (2.5, 0.70), "S": (1.6, 0.80), "Q": (1.3, 0.84)}


class Targets:
    def __init__(self, args):
        self.args = args
        self.training = {}  # (length, shape) -> (ours, theirs)
        self.memory = []    # (what, planned, measured) of everything of ours that ran
        self.results = []
        self.lines = 0

    # --- what is run

    def shape(self, name):
        return ROOT / "bench" / "shapes" / f"{'T' if self.args.quick else name}.json"

    def ours(self, task, rows, length, *more, config=None, model=None):
        weights = ["--model", model] if model else ["--config", config]
        return ("ponder", [self.args.ponder, "bench", *map(str, weights), "--task", task, "--rows", str(rows), "--length",
                           str(length), "--precision", "f32", "--on-request", "--quiet", *self.threads(), *more])

    def torch(self, task, rows, length, *more, config):
        lean = ["--lean"] if self.args.lean else []
        # Blocks of a large vocabulary's logits, kept and cut up by malloc, would leave 24 GiB too few.
        large = ["env", f"MALLOC_MMAP_THRESHOLD_={256 << 20}"] if "--recompute" in more else []
        return ("PyTorch", [*large, str(HERE / "torch"), "--config", str(config), "--task", task, "--rows", str(rows),
                            "--length", str(length), *self.threads(), *lean, *more])

    def llama(self, gguf, rows, length, steps):
        return ("llama.cpp", [self.args.llama, str(HERE / "llama_worker.py"), "--task", "decode", "--gguf", str(gguf), "--rows", str(rows),
                              "--length", str(length), "--steps", str(steps), *self.threads(),
                              "--flash-attention", "on" if self.args.flash_attention else "off"])

    def threads(self):
        return ["--threads", str(self.args.threads)]

    def measure(self, what, programs, pairs=None, resident=True):
        start = time.time()
        outcomes = in_turn(programs, pairs or self.args.pairs, resident)
        first = outcomes[0].turns[0]
        if first.get("planned_memory_bytes"):
            self.memory.append((what, first["planned_memory_bytes"], outcomes[0].largest("peak_memory_bytes")))
        self.results.append({"what": what, "seconds": time.time() - start,
                             "turns": {p[0]: o.turns for p, o in zip(programs, outcomes)}})
        return outcomes

    def run(self, *command):
        return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout

    def checkpoint(self, name):
        """Random weights of a shape in bf16, as a checkpoint; made once and kept in the work folder."""
        name = "T" if self.args.quick else name
        folder = self.args.work / f"{name}-bf16"
        if not (folder / "ponder.json").exists():
            self.run(self.args.ponder, "init", "--config", self.shape(name), "--tokenizer", ROOT / "models" / "nano-base",
                     "--dtype", "bfloat16", "--out", folder, "--quiet")
        return folder

    def gguf(self, name, dtype):
        folder = self.checkpoint(name)
        file = self.args.work / f"{folder.name}-{dtype}.gguf"
        if not file.exists():
            self.run(self.args.ponder, "export", folder, "--gguf", dtype, "--out", file, "--quiet")
        return file

    # --- what is said

    def say(self, row, what, ours, theirs="", ratio=None, target=None, share=None, share_target=None, less=False, good=None):
        """One line. `ratio` must reach `target` (or stay below it: less), `share` must reach `share_target`."""
        met = [] if good is None else [good]
        if ratio is not None and target is not None:
            met.append(ratio <= target if less else ratio >= target)
        if share is not None and share_target is not None:
            met.append(share >= share_target)
        # Without its peer a row is not decided.
        verdict = "" if not met or (target is not None and ratio is None) else "met" if all(met) else "missed"
        number = lambda value: "" if value is None else f"{value:.2f}"
        if self.lines == 0:
            print(f"{'row':<4}{'work':<36}{'ours':>16}{'peer':>26}{'ratio':>8}{'target':>8}{'share':>8}{'target':>8}")
        self.lines += 1
        print(f"{row:<4}{what:<36}{ours:>16}{theirs:>26}{number(ratio):>8}{number(target):>8}{number(share):>8}"
              f"{number(share_target):>8}  {verdict}", flush=True)
        self.results.append({"row": row, "what": what, "ours": ours, "peer": theirs, "ratio": ratio, "target": target,
                             "share": share, "share_target": share_target, "verdict": verdict})

    def say_speed(self, row, what, ours, peers, share_target=None, share="fraction_of_peak"):
        """A line for each peer (name, outcome, target); the share of the limit on the first."""
        measured, wanted = ours.median(share), share_target
        for name, theirs, target in peers:
            ratio = statistics.median(ratios(ours, theirs)) if theirs else None
            rate = f"{name} {theirs.median('tokens_per_second'):,.0f}" if theirs else f"{name} absent"
            self.say(row, what, f"{ours.median('tokens_per_second'):,.0f} tok/s", rate, ratio, target, measured, wanted)
            measured = wanted = None
        if not peers:
            self.say(row, what, f"{ours.median('tokens_per_second'):,.0f} tok/s", share=measured, share_target=wanted)

    # --- the rows

    def train(self, length, shape, pairs=None):
        key = (length, shape)
        if key not in self.training:
            rows, tokens = STEPS[length][shape], length // 16 if self.args.quick else length
            recompute = ["--recompute"] if length == 2048 and shape == "Q" else []
            alone = shape == "Q" and not self.args.quick
            config = self.shape(shape)
            self.training[key] = self.measure(
                f"train {shape} {rows} x {length}",
                [self.ours("train", rows, tokens, *(recompute if self.args.recompute else []), config=config),
                 self.torch("train", rows, tokens, *recompute, config=config)],
                pairs or (min(self.args.pairs, self.args.long_pairs) if alone else None), resident=not alone)
        return self.training[key]

    def row_train(self, row, length):
        for shape in self.args.shapes:
            ours, theirs = self.train(length, shape)
            ratio, share = TRAIN_TARGETS[length, shape]
            self.say_speed(row, f"train {shape} {STEPS[length][shape]} x {length}", ours, [("PT", theirs, ratio)], share)

    def row1(self):
        self.row_train(1, 512)

    def row2(self):
        self.row_train(2, 2048)

    def row3(self):
        gib = lambda value: f"{value / GIB:.2f} GiB"
        for length, shape, target in ((512, "Q", 0.8), (2048, "Q", 0.8), (2048, "T", 0.1)):
            if shape not in self.args.shapes:
                continue
            ours, theirs = self.train(length, shape, pairs=None if (length, shape) in self.training else 1)
            used = ours.largest("peak_memory_bytes")
            peer = theirs.largest("peak_memory_bytes") if theirs else None
            self.say(3, f"memory {shape} {STEPS[length][shape]} x {length}", gib(used), f"PT {gib(peer)}" if peer else "PT absent",
                     used / peer if peer else None, target, less=True)
            if shape == "Q":  # weights, gradients, two moments
                floor = 16 * ours.turns[0]["parameters"]
                self.say(3, f"memory {shape} {length} / state", gib(used), f"floor {gib(floor)}", used / floor, 1.3, less=True)
        if "T" in self.args.shapes:
            self.row3_vocabulary()

    def row3_vocabulary(self):
        """Beyond its weights and what belongs to them, a vocabulary 300 times as large must cost nothing much."""
        beyond = []
        for vocabulary in (512, 151936):
            config = json.loads(self.shape("T").read_text())
            config["vocab_size"] = vocabulary
            file = self.args.work / f"T-{vocabulary}.json"
            file.write_text(json.dumps(config))
            (ours,) = self.measure(f"train T 2 x 2048, vocabulary {vocabulary}",
                                   [self.ours("train", 2, 128 if self.args.quick else 2048, config=file)], pairs=1)
            turn = ours.turns[0]
            state = sum(size for what, size in turn["planned_memory"].items() if what != "activations")
            beyond.append((turn["peak_memory_bytes"] - state) / MIB)
        self.say(3, "beyond the state, vocabulary 151,936", f"{beyond[1]:.0f} MiB", f"vocabulary 512: {beyond[0]:.0f} MiB",
                 good=beyond[1] - beyond[0] <= 256)

    def row4(self):
        for shape in self.args.shapes:
            rows, config = STEPS[512][shape], self.shape(shape)
            tokens = 32 if self.args.quick else 512
            ours, theirs = self.measure(f"score {shape} {rows} x 512", [self.ours("score", rows, tokens, config=config),
                                                                         self.torch("score", rows, tokens, config=config)])
            ratio, share = SCORE_TARGETS[shape]
            self.say_speed(4, f"score {shape} {rows} x 512", ours, [("PT", theirs, ratio)], share)

    def decode(self, what, shape, rows, peers, dtype="bf16", gguf="f32"):
        steps, length = ("4", 32) if self.args.quick else ("16", 128)
        config = self.shape(shape)
        weights = {"model": self.checkpoint(shape)} if dtype == "bf16" else {"config": config}
        programs = [self.ours("decode", rows, length, "--steps", steps, **weights)]
        if "PT" in peers:
            programs.append(self.torch("decode", rows, length, "--steps", steps, config=config))
        if "LC" in peers:
            programs.append(self.llama(self.gguf(shape, gguf), rows, length, steps))
        return self.measure(what, programs)

    def row5(self):
        if "Q" not in self.args.shapes:
            return
        for rows, torch_target, llama_target, share in ((64, 1.4, 1.9, 0.69), (16, 2.8, 2.2, 0.55)):
            what = f"decode Q x {rows}, bf16"
            ours, torch, llama = self.decode(what, "Q", rows, ("PT", "LC"))
            self.say_speed(5, what, ours, [("PT f32", torch, torch_target), ("LC f32", llama, llama_target)], share)

    def row6(self):
        for shape, ratio, share in (("T", 5, 0.50), ("S", 2.4, 0.61)):
            if shape in self.args.shapes:
                what = f"decode {shape} x 64"
                ours, torch = self.decode(what, shape, 64, ("PT",), dtype="f32")
                self.say_speed(6, what, ours, [("PT", torch, ratio)], share)

    def row7(self):
        if "Q" not in self.args.shapes:
            return
        what = "decode Q x 1, bf16"
        ours, llama = self.decode(what, "Q", 1, ("LC",), gguf="bf16")
        self.say_speed(7, what, ours, [("LC bf16", llama, 1.4)], 0.90, share="fraction_of_read")
        self.say(7, "  memory read", f"{ours.median('read_gbps'):.1f} GB/s", f"measured {ours.median('peak_read_gbps'):.1f}")

    def rollout_bench(self, shape, task, *more):
        result = json.loads(self.run(self.args.rollout_bench, "--config", self.shape(shape), "--tokenizer", ROOT / "models/nano-base",
                                     "--task", task, *self.threads(), *more))
        self.results.append({"what": f"{task} {shape}", "turns": {"ponder": [result]}})
        return result

    def row8(self):
        small = ["--problems", "16", "--median-tokens", "8"] if self.args.quick else []
        job = self.rollout_bench("T", "job", "--pairs", min(self.args.pairs, self.args.long_pairs), *small)
        static = job["static_padded"]["tokens_per_second"]
        self.say(8, "rollout job T, 256 x 8", f"{job['continuous']['tokens_per_second']:,.0f} tok/s", f"static, padded {static:,.0f}",
                 job["against_padded"], 3.3)
        static = job["static_shrinking"]["tokens_per_second"]
        self.say(8, "  static batches that shrink", "", f"{static:,.0f}", job["against_shrinking"])
        self.say(8, "  slots filled", f"{job['slot_fill']:.3f}", good=job["slot_fill"] >= 0.92)
        shares = ", ".join(f"{name} {share:.3f}" for name, share in job["share_of_time"].items() if name != "model")
        self.say(8, "  outside the model, at most .05", f"{job['outside_model']:.3f}", good=job["outside_model"] <= 0.05)
        print(f"    {shares}")

    def row9(self):
        for shape in self.args.shapes:
            (ours,) = self.measure(f"prefill {shape}", [self.ours("prefill", 1, 32 if self.args.quick else 512, config=self.shape(shape))])
            self.say_speed(9, f"prefill {shape} 512", ours, [], 0.80 if shape == "Q" else None)

    def row10(self):
        shared = self.rollout_bench("S", "shared-prompt", "--pairs", self.args.pairs)
        self.say(10, "20 samples of a 500-token prompt, S", f"{shared['seconds']:.2f} s",
                 f"prefill + decodes {shared['seconds_of_prefill_and_decodes']:.2f} s", shared["ratio"], 1.1, less=True)

    def row11(self):
        """S at 2k, 8k, 32k tokens a row; the machine's peak is measured beside each, so shares are compared."""
        lengths = (128, 512, 2048) if self.args.quick else (2048, 8192, 32768)
        turns = []
        for length in lengths:
            warm_up = ["--warm-up", "1" if length == lengths[0] else "0"]
            (ours,) = self.measure(f"train S 1 x {length}", [self.ours("train", 1, length, *warm_up, config=self.shape("S"))],
                                   pairs=3 if length == lengths[0] else 1)
            turns.append((ours.median("fraction_of_peak"), ours.largest("peak_memory_bytes"), ours.median("seconds")))
        self.say(11, f"train S 1 x {lengths[2]}", f"{turns[2][2]:.1f} s", f"predicted {turns[2][2] * turns[2][0] / turns[0][0]:.1f} s",
                 turns[0][0] / turns[2][0], 1.3, share=turns[2][0], less=True)
        # Memory for a token from 8k to 32k against that from 2k to 8k: 1 where it is linear.
        slopes = [(b[1] - a[1]) / (m - n) for a, b, n, m in zip(turns, turns[1:], lengths, lengths[1:])]
        self.say(11, "  memory, KiB a token, 8k to 32k", f"{slopes[1] / 1024:.1f}", f"2k to 8k: {slopes[0] / 1024:.1f}",
                 slopes[1] / slopes[0], 1.05, less=True)

    def row12(self):
        """Of everything of ours that was measured; some small ones of its own if nothing was."""
        if not self.memory:
            self.measure("train S 1 x 512", [self.ours("train", 1, 32 if self.args.quick else 512, config=self.shape("S"))], pairs=1)
        for what, planned, measured in self.memory:
            expected = planned + PROCESS
            self.say(12, what, f"{measured / MIB:,.0f} MiB", f"planned {planned / MIB:,.0f} + {PROCESS / MIB:.0f}", measured / expected,
                     good=0.9 <= measured / expected <= 1.1)


def main():
    parser = argparse.ArgumentParser(prog="bench/targets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="rows to measure (default: all)")
    parser.add_argument("--pairs", type=int, default=5, help="repetitions of each side, in turn; medians count (default: 5)")
    parser.add_argument("--long-pairs", type=int, default=3,
                        help="at most so many for the training steps of Q and the rollout job, a minute or more each (default: 3)")
    parser.add_argument("--shapes", default="TSQ", help="only these (default: TSQ)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--recompute", action="store_true", help="ours recomputes at 2,048 tokens on Q, as PyTorch has to")
    parser.add_argument("--lean", action="store_true",
                        help="PyTorch's model in a form written for speed, not the plain one the targets were set against")
    parser.add_argument("--flash-attention", action="store_true", help="llama.cpp with it; measured slower on a CPU at these contexts")
    parser.add_argument("--ponder", default=str(ROOT / "build/release/ponder"))
    parser.add_argument("--llama", default=str(ROOT / "build/peers-llama/bin/python"), help="a python3 that has llama_cpp")
    parser.add_argument("--rollout-bench", default=str(ROOT / "build/release/bench/rollout_bench"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/targets", help="folder for checkpoints of random weights (5 GB)")
    parser.add_argument("--json", metavar="FILE", help="every repetition, and the lines of the table")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything runs; the figures mean nothing")
    args = parser.parse_args()
    wrong = [row for row in args.rows if row not in ROWS]
    if wrong or args.pairs < 1 or args.long_pairs < 1 or set(args.shapes) - set("TSQ"):
        parser.error(f"rows are 1 to {ROWS[-1]}, pairs at least 1, shapes of T, S and Q")
    rows = args.rows or list(ROWS)
    for program in [args.ponder] + ([args.rollout_bench] if set(rows) & {8, 10} else []):
        if not os.access(program, os.X_OK):
            sys.exit(f"bench/targets: {program} is missing: scripts/build release ponder rollout_bench")
    args.work.mkdir(parents=True, exist_ok=True)

    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    print(f"{cpu}, {args.threads} threads, {args.pairs} pairs, load {os.getloadavg()[0]:.1f}"
          + (", PyTorch's model: lean" if args.lean else "") + (" — QUICK: tiny sizes, the figures mean nothing" if args.quick else ""), flush=True)
    targets = Targets(args)
    start = time.time()
    for row in rows:
        getattr(targets, f"row{row}")()
    missed = sum(r.get("verdict") == "missed" for r in targets.results)
    met = sum(r.get("verdict") == "met" for r in targets.results)
    print(f"{met} met, {missed} missed; {(time.time() - start) / 60:.1f} minutes")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"cpu": cpu, "threads": args.threads, "results": targets.results}, indent=1))


if __name__ == "__main__":
    main()
