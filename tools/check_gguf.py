#!/usr/bin/env python3
"""Reads a GGUF file with nothing but Python's standard library, by ggml's docs/gguf.md alone, and compares it
with the Hugging Face checkpoint folder it was exported from: every tensor's values within what its type can
hold, every piece of metadata that follows from config.json and tokenizer.json.

    tools/check_gguf.py model.gguf models/nano-base

Prints one line; exits 1 naming the first difference. Pure Python: meant for models of some million parameters.
"""
import gzip
import json
import os
import struct
import sys

SIZES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
TYPES = {0: ("f32", 1, 4), 1: ("f16", 1, 2), 8: ("q8_0", 32, 34), 30: ("bf16", 1, 2)}
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def expect(condition, message):
    if not condition:
        sys.exit("check_gguf: " + message)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.number("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.number("<I"), self.number("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.number(SIZES[kind])


def read_gguf(path):
    with open(path, "rb") as file:
        reader = Reader(file.read())
    expect(reader.data[:4] == b"GGUF", "no GGUF magic")
    reader.at = 4
    expect(reader.number("<I") == 3, "not version 3")
    num_tensors, num_keys = reader.number("<Q"), reader.number("<Q")
    metadata = {}
    for _ in range(num_keys):
        key = reader.text()
        expect(key not in metadata, f"{key} stands twice")
        metadata[key] = reader.value(reader.number("<I"))
    tensors = {}
    for _ in range(num_tensors):
        name = reader.text()
        expect(name not in tensors, f"{name} stands twice")
        shape = [reader.number("<Q") for _ in range(reader.number("<I"))][::-1]
        tensors[name] = (shape, reader.number("<I"), reader.number("<Q"))
    alignment = metadata.get("general.alignment", 32)
    begin = -(-reader.at // alignment) * alignment
    covered = 0
    for name, (shape, kind, offset) in sorted(tensors.items(), key=lambda item: item[1][2]):
        expect(offset % alignment == 0, f"{name} is not aligned")
        expect(offset == covered, f"{name} begins at {offset}, the one before ends at {covered}")
        _, block, num_bytes = TYPES[kind]
        expect(shape[-1] % block == 0, f"{name}: rows are not whole blocks")
        size = num_bytes
        for n in shape:
            size *= n
        covered = offset + -(-(size // block) // alignment) * alignment
    expect(begin + covered == len(reader.data), f"the file has {len(reader.data)} bytes, not {begin + covered}")
    return metadata, tensors, memoryview(reader.data)[begin:]


def bf16(halves):
    return struct.unpack(f"<{len(halves)}f", b"".join(struct.pack("<HH", 0, half) for half in halves))


def values_of(data, kind, count, offset):
    """The values, and for each how far it may be from the original (as a share, and absolutely)."""
    name = TYPES[kind][0]
    if name == "f32":
        return struct.unpack_from(f"<{count}f", data, offset), 0, 0
    if name == "f16":
        return struct.unpack_from(f"<{count}e", data, offset), 2.0 ** -11, 2.0 ** -25
    if name == "bf16":
        return bf16(struct.unpack_from(f"<{count}H", data, offset)), 2.0 ** -8, 0
    values, steps = [], []
    for at in range(offset, offset + count // 32 * 34, 34):
        scale, *whole = struct.unpack_from("<e32b", data, at)
        values += [scale * n for n in whole]
        # Half a step, and the scale's own rounding to f16 at up to 127 steps.
        steps += [scale * (0.5 + 127 * 2.0 ** -11) + 2.0 ** -25 * 127] * 32
    return values, 0, steps


def read_checkpoint(folder):
    files = sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
    tensors = {}
    for name in files:
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        length, = struct.unpack_from("<Q", data)
        for tensor, entry in json.loads(data[8:8 + length]).items():
            if tensor != "__metadata__":
                tensors[tensor] = (entry, memoryview(data)[8 + length:])
    return tensors


def original(tensors, name):
    entry, data = tensors[name]
    begin, end = entry["data_offsets"]
    count = (end - begin) // (4 if entry["dtype"] == "F32" else 2)
    if entry["dtype"] == "BF16":
        return entry["shape"], bf16(struct.unpack_from(f"<{count}H", data, begin))
    return entry["shape"], struct.unpack_from(f"<{count}" + ("f" if entry["dtype"] == "F32" else "e"), data, begin)


def interleave(values, shape, heads):
    """Rows of each head from (first half, second half) to pairs, as llama.cpp wants them for `llama`."""
    row = len(values) // shape[0]
    size = shape[0] // heads
    order = [h * size + part * (size // 2) + i for h in range(heads) for i in range(size // 2) for part in (0, 1)]
    return [value for r in order for value in values[r * row:(r + 1) * row]]


def check_metadata(metadata, config, folder):
    arch = metadata["general.architecture"]
    expect(arch == config["model_type"], f"architecture {arch}")
    heads = config["num_attention_heads"]
    wanted = {
        "block_count": config["num_hidden_layers"], "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"], "feed_forward_length": config["intermediate_size"],
        "attention.head_count": heads, "attention.head_count_kv": config.get("num_key_value_heads", heads)}
    if config.get("head_dim"):
        wanted["attention.key_length"] = wanted["attention.value_length"] = config["head_dim"]
    if arch == "llama":
        wanted["rope.dimension_count"] = config.get("head_dim") or config["hidden_size"] // heads
        wanted["vocab_size"] = config["vocab_size"]
    for key, value in wanted.items():
        expect(metadata.get(f"{arch}.{key}") == value, f"{arch}.{key} is {metadata.get(f'{arch}.{key}')}, not {value}")
    theta = config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta", 10000.0)
    for key, value in (("rope.freq_base", theta), ("attention.layer_norm_rms_epsilon", config["rms_norm_eps"])):
        expect(abs(metadata[f"{arch}.{key}"] / value - 1) < 1e-6, f"{arch}.{key}")
    expect(metadata["general.quantization_version"] == 2, "general.quantization_version")

    path = os.path.join(folder, "tokenizer.json")
    with (open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")) as file:
        tokenizer = json.load(file)
    by_id = {i: token for token, i in tokenizer["model"]["vocab"].items()}
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    expect(len(tokens) == len(types) == config["vocab_size"], "tokens do not match vocab_size")
    for i, (token, kind) in enumerate(zip(tokens, types)):
        if i in added:
            expect(token == added[i]["content"], f"token {i}")
            expect(kind in (3, 4) and (kind == 3 or not added[i]["special"]), f"type of token {i}")
        else:
            expect((token, kind) == ((by_id[i], 1) if i in by_id else (f"[PAD{i}]", 5)), f"token {i}: {token} {kind}")
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    expect(metadata["tokenizer.ggml.merges"] == merges, "merges")
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        settings = json.load(file)
    eos = settings.get("eos_token")
    eos = eos["content"] if isinstance(eos, dict) else eos
    if eos:
        expect(tokens[metadata["tokenizer.ggml.eos_token_id"]] == eos, "eos_token_id")
    if isinstance(settings.get("chat_template"), str):
        expect(metadata["tokenizer.chat_template"] == settings["chat_template"], "chat_template")


def main():
    path, folder = sys.argv[1:]
    metadata, tensors, data = read_gguf(path)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    check_metadata(metadata, config, folder)
    checkpoint = read_checkpoint(folder)
    seen, worst = set(), 0.0
    for name, (shape, kind, offset) in tensors.items():
        if name == "rope_freqs.weight":
            continue
        stem, suffix = name.rsplit(".", 1)
        if stem.startswith("blk."):
            _, layer, part = stem.split(".")
            source = f"model.layers.{layer}.{LAYER_NAMES[part]}.{suffix}"
        else:
            source = f"{NAMES[stem]}.{suffix}"
        seen.add(source)
        wanted_shape, wanted = original(checkpoint, source)
        expect(shape == wanted_shape, f"{name}: shape {shape}, not {wanted_shape}")
        expect(len(shape) == 2 or kind == 0, f"{name}: a vector of type {TYPES[kind][0]}")
        if config["model_type"] == "llama" and stem.endswith((".attn_q", ".attn_k")):
            key = "num_attention_heads" if stem.endswith("q") else "num_key_value_heads"
            wanted = interleave(wanted, shape, config[key])
        values, share, steps = values_of(data, kind, len(wanted), offset)
        for i, (a, b) in enumerate(zip(values, wanted)):
            allowed = abs(b) * share + (steps[i] if isinstance(steps, list) else steps)
            expect(abs(a - b) <= allowed, f"{name}[{i}]: {a}, not {b}")
            worst = max(worst, abs(a - b))
    missing = {name for name in checkpoint if not name.endswith("inv_freq")} - seen
    if config.get("tie_word_embeddings"):
        missing -= {"lm_head.weight"}
    expect(not missing, f"missing: {sorted(missing)}")
    print(f"{path}: {len(tensors)} tensors, {len(metadata)} keys, largest difference {worst:.3g}")


main()
