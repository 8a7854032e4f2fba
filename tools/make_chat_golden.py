#!/usr/bin/env python3
"""Writes tests/golden/chat: what jinja2 makes of conversations with the published chat templates.

    python3 tools/make_chat_golden.py FOLDER tests/golden/chat

FOLDER holds the templates' texts, NAME.jinja for each name below; they are not kept in this repository, and a
text whose sha256 is another than the one given here is refused. Where FOLDER lacks a text, the rows of that template
stay as they are. jinja2 is set up as transformers sets it up
(trim_blocks, lstrip_blocks, tojson without ASCII escapes), but without strftime_now.
"""
import gzip
import hashlib
import json
import pathlib
import random
import sys

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

# name of the file, sha256 of the text, its beginning-of-text token, whether it is rendered with tools
TEMPLATES = [
    ("chatml", "153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", "", False),
    ("qwen2", "793202280c0910ab26bc6eb57c8212c2417324c6d8c4efd0d10d59092ab3e3eb", "", False),
    ("qwen2.5-base", "44d5f08f3f72b837eaad09f13a54c1f9f4eb58d75240334548b7fd52a5437fa5", "", True),
    ("qwen2.5", "cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f", "", True),
    ("qwq", "16488ad69d85833e5f66c50174f39834b688343337e9337f018deaa21b354117", "", True),
    ("qwen3-a", "87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5", "", True),
    ("qwen3-b", "a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8", "", True),
    ("qwen3-think2507", "3802169b2a02b81e6adb7ab4f64f91ff02db753c8c3a64a01c35192d3a61d8d7", "", True),
    ("qwen3-instr2507-orig", "64f85b198065d0fba2a81f37e10ed68161ce2c19a754c7100e67e0ca2ee9c326", "", True),
    ("qwen3-instr2507", "40c21f34cf67d8c760ef72f8ad3ae5afad514299d4b06e91dd9a8d705af7b541", "", True),
    ("llama3-b", "ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122", "<|begin_of_text|>", False),
    ("llama3-a", "b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2", "<|begin_of_text|>", False),
    ("llama3.1", "e10ca381b1ccc5cf9db52e371f3b6651576caee0a630b452e2816b2d404d4b65", "<|begin_of_text|>", False),
    ("llama3.2", "5816fce10444e03c2e9ee1ef8a4a1ea61ae7e69e438613f3b17b69d0426223a4", "<|begin_of_text|>", False),
    ("r1-b", "56a1447ad31926fdc21fb07e56e5642bd9c850c4f52d8c8af7bbe5f079a84f5f", "<｜begin▁of▁sentence｜>", False),
    ("r1-a", "b6835114b7303ddd78919a82e4d9f7d8c26ed0d7dfc36beeb12d524f6144eab1", "<｜begin▁of▁sentence｜>", False),
    ("smollm2", "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788", "", False),
]
SWITCHED = {"qwen3-a", "qwen3-b"}  # know enable_thinking

TEXTS = [
    "", " ", "\n", "Hi", "What is 1+1?", "  two before, two after  ", "\n\nlines around\n\n", "tab\tand\r\nreturn",
    "Что такое 2²?", "答案是四十二。", "👍🏽 flags 🇩🇪", "e\u0301 and é", "\u00a0hard space\u00a0", "\u3000wide\u2028",
    "\ufeffmark\ufeff", "\x1cseparator\x1f", "\u0085next line\u0085", "\u180e\u200bno space\u200b",
    "{{ messages }} {% if x %}", "\"quotes\" and \\backslashes\\ $x_1$", "a <|im_start|> b", "</tool_response>",
    "<tool_response>x</tool_response>", "<tool_response>\nx", "long " * 9,
]
THOUGHTS = ["", "\n", "I add.", "\n\nI add.\n\n", "one\n\ntwo", " <think> again ", "Schritt für Schritt: 二"]
TOOLS = [
    {"type": "function", "function": {"name": "python", "description": "run \"code\" — é\n\t\x7f\x01", "parameters": {
        "type": "object", "properties": {"code": {"type": "string"}, "n": {"type": "integer", "default": 3}},
        "required": ["code"], "additionalProperties": False}}},
    {"name": "flat", "numbers": [1.0, 0.5, 1e-05, 1e20, -0.0, 1000000000000000.0, 123456789, 0.0001], "none": None,
     "empty": {}, "list": [], "nested": [[], [{}]]},
]


