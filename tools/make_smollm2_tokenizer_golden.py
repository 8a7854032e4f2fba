#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/smollm2.json and smollm2_vectors.jsonl, and "smollm2" of unicode.json beside them.

    python3 tools/make_smollm2_tokenizer_golden.py tests/golden/tokenizer

Needs Hugging Face `tokenizers` from PyPI. The tokenizer has the vocabulary of gpt2.json there, but SmolLM2's
pre-tokenizer, its special tokens in front, and no tokens for the 21 bytes that SmolLM2 has none for. Texts are those of
vectors.jsonl and more with numbers in them, less what holds such a byte. What unicode.json holds is said in
tools/make_unicode_golden.js.
"""
import hashlib
import json
import pathlib
import random
import struct
import sys

from tokenizers import Tokenizer

MISSING = [0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2] + list(range(0xF5, 0x100))
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"]
PARTS = ["'s", "'S", "'ll", "'", " ", "  ", "\n", "\r\n", "\t", "a", "the", "1", "21", "½", "Ⅷ", "٣", "二", "𑷠", "!", "((",
         "\u00a0", "\u3000", "é", "漢", "²", "\x00", "\x7f", "<|im_end|>"]
CONTEXTS = ["{c}", "a{c}b", " {c}", "1{c}1", "!{c}\n", "e{c}\u0301", "{c}{c} x"]
BLOCK = 4096


def alphabet():
    printable = [b for b in range(256) if 32 < b < 127 or (b > 160 and b != 173)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def make(gpt2):
    letters = alphabet()
    missing = {letters[b] for b in MISSING}
    merges = [m for m in gpt2["model"]["merges"] if not missing & set(m)]
    tokens = SPECIAL + [t for t in gpt2["model"]["vocab"] if not missing & set(t)]
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, t in enumerate(SPECIAL)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {**gpt2["model"], "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True}, "model": model}


def encodable(text):
    return not set(MISSING) & set(text.encode())


def unicode_hashes(tokenizer):
    hashes = []
    for first in range(0, 0x110000, BLOCK):
        characters = [chr(c) for c in range(first, first + BLOCK) if not 0xD800 <= c <= 0xDFFF]
        characters = [c for c in characters if encodable(c)]
        numbers = []
        for context in CONTEXTS:
            numbers += tokenizer.encode(" | ".join(context.replace("{c}", c) for c in characters)).ids + [-1]
        hashes.append(hashlib.sha256(struct.pack(f"<{len(numbers)}i", *numbers)).hexdigest()[:8])
    return hashes


def write_unicode(file, hashes):
    known = {**json.loads(file.read_text()), "smollm2": hashes}
    rows = {name: [", ".join(f'"{h}"' for h in blocks[i:i + 10]) for i in range(0, len(blocks), 10)]
            for name, blocks in known.items()}
    lists = [f'  "{name}": [\n' + ",\n".join("    " + row for row in blocks) + "\n  ]" for name, blocks in rows.items()]
    file.write_text("{\n" + ",\n".join(lists) + "\n}\n")


def main():
    out = pathlib.Path(sys.argv[1])
    text = json.dumps(make(json.loads((out / "gpt2.json").read_text())), ensure_ascii=False)
    (out / "smollm2.json").write_text(text + "\n")
    tokenizer = Tokenizer.from_str(text)
    rng = random.Random("smollm2")
    rows = [json.loads(line) for line in (out / "vectors.jsonl").read_text().split("\n") if line]
    texts = [row["text"] for row in rows if row["tokenizer"] == "gpt2" and not row.get("add_special_tokens", True)]
    texts += ["".join(rng.choices(PARTS, k=rng.randrange(3, 17))) for _ in range(120)]
    with (out / "smollm2_vectors.jsonl").open("w") as file:
        for text in filter(encodable, texts):
            ids = tokenizer.encode(text).ids
            row = {"text": text, "add_special_tokens": False, "ids": ids,
                   "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_unicode(out / "unicode.json", unicode_hashes(tokenizer))


if __name__ == "__main__":
    main()
