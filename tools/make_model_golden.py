#!/usr/bin/python3
"""Writes tests/golden/model/*, tests/golden/model_qwen3/* and tests/golden/model_llama/*: a tiny model of each
architecture and what PyTorch computes with it.

Development only; needs PyTorch (Debian: python3-torch). The models are written out below from the definition of the
architectures, without transformers: grouped query heads, rotary positions in the half-split layout, RMSNorm, SwiGLU;
Qwen2's biases on queries, keys and values; Qwen3's norms of query and key heads; Llama 3's rotary frequencies. Golden
values are computed in double precision; the same run in float32 says how far
another float32 program may be from them.
"""
import json
import math
import pathlib
import struct

import torch

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
SEED = 20412

QWEN2 = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_act": "silu",
    "vocab_size": 90,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "eos_token_id": 0,
}
# Heads wider than hidden_size / num_attention_heads, as in Qwen3-0.6B. Rotary scaling that leaves the fastest of the
# frequencies alone, blends two and slows the others down; it shows from position 1 on.
VARIANTS = {
    "qwen2": ("model", QWEN2),
    "qwen3": ("model_qwen3", {
        **QWEN2, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 32, "vocab_size": 60,
        "rope_theta": 1000000.0, "attention_bias": False}),
    "llama": ("model_llama", {
        **QWEN2, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "vocab_size": 60,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "attention_bias": False,
        "mlp_bias": False, "rope_scaling": {
            "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 64,
            "rope_type": "llama3"}}),
}
CONFIG = QWEN2  # the one at work
# Row lengths: longer than a block of 64 keys, shorter than a vector, and between.
ROW_LENGTHS = [81, 3, 30, 17]
TRAIN = {
    "steps": 10, "lr": 1e-2, "warmup_steps": 1, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
    "max_grad_norm": 1.0,
}