def content(rng, thoughtful):
    text = rng.choice(TEXTS)
    if not thoughtful:
        return text
    thought = rng.choice(THOUGHTS)
    form = rng.randrange(6)
    if form == 0:
        return f"<think>\n{thought}\n</think>\n\n{text}"
    if form == 1:
        return f"<think>{thought}</think>{text}"
    if form == 2:
        return f"{thought}\n</think>\n{text}"  # the prompt had opened it
    if form == 3:
        return f"<think>{thought}</think>{text}</think>\n{thought}"
    if form == 4:
        return f"<|begin_of_thought|>\n\n{thought}\n\n<|end_of_thought|>\n\n{text}"
    return text


def conversation(rng, tools, switched):
    row = {"messages": []}
    messages = row["messages"]
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": rng.choice(TEXTS)})
    for _ in range(rng.randrange(1, 4)):
        messages.append({"role": "user", "content": rng.choice(TEXTS)})
        if rng.random() < 0.1:
            messages.append({"role": "system", "content": rng.choice(TEXTS)})
        if rng.random() < 0.8:
            answer = {"role": "assistant", "content": content(rng, rng.random() < 0.7)}
            if rng.random() < 0.25:
                answer["reasoning_content"] = rng.choice(THOUGHTS)
            messages.append(answer)
            if tools and rng.random() < 0.3:
                call = {"name": "python", "arguments": rng.choice([{"code": "print(1)\n"}, {"é": [1, 2.5]}, {}, "{}"])}
                calls = [call] if rng.random() < 0.3 else [{"type": "function", "function": call}]
                answer["tool_calls"] = calls * rng.randrange(1, 3)
                for _ in range(rng.randrange(0, 3)):
                    messages.append({"role": "tool", "content": rng.choice(TEXTS)})
                if rng.random() < 0.5:
                    messages.append({"role": "assistant", "content": content(rng, True)})
    if rng.random() < 0.1:
        messages.pop(0)  # may begin with an answer, may then be empty
    if not messages:
        messages.append({"role": "user", "content": "Hi"})
    row["add_generation_prompt"] = rng.random() < 0.6
    if switched and rng.random() < 0.6:
        row["enable_thinking"] = rng.random() < 0.5
    if tools and rng.random() < 0.3:
        row["tools"] = TOOLS[:rng.randrange(1, 3)]
    return row


def main():
    folder, out = map(pathlib.Path, sys.argv[1:])
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    env.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    lines = gzip.decompress((out / "conversations.jsonl.gz").read_bytes()).split(b"\n")
    with gzip.GzipFile(out / "conversations.jsonl.gz", "wb", 9, mtime=0) as file:
        for name, sha256, bos, tools in TEMPLATES:
            if not (folder / f"{name}.jinja").exists():
                file.writelines(line + b"\n" for line in lines if sha256.encode() in line[:120])
                continue
            text = (folder / f"{name}.jinja").read_bytes()
            found = hashlib.sha256(text).hexdigest()
            if found != sha256:
                sys.exit(f"{name}: expected sha256 {sha256}, found {found}")
            template = env.from_string(text.decode())
            rng = random.Random(name)
            for i in range(100):
                row = conversation(rng, tools, name in SWITCHED)
                rendered = template.render(**{"bos_token": bos, **row})
                row = {"template_sha256": sha256, **row, "rendered": rendered}
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
