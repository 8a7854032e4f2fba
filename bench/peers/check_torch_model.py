#!/usr/bin/python3
"""Is the PyTorch model the same model? Loads the golden checkpoint of tests/golden/model and compares the
log-probabilities of its rows with the golden ones (PyTorch in double precision, from another program): all tokens at
once as in training, and a prefill and then token by token as in decoding. Exit 0 when they agree.

    bench/peers/check_torch_model.py
"""
import json
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F

from torch_model import Cache, Config, Qwen2, prefill, rms_norm

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
            layer.qkv.weight.copy_(torch.cat([at(f"self_attn.{n}_proj.weight") for n in "qkv"]))
            layer.qkv.bias.copy_(torch.cat([at(f"self_attn.{n}_proj.bias") for n in "qkv"]))
            layer.out.weight.copy_(at("self_attn.o_proj.weight"))
            layer.gate_up.weight.copy_(torch.cat([at("mlp.gate_proj.weight"), at("mlp.up_proj.weight")]))
            layer.down.weight.copy_(at("mlp.down_proj.weight"))


def decoded(model, row):
    """Log-probabilities of row[2:], by a prefill of one token and a step for each that follows."""
    with torch.inference_mode():
        length = row.shape[0]
        cache = Cache(model.c, 1, length)
        prefill(model, row[None, :1], cache)
        cos, sin = model.rope(length)
        found = []
        for i in range(1, length - 1):
            x = F.embedding(row[i : i + 1], model.embed)
            for layer, keys, values in zip(model.layers, cache.keys, cache.values):
                x = layer.decode(x, cos[i], sin[i], keys, values, i)
            logits = F.linear(rms_norm(x, model.norm, model.c.eps), model.head)
            found.append(torch.log_softmax(logits[0], -1)[row[i + 1]])
        return torch.stack(found) if found else torch.zeros(0)


def main():
    golden = json.loads((FOLDER / "golden.json").read_text())
    model = Qwen2(Config(FOLDER / "config.json"))
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
    print(f"{compared} log-probabilities, two ways: largest difference {worst:.1e}; {left} left over")
    return 0 if worst < TOLERANCE and compared > 20 and left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
