"""spoiled_trainer.py MISTAKE train.py: runs a job of TRL after making one of the mistakes that are made with it, in its
rows, its order or its script. Started by ponder as [trainer] launch."""
import json
import pathlib
import runpy
import sys

from tokenizers import Tokenizer

mistake, script = sys.argv[1], pathlib.Path(sys.argv[2])
job = json.loads((script.parent / "job.json").read_text())
rows_file = script.parent / "rows.jsonl"
rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
tokenizer = Tokenizer.from_file(str(pathlib.Path(job["model"]) / "tokenizer.json"))
END = tokenizer.token_to_id("<|im_end|>")


def ids(text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def parts(row):
    begin = row["completion_mask"].index(1)
    return row["input_ids"][:begin], row["input_ids"][begin:]


def text(tokens):
    return tokenizer.decode(tokens, skip_special_tokens=False)


def joined(prompt, completion):
    return {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}


def question(row):
    return text(parts(row)[0]).split("<|im_start|>user\n")[1].split("<|im_end|>")[0]


def masked(row, change):
    mask = list(row["completion_mask"])
    change(mask, mask.index(1))
    return {**row, "completion_mask": mask}


def of_text(prompt, row):
    return joined(ids(prompt), parts(row)[1])


CHANGES = {
    "every token": lambda r: masked(r, lambda m, b: m.__setitem__(slice(None), [1] * len(m))),
    "line end": lambda r: joined(parts(r)[0], parts(r)[1] + ids("\n")),
    "no end token": lambda r: joined(parts(r)[0], parts(r)[1][:-1]),
    "end token twice": lambda r: joined(parts(r)[0], parts(r)[1] + [END]),
    "double bos": lambda r: joined(parts(r)[0][:1] + parts(r)[0], parts(r)[1]),
    "mask late": lambda r: masked(r, lambda m, b: m.__setitem__(b, 0)),
    "mask early": lambda r: masked(r, lambda m, b: m.__setitem__(b - 1, 1)),
    "cut": lambda r: {k: v[:64] for k, v in r.items()},
    "no template": lambda r: of_text(question(r), r),
    "alpaca": lambda r: of_text(
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        f"\n\n### Instruction:\n{question(r)}\n\n### Response:\n", r),
    "system turn": lambda r: of_text(
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n" +
        text(parts(r)[0]).split("<|im_start|>user\n")[1], r),
    "no generation prompt": lambda r: of_text(text(parts(r)[0]).split("<|im_start|>assistant")[0], r),
}
SCRIPT = {
    "label smoothing": ('"max_length": None', '"max_length": None, "label_smoothing_factor": 0.1'),
    "shifted twice": ("    def _get_train_sampler(self, *_):",
                      "    def compute_loss(self, model, inputs, *a, **k):\n"
                      "        inputs['labels'] = torch.nn.functional.pad(inputs['labels'][:, 1:], (0, 1), value=-100)\n"
                      "        return super().compute_loss(model, inputs, *a, **k)\n\n"
                      "    def _get_train_sampler(self, *_):"),
    "warm-up": ("return (step + 1) / warmup", "return step / warmup"),
}

if mistake in CHANGES:
    rows_file.write_text("".join(json.dumps(CHANGES[mistake](row)) + "\n" for row in rows))
elif mistake in SCRIPT:
    before, after = SCRIPT[mistake]
    source = script.read_text()
    assert before in source, mistake
    script.write_text(source.replace(before, after))
else:
    sys.exit(f"no mistake is named {mistake}")
sys.argv = [str(script)]
runpy.run_path(str(script), run_name="__main__")