def parameter_shapes():
    c, f = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    q = CONFIG["num_attention_heads"] * CONFIG["head_dim"]
    kv = CONFIG["num_key_value_heads"] * CONFIG["head_dim"]
    shapes = {"model.embed_tokens.weight": (CONFIG["vocab_size"], c)}
    for i in range(CONFIG["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        shapes[layer + "input_layernorm.weight"] = (c,)
        for name, rows in (("q", q), ("k", kv), ("v", kv)):
            shapes[layer + f"self_attn.{name}_proj.weight"] = (rows, c)
            if CONFIG["model_type"] == "qwen2":
                shapes[layer + f"self_attn.{name}_proj.bias"] = (rows,)
        if CONFIG["model_type"] == "qwen3":
            for name in "qk":
                shapes[layer + f"self_attn.{name}_norm.weight"] = (CONFIG["head_dim"],)
        shapes[layer + "self_attn.o_proj.weight"] = (c, q)
        shapes[layer + "post_attention_layernorm.weight"] = (c,)
        shapes[layer + "mlp.gate_proj.weight"] = (f, c)
        shapes[layer + "mlp.up_proj.weight"] = (f, c)
        shapes[layer + "mlp.down_proj.weight"] = (c, f)
    shapes["model.norm.weight"] = (c,)
    shapes["lm_head.weight"] = (CONFIG["vocab_size"], c)
    return shapes


def random_weights():
    """Norms and biases away from 1 and 0, so that a missing one shows; every value exact in bfloat16."""
    weights = {}
    for name, shape in parameter_shapes().items():
        noise = torch.randn(shape, dtype=torch.float64)
        if name.endswith("bias"):
            value = 0.3 * noise
        elif len(shape) == 1:
            value = 1 + 0.3 * noise
        else:
            value = (0.5 if "embed" in name else 0.15) * noise
        weights[name] = value.to(torch.bfloat16)
    return weights


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * weight


def inverse_frequencies():
    d = CONFIG["head_dim"]
    inv_freq = CONFIG["rope_theta"] ** -(torch.arange(0, d, 2, dtype=torch.float64) / d)
    if "rope_scaling" not in CONFIG:
        return inv_freq.float()
    # Llama 3: by how often a frequency turns within the original context.
    scaling = CONFIG["rope_scaling"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * inv_freq / (2 * math.pi)
    unchanged = ((turns - low) / (high - low)).clamp(0, 1)
    return ((1 - unchanged) * inv_freq / scaling["factor"] + unchanged * inv_freq).float()


def rotate(x, dtype):
    """x (heads, T, D). Angles in float32 steps, as transformers computes them."""
    d = CONFIG["head_dim"]
    angle = torch.arange(x.shape[1]).float()[:, None] * inverse_frequencies()[None, :]
    cos, sin = angle.double().cos().to(dtype), angle.double().sin().to(dtype)
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def logits_of(weights, row, tied):
    """Logits (T, V) of one row of token ids."""
    dtype = weights["model.norm.weight"].dtype
    heads, kv_heads, d = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"], CONFIG["head_dim"]
    length = len(row)
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    x = weights["model.embed_tokens.weight"][torch.tensor(row)]
    for i in range(CONFIG["num_hidden_layers"]):
        w = lambda name: weights[f"model.layers.{i}.{name}"]
        h = rms_norm(x, w("input_layernorm.weight"))

        def project(name, n):
            y = h @ w(f"self_attn.{name}_proj.weight").T
            if CONFIG["model_type"] == "qwen2":
                y = y + w(f"self_attn.{name}_proj.bias")
            y = y.view(length, n, d)
            if CONFIG["model_type"] == "qwen3" and name != "v":
                y = rms_norm(y, w(f"self_attn.{name}_norm.weight"))
            return y.transpose(0, 1)

        q, k = rotate(project("q", heads), dtype), rotate(project("k", kv_heads), dtype)
        k, v = (t.repeat_interleave(heads // kv_heads, 0) for t in (k, project("v", kv_heads)))
        scores = (q @ k.transpose(1, 2) / math.sqrt(d)).masked_fill(future, -math.inf)
        attention = (scores.softmax(-1) @ v).transpose(0, 1).reshape(length, heads * d)
        x = x + attention @ w("self_attn.o_proj.weight").T
        h = rms_norm(x, w("post_attention_layernorm.weight"))
        gate, up = h @ w("mlp.gate_proj.weight").T, h @ w("mlp.up_proj.weight").T
        x = x + (torch.nn.functional.silu(gate) * up) @ w("mlp.down_proj.weight").T
    head = weights["model.embed_tokens.weight" if tied else "lm_head.weight"]
    return rms_norm(x, weights["model.norm.weight"]) @ head.T


def forward(weights, rows, trained, tied):
    """Log-probabilities of all trained tokens (N), and the logits (R, V) after each row's last token."""
    logprobs, last = [], []
    for row, mask in zip(rows, trained):
        logits = logits_of(weights, row, tied)
        targets = [i for i in range(1, len(row)) if mask[i]]
        if targets:
            at = torch.tensor(targets)
            logprobs.append(logits.log_softmax(-1)[at - 1, torch.tensor(row)[at]])
        last.append(logits[-1])
    return torch.cat(logprobs), torch.stack(last)


def leaves(weights, dtype, tied):
    return {n: w.to(dtype).requires_grad_() for n, w in weights.items() if not (tied and n == "lm_head.weight")}


def gradients(weights, rows, trained, token_weights, dtype, tied):
    params = leaves(weights, dtype, tied)
    logprobs, last = forward(params, rows, trained, tied)
    loss = -(logprobs * token_weights.to(dtype)).sum()
    loss.backward()
    return {
        "logprobs": logprobs.detach().double(),
        "logits": last.detach().double(),
        "loss": loss.item(),
        "gradients": {name: p.grad.double() for name, p in params.items()},
    }


def train(weights, rows, trained, dtype, tied):
    """Ten steps on all rows; matrices decay, norms and biases do not; cosine schedule after the warm-up."""
    params = leaves(weights, dtype, tied)
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in params.values() if p.dim() == 2], "weight_decay": TRAIN["weight_decay"]},
         {"params": [p for p in params.values() if p.dim() == 1], "weight_decay": 0.0}],
        lr=TRAIN["lr"], betas=(TRAIN["beta1"], TRAIN["beta2"]), eps=TRAIN["epsilon"])
    run = {"loss": [], "grad_norm": [], "lr": []}
    for step in range(TRAIN["steps"]):
        warmup = TRAIN["warmup_steps"]
        share = (step + 1) / warmup if step < warmup else 0.5 * (
            1 + math.cos(math.pi * (step - warmup) / (TRAIN["steps"] - warmup)))
        for group in optimizer.param_groups:
            group["lr"] = TRAIN["lr"] * share
        optimizer.zero_grad()
        loss = -forward(params, rows, trained, tied)[0].mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(params.values(), TRAIN["max_grad_norm"])
        optimizer.step()
        run["loss"].append(loss.item())
        run["grad_norm"].append(norm.item())
        run["lr"].append(TRAIN["lr"] * share)
    return run


def write_safetensors(path, tensors):
    header, data = {}, b""
    for tensor_name, tensor in tensors.items():
        if tensor.dtype == torch.bfloat16:
            dtype, content = "BF16", tensor.contiguous().view(torch.int16).numpy().astype("<i2").tobytes()
        else:
            dtype, content = "F32", tensor.float().contiguous().numpy().astype("<f4").tobytes()
        header[tensor_name] = {"dtype": dtype, "shape": list(tensor.shape),
                               "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def difference(a, b):
    """Euclidean distance relative to the length of b."""
    return ((a - b).norm() / b.norm()).item()


def write_model(folder):
    torch.manual_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights()
    rows = [torch.randint(CONFIG["vocab_size"], (n,)).tolist() for n in ROW_LENGTHS]
    # The first third of each row is a prompt; now and then a later token does not count either.
    trained = [[int(i >= 1 and i >= len(row) // 3 and i % 7 != 5) for i in range(len(row))] for row in rows]
    count = sum(map(sum, trained))
    token_weights = (1 + 0.5 * torch.randn(count, dtype=torch.float64)).float().double() / count

    golden = {"rows": rows, "trained": trained, "token_weights": token_weights.tolist(), "train_settings": TRAIN}
    tensors, worst, worst_train = {}, {}, 0.0
    for variant, tied in (("untied", False), ("tied", True)):
        exact = gradients(weights, rows, trained, token_weights, torch.float64, tied)
        single = gradients(weights, rows, trained, token_weights, torch.float32, tied)
        run, run32 = (train(weights, rows, trained, t, tied) for t in (torch.float64, torch.float32))
        golden[variant] = {"loss": exact["loss"], "logprobs": exact["logprobs"].tolist(), "train": run}
        tensors[f"{variant}/logits"] = exact["logits"]
        for name, gradient in exact["gradients"].items():
            # Tying changes the embedding; the vectors show that all the rest still gets its gradient.
            if not tied or gradient.dim() == 1 or "embed" in name:
                tensors[f"{variant}/{name}"] = gradient
            worst[variant + "/" + name] = difference(single["gradients"][name], gradient)
        worst[variant + "/logprobs"] = difference(single["logprobs"], exact["logprobs"])
        worst_train = max([worst_train] + [abs(a / b - 1) for a, b in zip(run32["loss"], run["loss"])])
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    write_safetensors(folder / "model.safetensors", weights)
    write_safetensors(folder / "golden.safetensors", tensors)
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    name = max(worst, key=worst.get)
    print(f"{folder.name}, PyTorch {torch.__version__}; float32 against double: at most {worst[name]:.1e} ({name}), "
          f"ten losses at most {worst_train:.1e}")
    print("losses:", ", ".join(f"{x:.4f}" for x in golden["untied"]["train"]["loss"]))
    print("bytes:", sum(p.stat().st_size for p in folder.iterdir()))


def main():
    global CONFIG
    torch.set_num_threads(1)
    for folder, CONFIG in VARIANTS.values():
        write_model(GOLDEN / folder)


if __name__ == "__main__":
    main()
