#!/usr/bin/python3
"""Is the PyTorch model, in both its forms, the same model? Loads the golden checkpoint of tests/golden/model and compares the
log-probabilities of its rows with the golden ones (PyTorch in double precision, from another program): all tokens at
once as in training, and a prefill and then token by token as in decoding. Exit 0 when they agree.

    bench/peers/check_torch_model.py
"""
import json
import pathlib
import struct
import sys

import torch

from torch_model import Cache, Config, Qwen2, decode_logits, prefill

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "model"
TOLERANCE = 1e-4


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = {"BF16": torch.bfloat16, "F32": torch.float32}[entry["dtype"]]
        raw = bytearray(data[8 + size + begin : 8 + size + end])
        tensors[name] = torch.frombuffer(raw, dtype=dtype).float().view(entry["shape"])
    return tensors


def fill(model, tensors):
    with torch.no_grad():
        model.embed.copy_(tensors["model.embed_tokens.weight"])
        model.norm.copy_(tensors["model.norm.weight"])
        model.head.copy_(tensors["lm_head.weight"])
        for i, layer in enumerate(model.layers):
            at = lambda name: tensors[f"model.layers.{i}.{name}"]
            layer.input_norm.copy_(at("input_layernorm.weight"))
            layer.post_norm.copy_(at("post_attention_layernorm.weight"))
            layer.out.weight.copy_(at("self_attn.o_proj.weight"))
            layer.down.weight.copy_(at("mlp.down_proj.weight"))
            if model.lean:
                layer.qkv.weight.copy_(torch.cat([at(f"self_attn.{n}_proj.weight") for n in "qkv"]))
                layer.qkv.bias.copy_(torch.cat([at(f"self_attn.{n}_proj.bias") for n in "qkv"]))
                layer.gate_up.weight.copy_(torch.cat([at("mlp.gate_proj.weight"), at("mlp.up_proj.weight")]))
                continue
            for name, to in (("q", layer.q), ("k", layer.k), ("v", layer.v)):
                to.weight.copy_(at(f"self_attn.{name}_proj.weight"))
                to.bias.copy_(at(f"self_attn.{name}_proj.bias"))
            layer.gate.weight.copy_(at("mlp.gate_proj.weight"))
            layer.up.weight.copy_(at("mlp.up_proj.weight"))


def decoded(model, row):
    """Log-probabilities of row[2:], by a prefill of one token and a step for each that follows."""
    with torch.inference_mode():
        length = row.shape[0]
        cache = Cache(model, 1, length)
        prefill(model, row[None, :1], cache)
        found = []
        for i in range(1, length - 1):
            logits = decode_logits(model, row[i : i + 1], cache, i, length)
            found.append(torch.log_softmax(logits[0], -1)[row[i + 1]])
        return torch.stack(found) if found else torch.zeros(0)


def agrees(golden, lean):
    model = Qwen2(Config(FOLDER / "config.json"), lean=lean)
    fill(model, read_safetensors(FOLDER / "model.safetensors"))
    expected = iter(golden["untied"]["logprobs"])
    worst = compared = 0
    for tokens, trained in zip(golden["rows"], golden["trained"]):
        row = torch.tensor(tokens)
        with torch.inference_mode():
            together = -model.loss(row[None], reduction="none")
        alone = torch.cat([together[:1], decoded(model, row)])
        for i in range(1, len(tokens)):
            if trained[i]:
                value = next(expected)
                worst = max(worst, abs(together[i - 1].item() - value), abs(alone[i - 1].item() - value))
                compared += 1
    left = len(list(expected))
    print(f"{'lean' if lean else 'plain'}: {compared} log-probabilities, two ways: largest difference {worst:.1e}; {left} left over")
    return worst < TOLERANCE and compared > 20 and left == 0


def main():
    golden = json.loads((FOLDER / "golden.json").read_text())
    return 0 if all([agrees(golden, False), agrees(golden, True)]) else 1


if __name__ == "__main__":
    sys.exit(main())
