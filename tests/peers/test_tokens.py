"""Token ids and rendered conversations: ponder tokenize beside Hugging Face tokenizers and transformers."""
import json
import random
import subprocess
import sys

import peer
import pytest
import smollm2
from transformers import AutoTokenizer

sys.path.append(str(peer.REPOSITORY / "tools"))
from make_chat_golden import conversation  # noqa: E402

SHARED = peer.REPOSITORY.parent / "shared" / "data"  # more texts, where they are


def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_of(item)


def all_texts():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=peer.REPOSITORY, capture_output=True, check=True).stdout
    for name in files.decode().split("\0")[:-1]:
        try:
            text = (peer.REPOSITORY / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        yield text
        yield from text.split("\n\n")
    for file in sorted(SHARED.rglob("*.json*")):
        if file.suffix == ".gz" or "tokenizers" in file.parts and file.parent.name != "vectors":
            continue
        try:
            rows = [json.loads(line) for line in file.read_text().split("\n") if line]
        except (UnicodeDecodeError, json.JSONDecodeError):
            continue
        for row in rows:
            yield from strings_of(row)


@pytest.fixture(scope="module")
def texts():
    """That the tokenizer has tokens for, and others."""
    usable = sorted({text for text in all_texts() if text.encode(errors="ignore").decode() == text != ""})
    refused = [text for text in usable if smollm2.BYTES_WITHOUT_TOKEN & set(text.encode())]
    return [text for text in usable if not smollm2.BYTES_WITHOUT_TOKEN & set(text.encode())], refused + ["a\x04b"]


def test_token_ids(checkpoint, tokenizer, texts, figure):
    found = peer.run("tokenize", "--tokenizer", checkpoint, rows=[{"text": text} for text in texts[0]])
    expected = tokenizer.encode_batch(texts[0])
    assert len(found) == len(texts[0]) > 1000
    different = [text for text, a, b in zip(texts[0], found, expected) if a["ids"] != b.ids]
    assert not different, f"{len(different)} differ: {different[:3]}"
    found = peer.run("tokenize", "--tokenizer", checkpoint, "--decode", rows=[{"ids": b.ids} for b in expected])
    decoded = tokenizer.decode_batch([b.ids for b in expected], skip_special_tokens=False)
    assert [row["text"] for row in found] == decoded
    figure("token ids, and texts back from them", "tokenizers", f"all of {len(found):,} texts equal")


def test_texts_with_bytes_that_have_no_token(checkpoint, texts):
    for text in texts[1]:
        assert "has no token" in peer.run("tokenize", "--tokenizer", checkpoint, rows=[{"text": text}], fails=True)


def test_conversations(checkpoint, tokenizer, figure):
    rng = random.Random(1)
    rows = [conversation(rng, tools=False, switched=False) for _ in range(1000)]
    found = peer.run("tokenize", "--tokenizer", checkpoint, "--chat", rows=rows)
    published = AutoTokenizer.from_pretrained(checkpoint)
    rendered = [published.apply_chat_template(row["messages"], tokenize=False,
                                              add_generation_prompt=row["add_generation_prompt"]) for row in rows]
    assert [row["text"] for row in found] == rendered
    assert [row["ids"] for row in found] == [encoded.ids for encoded in tokenizer.encode_batch(rendered)]
    figure("conversations rendered, and their ids", "transformers tokenizers", f"all of {len(rows):,} equal")
