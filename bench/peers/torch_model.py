"""Qwen2 in PyTorch, in float32, in two forms: plain, as transformers' own module computes it (what the targets were set
against), and lean, written for speed on the CPU as far as PyTorch 1.13 goes.

What is done in the lean form: q, k, v and gate, up are one product each; queries of a key-value group share their
keys as one batched product (nothing is repeated); scale and mask ride along in baddbmm; rotary tables are made once;
in inference everything that can happens in place and in preallocated memory, under inference_mode.
In both: caches have their room from the start, the optimiser updates tensor by tensor, which takes the least memory,
and nothing is clipped or logged.
"""
import json
import math

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint


class Config:
    def __init__(self, path):
        with open(path) as file:
            c = json.load(file)
        self.vocab = c["vocab_size"]
        self.hidden = c["hidden_size"]
        self.ffn = c["intermediate_size"]
        self.layers = c["num_hidden_layers"]
        self.heads = c["num_attention_heads"]
        self.kv_heads = c["num_key_value_heads"]
        self.dim = c.get("head_dim", self.hidden // self.heads)
        self.eps = c["rms_norm_eps"]
        self.theta = c["rope_theta"]
        self.tied = c["tie_word_embeddings"]


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(x, cos, sin):
    """x (..., T, D); cos, sin (T, D / 2)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Layer(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        q, kv = c.heads * c.dim, c.kv_heads * c.dim
        self.input_norm = torch.nn.Parameter(torch.ones(c.hidden))
        self.post_norm = torch.nn.Parameter(torch.ones(c.hidden))
        self.qkv = torch.nn.Linear(c.hidden, q + 2 * kv)
        self.out = torch.nn.Linear(q, c.hidden, bias=False)
        self.gate_up = torch.nn.Linear(c.hidden, 2 * c.ffn, bias=False)
        self.down = torch.nn.Linear(c.ffn, c.hidden, bias=False)

    def split(self, h, rows, length):
        """q (B * kv_heads, group, T, D); k, v (B * kv_heads, T, D), before rotation."""
        c = self.c
        q, k, v = self.qkv(h).split([c.heads * c.dim, c.kv_heads * c.dim, c.kv_heads * c.dim], -1)
        q = q.view(rows, length, c.heads, c.dim).transpose(1, 2)
        k = k.view(rows, length, c.kv_heads, c.dim).transpose(1, 2)
        v = v.view(rows, length, c.kv_heads, c.dim).transpose(1, 2)
        return q, k, v

    def mlp(self, x):
        gate, up = self.gate_up(rms_norm(x, self.post_norm, self.c.eps)).chunk(2, -1)
        return self.down(F.silu(gate) * up)

    def mlp_in_place(self, x):
        gate, up = self.gate_up(rms_norm(x, self.post_norm, self.c.eps)).chunk(2, -1)
        return self.down(F.silu(gate).mul_(up))

    def forward(self, x, cos, sin, mask):
        """x (B, T, C); mask (group * T, T) of 0 and -inf."""
        c = self.c
        rows, length, _ = x.shape
        group = c.heads // c.kv_heads
        q, k, v = self.split(rms_norm(x, self.input_norm, c.eps), rows, length)
        q = rotate(q, cos, sin).reshape(rows * c.kv_heads, group * length, c.dim)
        k = rotate(k, cos, sin).reshape(rows * c.kv_heads, length, c.dim)
        v = v.reshape(rows * c.kv_heads, length, c.dim)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / math.sqrt(c.dim))
        y = torch.bmm(torch.softmax(scores, -1), v)
        y = y.view(rows, c.heads, length, c.dim).transpose(1, 2).reshape(rows, length, -1)
        x = x + self.out(y)
        return x + (self.mlp(x) if torch.is_grad_enabled() else self.mlp_in_place(x))

    def prefill(self, x, cos, sin, mask, keys, values):
        """The same, leaving keys and values in the cache: keys (B * kv_heads, D, room), values (.., room, D)."""
        c = self.c
        rows, length, _ = x.shape
        group = c.heads // c.kv_heads
        q, k, v = self.split(rms_norm(x, self.input_norm, c.eps), rows, length)
        q = rotate(q, cos, sin).reshape(rows * c.kv_heads, group * length, c.dim)
        k = rotate(k, cos, sin).reshape(rows * c.kv_heads, length, c.dim)
        v = v.reshape(rows * c.kv_heads, length, c.dim)
        keys[:, :, :length] = k.transpose(1, 2)
        values[:, :length] = v
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / math.sqrt(c.dim))
        y = torch.bmm(torch.softmax(scores, -1), v)
        y = y.view(rows, c.heads, length, c.dim).transpose(1, 2).reshape(rows, length, -1)
        x = x.add_(self.out(y))
        return x.add_(self.mlp_in_place(x))

    def decode(self, x, cos, sin, keys, values, position):
        """x (B, C), one token a sequence at `position`, whose key and value are added to the cache."""
        c = self.c
        rows, group = x.shape[0], c.heads // c.kv_heads
        qkv = self.qkv(rms_norm(x, self.input_norm, c.eps))
        qk = rotate(qkv[:, : (c.heads + c.kv_heads) * c.dim].view(rows, c.heads + c.kv_heads, c.dim), cos, sin)
        q = qk[:, : c.heads].reshape(rows * c.kv_heads, group, c.dim)
        keys[:, :, position] = qk[:, c.heads :].reshape(rows * c.kv_heads, c.dim)
        values[:, position] = qkv[:, (c.heads + c.kv_heads) * c.dim :].reshape(rows * c.kv_heads, c.dim)
        end = position + 1
        scores = torch.bmm(q, keys[:, :, :end]).mul_(1 / math.sqrt(c.dim))
        y = torch.bmm(torch.softmax(scores, -1), values[:, :end]).view(rows, -1)
        x = x.add_(self.out(y))
        return x.add_(self.mlp_in_place(x))


def repeat(x, group):
    """(B, kv_heads, T, D) -> (B, heads, T, D)."""
    rows, kv_heads, length, dim = x.shape
    return x[:, :, None].expand(rows, kv_heads, group, length, dim).reshape(rows, kv_heads * group, length, dim)


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


class PlainLayer(torch.nn.Module):
    """As in transformers: a product for each matrix, keys and values repeated for their group, scores, mask, softmax."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        q, kv = c.heads * c.dim, c.kv_heads * c.dim
        self.input_norm = torch.nn.Parameter(torch.ones(c.hidden))
        self.post_norm = torch.nn.Parameter(torch.ones(c.hidden))
        self.q = torch.nn.Linear(c.hidden, q)
        self.k = torch.nn.Linear(c.hidden, kv)
        self.v = torch.nn.Linear(c.hidden, kv)
        self.out = torch.nn.Linear(q, c.hidden, bias=False)
        self.gate = torch.nn.Linear(c.hidden, c.ffn, bias=False)
        self.up = torch.nn.Linear(c.hidden, c.ffn, bias=False)
        self.down = torch.nn.Linear(c.ffn, c.hidden, bias=False)

    def forward(self, x, cos, sin, mask, cache=None, position=0):
        """x (B, T, C); cos, sin (T, D); mask (T, T) or None; cache: keys and values (B, kv_heads, room, D), to which
        the T tokens are added at `position`."""
        c = self.c
        rows, length, _ = x.shape
        h = rms_norm(x, self.input_norm, c.eps)
        q = self.q(h).view(rows, length, c.heads, c.dim).transpose(1, 2)
        k = self.k(h).view(rows, length, c.kv_heads, c.dim).transpose(1, 2)
        v = self.v(h).view(rows, length, c.kv_heads, c.dim).transpose(1, 2)
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        if cache is not None:
            keys, values = cache
            end = position + length
            keys[:, :, position:end], values[:, :, position:end] = k, v
            k, v = keys[:, :, :end], values[:, :, :end]
        k, v = repeat(k, c.heads // c.kv_heads), repeat(v, c.heads // c.kv_heads)
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(c.dim)
        if mask is not None:
            scores = scores + mask
        y = torch.matmul(torch.softmax(scores, -1, dtype=torch.float32), v)
        x = x + self.out(y.transpose(1, 2).reshape(rows, length, -1))
        h = rms_norm(x, self.post_norm, c.eps)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Qwen2(torch.nn.Module):
    def __init__(self, c, recompute=False, lean=False):
        super().__init__()
        self.c = c
        self.recompute = recompute
        self.lean = lean
        self.embed = torch.nn.Parameter(torch.empty(c.vocab, c.hidden).normal_(0, 0.02))
        self.layers = torch.nn.ModuleList((Layer if lean else PlainLayer)(c) for _ in range(c.layers))
        self.norm = torch.nn.Parameter(torch.ones(c.hidden))
        self.head = self.embed if c.tied else torch.nn.Parameter(torch.empty(c.vocab, c.hidden).normal_(0, 0.02))
        self.tables = {}

    def rope(self, length):
        if length not in self.tables:
            inv_freq = self.c.theta ** -(torch.arange(0, self.c.dim, 2, dtype=torch.float64) / self.c.dim)
            angle = torch.arange(length).double()[:, None] * inv_freq[None, :]
            if not self.lean:
                angle = torch.cat((angle, angle), -1)
            self.tables[length] = (angle.cos().float(), angle.sin().float())
        return self.tables[length]

    def mask(self, length):
        key = ("mask", length)
        if key not in self.tables:
            future = torch.full((length, length), -math.inf).triu(1)
            self.tables[key] = future.repeat(self.c.heads // self.c.kv_heads, 1) if self.lean else future
        return self.tables[key]

    def hidden(self, tokens):
        length = tokens.shape[1]
        cos, sin = self.rope(length)
        mask = self.mask(length)
        x = F.embedding(tokens, self.embed)
        for layer in self.layers:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(layer, x, cos, sin, mask, use_reentrant=True, preserve_rng_state=False)
            else:
                x = layer(x, cos, sin, mask)
        return rms_norm(x, self.norm, self.c.eps)

    def loss(self, tokens, reduction="mean"):
        """Of the tokens (B, T) behind the first of each row."""
        h = self.hidden(tokens)[:, :-1].reshape(-1, self.c.hidden)
        logits = F.linear(h, self.head)
        return F.cross_entropy(logits, tokens[:, 1:].reshape(-1), reduction=reduction)


class Cache:
    """Keys and values of B sequences of one length; lean: laid out for the products that read them."""

    def __init__(self, model, rows, room):
        c = model.c
        shape = (rows * c.kv_heads, c.dim, room) if model.lean else (rows, c.kv_heads, room, c.dim)
        self.keys = [torch.zeros(shape) for _ in range(c.layers)]
        shape = (rows * c.kv_heads, room, c.dim) if model.lean else (rows, c.kv_heads, room, c.dim)
        self.values = [torch.zeros(shape) for _ in range(c.layers)]


def prefill(model, tokens, cache):
    """Fills the cache from tokens (B, T), row by row as ours does it."""
    length = tokens.shape[1]
    cos, sin = model.rope(length)
    mask = model.mask(length)
    kv = model.c.kv_heads
    for row in range(tokens.shape[0]):
        x = F.embedding(tokens[row : row + 1], model.embed)
        for layer, keys, values in zip(model.layers, cache.keys, cache.values):
            if model.lean:
                part = slice(row * kv, (row + 1) * kv)
                x = layer.prefill(x, cos, sin, mask, keys[part], values[part])
            else:
                x = layer(x, cos, sin, mask, (keys[row : row + 1], values[row : row + 1]))
        F.linear(rms_norm(x[:, -1], model.norm, model.c.eps), model.head)


def decode_logits(model, tokens, cache, position, room):
    """Logits (B, V) of what follows `tokens` (B) at `position`."""
    cos, sin = model.rope(room)
    x = F.embedding(tokens, model.embed)
    if model.lean:
        for layer, keys, values in zip(model.layers, cache.keys, cache.values):
            x = layer.decode(x, cos[position], sin[position], keys, values, position)
    else:
        x = x[:, None]
        cos, sin = cos[position : position + 1], sin[position : position + 1]
        for layer, keys, values in zip(model.layers, cache.keys, cache.values):
            x = layer(x, cos, sin, None, (keys, values), position)
        x = x[:, 0]
    return F.linear(rms_norm(x, model.norm, model.c.eps), model.head)
