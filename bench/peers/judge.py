#!/usr/bin/env python3
"""The judge beside Math-Verify on files of cases: agreement, false correct, who alone errs, seconds.

usage: scripts/test-peers --quick --set-up
       bench/peers/judge.py [--ponder build/release/ponder] [--keep THEIRS.json] [--limit SECONDS] FILE.jsonl...

The environment of scripts/test-peers has Math-Verify 0.9.0. Rows hold gold, prediction or response, and
expected (correct, incorrect, true, false) or verdict; contested rows, choices and rows with a tolerance
are left out, as Math-Verify has neither. It has no third verdict, so our undecided counts as incorrect
here. The thought before </think> is cut off for it, and its best of four configurations of a set counts: LaTeX
with boxes first, then expressions, or its defaults; golds and bare answers in $...$ all, or those without
marks of mathematics; 5 s a call, as it has it, unless --limit says otherwise (a loaded machine needs more).
bench/peers/judge_sets.py makes sets of other projects' tests.
--keep writes its verdicts to a file, or takes them from there where the rows are the same (it takes half
an hour). Seconds a verdict are of one process after the imports, and of the whole program for ponder.
"""
import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

PYTHON = "build/peers/bin/python"


def rows_of(path):
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            kind = row.get("kind", "response")
            if row.get("contested") or kind == "multiple_choice" or "tolerance" in row:
                continue
            expected = row.get("expected", row.get("verdict"))
            right = expected if isinstance(expected, bool) else expected == "correct"
            text = row.get("response", row.get("prediction"))
            whole = kind != "equivalence"
            rows.append({"id": str(len(rows)), "gold": row["gold"], "text": text, "whole": whole, "right": right})
    return rows


def by_ponder(ponder, rows):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as file:
        for row in rows:
            key = "response" if row["whole"] else "prediction"
            kind = "response" if row["whole"] else "equivalence"
            file.write(json.dumps({"id": row["id"], "gold": row["gold"], key: row["text"], "kind": kind}) + "\n")
    begin = time.time()
    run = subprocess.run([ponder, "judge", file.name, "--json", "--threads", "1"], capture_output=True, text=True, check=True)
    seconds = time.time() - begin
    os.unlink(file.name)
    found = {}
    for line in run.stdout.splitlines():
        row = json.loads(line)
        if "id" in row:
            found[row["id"]] = row["verdict"] == "correct"
    return [found[row["id"]] for row in rows], seconds / len(rows)


def in_dollars(text):
    return f"${text}$"


def in_dollars_where_bare(text):
    return text if any(mark in text for mark in ("$", "\\boxed", "\\[", "\\(")) else f"${text}$"


def by_math_verify(rows, boxes_first, dress, limit):
    import logging

    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    latex = LatexExtractionConfig(boxed_match_priority=0) if boxes_first else LatexExtractionConfig()
    configs = [latex, ExprExtractionConfig()]
    found = []
    begin = time.time()
    for row in rows:
        text = row["text"].rsplit("</think>", 1)[-1] if row["whole"] else dress(row["text"])
        try:
            gold = parse(dress(row["gold"]), configs, parsing_timeout=limit)
            answer = parse(text, configs, parsing_timeout=limit)
            found.append(bool(verify(gold, answer, timeout_seconds=limit)))
        except Exception:  # a parser that fails has found no answer
            found.append(False)
    return found, (time.time() - begin) / len(rows)


def best_of_math_verify(rows, kept, limit):
    key = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    if key not in kept:
        tries = [by_math_verify(rows, boxes_first, dress, limit)
                 for boxes_first in (True, False) for dress in (in_dollars, in_dollars_where_bare)]
        kept[key] = max(tries, key=lambda one: sum(a == row["right"] for a, row in zip(one[0], rows)))
    return kept[key]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--keep")
    parser.add_argument("--limit", type=int, default=5)
    parser.add_argument("--ponder", default="build/release/ponder")
    options = parser.parse_args()
    if importlib.util.find_spec("math_verify") is None:
        if not os.path.exists(PYTHON):
            sys.exit(f"{PYTHON} is missing: scripts/test-peers --quick --set-up")
        os.execv(PYTHON, [PYTHON, *sys.argv])
    kept = {}
    if options.keep and os.path.exists(options.keep):
        with open(options.keep, encoding="utf-8") as file:
            kept = json.load(file)
    print("| Set | n | ponder | Math-Verify | both wrong | only ours | only theirs | µs a verdict |")
    print("|---|---|---|---|---|---|---|---|")
    for path in options.files:
        rows = rows_of(path)
        ours, our_seconds = by_ponder(options.ponder, rows)
        theirs, their_seconds = best_of_math_verify(rows, kept, options.limit)
        if options.keep:
            with open(options.keep, "w", encoding="utf-8") as file:
                json.dump(kept, file)
        counts = {"both": 0, "ours": 0, "theirs": 0}
        false = [0, 0]
        for row, a, b in zip(rows, ours, theirs):
            wrong = a != row["right"], b != row["right"]
            counts["both"] += all(wrong)
            counts["ours"] += wrong[0] and not wrong[1]
            counts["theirs"] += wrong[1] and not wrong[0]
            false[0] += a and not row["right"]
            false[1] += b and not row["right"]
        n = len(rows)
        share = [100 * (1 - (counts["both"] + counts[who]) / n) for who in ("ours", "theirs")]
        print(f"| {os.path.basename(path)} | {n} | {share[0]:.2f} % ({false[0]}) | {share[1]:.2f} % ({false[1]}) | {counts['both']} | "
              f"{counts['ours']} | {counts['theirs']} | {our_seconds * 1e6:.0f} / {their_seconds * 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
