"""Tokens that ponder sft adds: the saved folder as tokenizers, transformers and gguf read it."""
import gguf
import numpy
import peer
from conftest import ADDED_TOKENS as TOKENS
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer

TEXTS = ["<reason>7+8</reason>15", "a<reason> b\n</reason>\n\nc", "<|tool|><|im_end|>", "<reason", "reason> </reason>"]


def test_tokenizer(grown, figure):
    ours = [row["ids"] for row in peer.run("tokenize", "--tokenizer", grown, rows=[{"text": text} for text in TEXTS])]
    oracle = Tokenizer.from_file(str(grown / "tokenizer.json"))
    assert [oracle.token_to_id(token) for token in TOKENS] == [512, 513, 514]
    assert ours == [oracle.encode(text).ids for text in TEXTS]
    theirs = AutoTokenizer.from_pretrained(grown)
    assert ours == [theirs.encode(text, add_special_tokens=False) for text in TEXTS]
    assert theirs.decode(ours[0], skip_special_tokens=True) == TEXTS[0]
    figure(f"{len(TOKENS)} tokens added to nano-base: ids of the saved folder", "tokenizers transformers",
           f"all of {len(TEXTS)} texts equal")


def test_rows_begin_as_means(grown):
    table = load_file(grown / "model.safetensors")["model.embed_tokens.weight"]
    assert table.shape[0] == 515
    pieces = peer.run("tokenize", "--tokenizer", peer.NANO_BASE, rows=[{"text": token} for token in TOKENS])
    for row, token in enumerate(pieces):
        mean = table[token["ids"]].astype(numpy.float64).mean(axis=0)  # one step at a rate of 1e-9 moves nothing
        assert numpy.abs(table[512 + row] - mean).max() < 1e-6


def test_gguf(grown, tmp_path):
    file = tmp_path / "model.gguf"
    peer.run("export", grown, "--gguf", "f32", "--out", file, "--quiet")
    reader = gguf.GGUFReader(file)
    assert reader.fields["tokenizer.ggml.tokens"].contents()[512:] == TOKENS
    assert reader.get_tensor(0).name == "token_embd.weight" and list(reader.get_tensor(0).shape) == [192, 515]
