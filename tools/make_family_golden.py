#!/usr/bin/env python3
"""Writes tests/golden/model_FAMILY/* for the families below: a tiny random model of transformers' own class and what it
computes. The files are those of tools/make_model_golden.py, whose training run and file formats this uses.

    scripts/test-peers --set-up && build/peers/bin/python tools/make_family_golden.py [FAMILY ...]

Development only. Weights and sums are in double precision; norms and the softmax of attention are float32 inside
transformers whatever the model's dtype is.
"""
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM

import make_model_golden as golden

TINY = {
    "hidden_act": "silu", "vocab_size": 60, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "eos_token_id": 0,
    "bos_token_id": 1, "pad_token_id": None,
}
YARN = {"factor": 8.0, "original_max_position_embeddings": 64, "beta_fast": 8.0, "beta_slow": 1.0}
# Windows so small that in the longest row queries see no key of the first block of 64.
FAMILIES = {
    "smollm2": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 48,
                "num_attention_heads": 3, "rope_theta": 100000.0, "rope_scaling": None, "attention_bias": False,
                "mlp_bias": False, "rope_interleaved": False, "is_llama_config": True, "pretraining_tp": 1},
    "smollm3": {"architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "rope_theta": 5000000.0,
                "num_hidden_layers": 3, "no_rope_layers": [1, 0, 1], "no_rope_layer_interval": 2,
                "use_sliding_window": False, "sliding_window": None, "layer_types": ["full_attention"] * 3,
                "attention_bias": False, "mlp_bias": False},
    "olmo3": {"architectures": ["Olmo3ForCausalLM"], "model_type": "olmo3", "rope_theta": 500000.0,
              "rope_scaling": {"rope_type": "yarn", **YARN, "attention_factor": 1.2079441541679836},
              "sliding_window": 10, "layer_types": ["sliding_attention", "full_attention"], "attention_bias": False},
    "mistral": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 13,
                "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "qwen2_yarn": {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rope_theta": 1000000.0,
                   "use_sliding_window": False, "rope_scaling": {"type": "yarn", **YARN}},
}


def build(config):
    """A model without weights of its own: they are given to it in every call."""
    rope = {} if config.get("rope_scaling") is None else {"rope_scaling": dict(config["rope_scaling"])}
    settings = {k: v for k, v in config.items() if k not in ("architectures", "model_type", "rope_scaling")}
    read = AutoConfig.for_model(config["model_type"], **settings, **rope)
    return AutoModelForCausalLM.from_config(read, attn_implementation="eager").eval()


def logits_of(model, weights, row, tied):
    weights = {**weights, "lm_head.weight": weights["model.embed_tokens.weight"]} if tied else weights
    out = torch.func.functional_call(model, weights, (torch.tensor([row]),), {"use_cache": False}, tie_weights=False)
    return out.logits[0]


def main():
    torch.set_num_threads(1)
    for family in sys.argv[1:] or FAMILIES:
        golden.CONFIG = {**TINY, **FAMILIES[family]}
        model = build(golden.CONFIG)
        golden.parameter_shapes = lambda: {name: tuple(p.shape) for name, p in model.named_parameters()}
        golden.logits_of = lambda weights, row, tied: logits_of(model.to(weights["model.norm.weight"].dtype), weights, row,
                                                                 tied)
        golden.write_model(golden.GOLDEN / f"model_{family}")


if __name__ == "__main__":
    main()
