#!/usr/bin/env python3
"""The filters of `ponder data check` beside those of datatrove on the same rows: near duplicates, repetition, quality.

usage: bench/peers/filters.py [--ponder build/release/ponder] FILE...     rows as `ponder data show --json` reads them

Needs PyPI's datatrove 0.10 with what it asks for in a virtual environment of its own, build/datatrove:
    python3 -m venv build/datatrove
    build/datatrove/bin/pip install datatrove==0.10.1 spacy==3.8.18 orjson==3.13.0 xxhash==3.8.2 tokenizers==0.23.3
Each row's text is question, thought and solution. datatrove's MinHash: 5-grams, 14 buckets of 8 hashes (its default, which
finds a pair of similarity 0.8 with probability 0.92) and 32 of 8 (ours: 0.997). So that there is something to find,
half as many rows again are made of the file's own by changing one word in 25, in 60 and in 300 (seeded): near duplicates
with a Jaccard similarity that is counted exactly on the 5-grams. For repetition and quality: GopherRepetitionFilter and
GopherQualityFilter with their defaults, and what ponder's filters take of the same rows.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ENVIRONMENT = "build/datatrove/bin/python"


def rows_of(ponder, path):
    out = subprocess.run([ponder, "data", "show", path, "-n", "100000", "--kind", "demonstrations", "--allow-direct", "--json",
                          "--quiet"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def text_of(row):
    return row["question"] + "\n\n" + row.get("thought", "") + "\n\n" + row["solution"]


def changed(text, every, rng):
    """The text with one word in `every` replaced."""
    parts = re.split(r"(\s+)", text)
    words = [i for i in range(0, len(parts), 2) if parts[i]]
    for i in rng.sample(words, max(1, len(words) // every)):
        parts[i] = "zq" + "".join(rng.choice("aeiourstln") for _ in range(5))
    return "".join(parts)


def grams(text):
    words = re.findall(r"\w+|[-+*/=<>^!%|]", text.lower())
    return {tuple(words[i:i + 5]) for i in range(max(1, len(words) - 4))}


def theirs_minhash(texts, buckets):
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter,
                                          MinhashDedupSignature)
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    config = MinhashConfig(n_grams=5, num_buckets=buckets, hashes_per_bucket=8)
    folder = tempfile.mkdtemp()
    documents = lambda: iter([Document(text=t, id=str(i)) for i, t in enumerate(texts)])
    try:  # the steps themselves: their executor starts processes for each
        MinhashDedupSignature(folder + "/sig", config=config).run(documents(), 0, 1)
        for rank in range(buckets):
            MinhashDedupBuckets(folder + "/sig", folder + "/buckets", config=config).run(None, rank, buckets)
        MinhashDedupCluster(folder + "/buckets", folder + "/remove", config=config).run(None, 0, 1)
        kept = {int(d.id) for d in MinhashDedupFilter(folder + "/remove").run(documents(), 0, 1)}
    finally:
        shutil.rmtree(folder)
    return set(range(len(texts))) - kept


def theirs_filters(texts):
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    taken = {}
    for name, filter_ in (("repetition", GopherRepetitionFilter()), ("quality", GopherQualityFilter())):
        for i, text in enumerate(texts):
            result = filter_.filter(Document(text=text, id=str(i)))
            if result is not True:
                taken.setdefault(name, {}).setdefault(result[1] if isinstance(result, tuple) else "", []).append(i)
    return taken


def ours(ponder, texts, filters, *more):
    """Numbers of the rows that are left out, with their reasons. A text may have a gold answer and its type behind it."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as file:
        for question, thought, solution, *gold in texts:
            row = {"question": question, "thought": thought, "solution": solution}
            row.update(zip(("answer", "answer_type"), gold))
            file.write(json.dumps(row) + "\n")
    out = subprocess.run([ponder, "data", "check", file.name, "--kind", "demonstrations", "--allow-direct", "--json",
                          "--explain", "--filters", filters, *more], capture_output=True, text=True).stdout
    os.unlink(file.name)
    return {row["line"] - 1: row["reason"] for row in json.loads(out)["examples"]}


