#!/usr/bin/env python3
"""Trains the byte-level BPE tokenizer of models/nano-base on rows of the synthetic world (development only).

    for d in arithmetic target choice facts; do
      ponder synth --domain $d --level 1-5 --count 4000 --demonstrations
    done | tools/train_tokenizer.py --out models/nano-base

Reads JSON lines with question, thought and solution; writes tokenizer.json, tokenizer_config.json and chat_template.jinja. The
pre-tokeniser is Qwen2's, the alphabet all 256 bytes. Merges are learned within pre-tokens that hold a letter, and
for the few line endings of thoughts and solutions; signs, brackets and digits stay single, so that an
expression has one spelling in tokens wherever it stands.
"""
import argparse
import collections
import json
import os
import re
import sys

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
          "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_thought|>", "<|end_of_thought|>",
            "<|begin_of_solution|>", "<|end_of_solution|>"]
QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                 r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# The same for the ASCII text of this world; Python's re knows no \p{L}.
ASCII_PATTERN = re.compile(QWEN2_PATTERN.replace(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|", "")
                           .replace(r"^\r\n\p{L}\p{N}", r"^\r\nA-Za-z0-9").replace(r"^\s\p{L}\p{N}", r"^\sA-Za-z0-9")
                           .replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]"))
LINE_ENDINGS = {"}.", "}.\n\n", "\n\n", " \\"}


def byte_alphabet():
    """The printable character each byte is written as (GPT-2's table), in the order of the first 256 ids."""
    kept = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(kept))
    return table


def render(row):
    solution = row["solution"]
    if row.get("thought"):
        response = (f"{SPECIALS[3]}\n\n{row['thought']}\n\n{SPECIALS[4]}\n\n"
                    f"{SPECIALS[5]}\n\n{solution}\n\n{SPECIALS[6]}")
    else:
        response = solution
    return f"<|im_start|>user\n{row['question']}<|im_end|>\n<|im_start|>assistant\n{response}<|im_end|>\n"


def pre_tokens(text):
    for piece in re.split("|".join(re.escape(s) for s in SPECIALS), text):
        yield from ASCII_PATTERN.findall(piece)


def learn_merges(words, num_merges):
    """words: Counter of tuples of symbols. The most frequent pair first, ties by the pair itself."""
    merges = []
    while len(merges) < num_merges:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for word, count in words.items():
            out, i = [], 0
            while i < len(word):
                if word[i:i + 2] == best:
                    out.append(word[i] + word[i + 1])
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            merged[tuple(out)] += count
        words = merged
    return merges, words


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for the three files")
    parser.add_argument("--vocab-size", type=int, default=512)
    arguments = parser.parse_args()

    alphabet = byte_alphabet()
    counts = collections.Counter()
    for line in sys.stdin:
        counts.update(pre_tokens(render(json.loads(line))))
    words = collections.Counter()
    for token, count in counts.items():
        if re.search("[A-Za-z]", token) or token in LINE_ENDINGS:
            words[tuple(alphabet[byte] for byte in token.encode())] += count
    merges, words = learn_merges(words, arguments.vocab_size - 256 - len(SPECIALS))

    tokens = [alphabet[byte] for byte in sorted(alphabet, key=lambda byte: ord(alphabet[byte]))]
    tokens += ["".join(merge) for merge in merges]
    added = [{"id": len(tokens) + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, content in enumerate(SPECIALS)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN2_PATTERN}, "behavior": "Isolated", "invert": False},
            byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": [" ".join(merge) for merge in merges]}}
    config = {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {str(token["id"]): {key: token[key] for key in
                                 ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
                                 for token in added},
        "additional_special_tokens": SPECIALS[1:], "bos_token": None, "chat_template": CHATML, "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 1024, "pad_token": "<|endoftext|>",
        "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    os.makedirs(arguments.out, exist_ok=True)
    with open(os.path.join(arguments.out, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(CHATML)
    for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.write("\n")
    split = sorted(((count, " ".join(word)) for word, count in words.items() if len(word) > 1), reverse=True)
    print(f"{len(tokens) + len(added)} tokens, {len(merges)} merges; still in parts: {split[:200]}", file=sys.stderr)


if __name__ == "__main__":
    main()
