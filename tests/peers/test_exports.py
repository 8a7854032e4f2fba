"""Rows and pairs that ponder pool export writes, as TRL and LLaMA-Factory read them: no preparation, the same tokens."""
import importlib.util
import json
import pathlib
import sys
import types

import peer
import pytest
import torch
import transformers
import trl
from datasets import load_dataset

RUN = peer.REPOSITORY / "tests" / "golden" / "run_v3"
END = "<|im_end|>"
LINE_END = 198  # of SmolLM2: what its template has behind the end of a turn, and TRL trains with messages
QUIET = {"use_cpu": True, "bf16": False, "report_to": "none", "max_length": None, "disable_tqdm": True}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Right and wrong responses, made elsewhere, of six problems."""
    folder = tmp_path_factory.mktemp("pool")
    rows = [{"id": f"p{n}", "question": f"Compute {n}+8.", "answer": str(n + 8), "responses": [
        f"<think>\n{n} and eight.\n</think>\n\nThe answer is \\boxed{{{n + 8}}}.",
        f"<think>\n{n} and nine.\n</think>\n\nThe answer is \\boxed{{{n + 9}}}."]} for n in range(6)]
    peer.run("pool", "import", folder / "pool", peer.write_rows(folder / "rows.jsonl", rows), "--quiet")
    return folder / "pool"


def exported(source, folder, *flags):
    file = folder / "rows.jsonl"
    peer.run("pool", "export", source, *flags, "--out", file, "--quiet")
    return file


def loaded(file, folder):
    return load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / "cache"))


def as_ponder_trains(file, checkpoint, *flags):
    rows = peer.run("data", "show", file, "-n", 1000, "--tokenizer", checkpoint, "--json", "--quiet", *flags)
    assert len(rows) == len(peer.read_rows(file)) > 0
    return rows


@pytest.mark.parametrize("layout", ["messages", "prompt-completion"])
@pytest.mark.parametrize("what", ["demonstrations", "rollouts"])
def test_rows_in_trl(checkpoint, pool, tmp_path, figure, layout, what):
    flags = ["--as", layout, *(["--demonstrations"] if what == "demonstrations" else [])]
    file = exported(RUN if what == "demonstrations" else pool, tmp_path, *flags)
    form = ("--thought-form", "as-written")  # as the rows say it, and as TRL takes it
    ours = as_ponder_trains(file, checkpoint, *form)
    trainer = trl.SFTTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        args=trl.SFTConfig(output_dir=str(tmp_path / "out"), **QUIET), train_dataset=loaded(file, tmp_path),
        processing_class=transformers.AutoTokenizer.from_pretrained(checkpoint))
    for row, theirs in zip(ours, trainer.train_dataset, strict=True):
        assert row["token_ids"] + [LINE_END] == theirs["input_ids"]
        if layout == "prompt-completion":
            assert row["loss_mask"] + [1] == [int(label != -100) for label in theirs["labels"]]
    figure(f"{what} exported as {layout}", "trl datasets", f"ids of {len(ours)} rows equal")


def test_pairs_in_trl(checkpoint, pool, tmp_path, figure):
    file = exported(pool, tmp_path, "--pairs", "--as", "trl")
    ours = as_ponder_trains(file, checkpoint, "--kind", "preferences", "--align", "response", "--thought-form", "as-written")
    trainer = trl.DPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        args=trl.DPOConfig(output_dir=str(tmp_path / "out"), **QUIET), train_dataset=loaded(file, tmp_path),
        processing_class=transformers.AutoTokenizer.from_pretrained(checkpoint))
    for pair, theirs in zip(ours, trainer.train_dataset, strict=True):
        for side in ("chosen", "rejected"):
            assert pair[f"{side}_token_ids"] + [LINE_END] == theirs["prompt_ids"] + theirs[f"{side}_ids"]
    figure("pairs exported for TRL", "trl datasets", f"ids of {len(ours)} pairs equal")


@pytest.fixture(scope="module")
def factory():
    """LLaMA-Factory's reader of rows, without the package around it, which wants sound and video."""
    found = importlib.util.find_spec("llamafactory")
    if not found:
        pytest.skip("llamafactory is not installed")
    package = types.ModuleType("llamafactory.data")
    package.__path__ = [str(pathlib.Path(found.origin).parent / "data")]
    sys.modules["llamafactory.data"] = package
    import llamafactory.data.converter as converter
    import llamafactory.data.parser as parser
    return converter, parser


SHARE, ALPACA = {"formatting": "sharegpt"}, {}
SIDES = {"chosen": "chosen", "rejected": "rejected"}
OF_PAIRS = {
    "sharegpt": {"formatting": "sharegpt", "ranking": True, "columns": {"messages": "conversations", **SIDES}},
    "alpaca": {"ranking": True, "columns": {"prompt": "instruction", "query": "input", **SIDES}}}


def as_factory_reads(factory, file, folder, info):
    """By a dataset_info.json as docs/pool.md says it."""
    converter, parser = factory
    (folder / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": file.name, **info}}))
    (attributes,) = parser.get_dataset_list(["rows"], str(folder))
    convert = converter.get_dataset_converter(attributes.formatting, attributes, None)
    return [convert(row) for row in loaded(file, folder)]


def told(turns):
    return [(turn["role"], turn["content"]) for turn in turns]


@pytest.mark.parametrize("layout,info", [("sharegpt", SHARE), ("alpaca", ALPACA)])
def test_rows_in_llama_factory(factory, pool, tmp_path, figure, layout, info):
    read = as_factory_reads(factory, exported(pool, tmp_path, "--as", layout), tmp_path, info)
    plain = peer.read_rows(exported(pool, tmp_path, "--as", "prompt-completion"))
    assert len(read) == len(plain) == 6
    for theirs, ours in zip(read, plain):
        assert told(theirs["_prompt"]) == told(ours["prompt"]) and told(theirs["_response"]) == told(ours["completion"])
    figure(f"rows exported as {layout}", "llamafactory datasets", f"all of {len(read)} read as they are meant")


@pytest.mark.parametrize("layout", ["sharegpt", "alpaca"])
def test_pairs_in_llama_factory(factory, pool, tmp_path, figure, layout):
    read = as_factory_reads(factory, exported(pool, tmp_path, "--pairs", "--as", layout), tmp_path, OF_PAIRS[layout])
    plain = peer.read_rows(exported(pool, tmp_path, "--pairs", "--as", "trl"))
    assert len(read) == len(plain) == 6
    for theirs, ours in zip(read, plain):
        assert told(theirs["_prompt"]) == told(ours["prompt"])
        assert told(theirs["_response"]) == told(ours["chosen"]) + told(ours["rejected"])
    figure(f"pairs exported as {layout}", "llamafactory datasets", f"all of {len(read)} read as they are meant")


def test_documented_dataset_info():
    """What docs/pool.md tells to write is what is tested here."""
    text = (peer.REPOSITORY / "docs" / "pool.md").read_text()
    for info in OF_PAIRS.values():
        assert json.dumps(info["columns"]) in text, info