def damaged(rows, rng):
    """The rows, damaged on purpose: for each filter those that it should take."""
    parts = [(r["question"], r.get("thought", ""), r["solution"]) for r in rows]
    words = [re.split(r"(?<=\s)", solution) for _, _, solution in parts]
    chinese = "首先我们设这个数为未知数然后根据题意列出方程求解得到答案所以最后的结果就是这样"
    golds = [(i, r["answer"], r.get("answer_type", "math")) for i, r in enumerate(rows) if r.get("answer")]
    others = [(i, rng.choice([g for _, g, t in golds if t == kind and g != gold] or [gold + "1"]), kind)
              for i, gold, kind in golds]
    return {
        "truncated": ("solution cut at a word", [(q, t, "".join(w[:rng.randrange(len(w) // 4, len(w) * 3 // 4)]))
                                                 for (q, t, _), w in zip(parts, words) if len(w) > 20]),
        "repetition": ("last 20 words of the thought 8 times", [(q, t + (" " + " ".join(t.split()[-20:])) * 8, a)
                                                              for q, t, a in parts if len(t.split()) > 40]),
        "gibberish": ("UTF-8 read as Latin-1", [tuple(p.encode().decode("latin-1") for p in row) for row in parts
                                                if sum(ord(c) > 127 for c in row[1] + row[2]) >= 10]),
        "mixed-language": ("one word in ten Chinese", [(q, " ".join(chinese[i % 30:i % 30 + 6] if i % 10 == 9 else w
                                                                    for i, w in enumerate(t.split())), a)
                                                       for q, t, a in parts if len(t.split()) > 40]),
        "broken-format": ("an end token within the thought", [(q, t[:len(t) // 2] + "<|im_end|>" + t[len(t) // 2:], a)
                                                              for q, t, a in parts if t]),
        "wrong-answer": ("another row's gold answer", [(*parts[i], gold, kind) for i, gold, kind in others]),
    }


def main():
    if os.path.exists(ENVIRONMENT) and os.path.realpath(sys.prefix) != os.path.realpath("build/datatrove"):
        os.execv(ENVIRONMENT, [ENVIRONMENT, *sys.argv])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--ponder", default="build/release/ponder")
    options = parser.parse_args()
    from loguru import logger
    logger.remove()
    for path in options.files:
        rows = rows_of(options.ponder, path)
        parts = [(r["question"], r.get("thought", ""), r["solution"]) for r in rows]
        texts = [text_of(r) for r in rows]
        print(f"{path}: {len(rows)} rows")
        rng = random.Random(1)
        copies, similar = [], []
        for every in (25, 60, 300):
            for i in rng.sample(range(len(rows)), len(rows) // 6):
                copy = tuple(changed(p, every, rng) if p else p for p in parts[i])
                a, b = grams(texts[i]), grams("\n\n".join(copy))
                copies.append(copy)
                similar.append(len(a & b) / len(a | b))
        all_parts, all_texts = parts + copies, texts + ["\n\n".join(c) for c in copies]
        found = {"ponder": set(ours(options.ponder, all_parts, "near-duplicate")),
                 "datatrove 14 x 8": theirs_minhash(all_texts, 14), "datatrove 32 x 8": theirs_minhash(all_texts, 32)}
        bands = [(0, .7), (.7, .75), (.75, .8), (.8, .85), (.85, .9), (.9, 1.01)]
        print(f"  near duplicates: {len(copies)} changed copies; of those with a Jaccard similarity of")
        print("    " + "".join(f"{low:.2f}-{min(high, 1):.2f}  " for low, high in bands) + "taken of the rows themselves")
        for name, taken in found.items():
            cells = []
            for low, high in bands:
                here = [i for i, s in enumerate(similar) if low <= s < high]
                cells.append(f"{sum(len(rows) + i in taken for i in here)}/{len(here)}".ljust(11))
            print(f"    {''.join(cells)}{sum(i < len(rows) for i in taken)}   {name}")
        their = theirs_filters(texts)
        for name, reasons in their.items():
            print(f"  datatrove {name}: " + ", ".join(f"{r} {len(i)}" for r, i in sorted(reasons.items())))
        for name, (what, texts_) in damaged(rows, random.Random(2)).items():
            print(f"  ponder {name}: {len(ours(options.ponder, texts_, name))} of {len(texts_)} damaged rows ({what})")
        for name in ("repetition", "gibberish", "broken-format", "truncated"):
            taken = ours(options.ponder, parts, name)
            both = {i for r in their.get("repetition", {}).values() for i in r} & set(taken)
            print(f"  ponder {name}: {len(taken)}" + (f", of which datatrove's repetition takes {len(both)}"
                                                      if name == "repetition" else ""))


if __name__ == "__main__":
    main()
