"""Files that ponder writes, as other people's readers read them, and theirs as ponder does."""
import json
import pathlib
import subprocess
import sys

import datasets
import gguf
import numpy
import peer
import pytest
import smollm2
from safetensors.numpy import load_file, save_file

QUANTIZATION = gguf.GGMLQuantizationType
DOCTOR = pathlib.Path(sys.executable).with_name("ggufdoctor")


def doctor(file, report):
    """What ggufdoctor finds, without the name of the file."""
    subprocess.run([DOCTOR, file, "--fail-on", "never", "--json", report], check=True, capture_output=True)
    return [(finding["id"], finding["severity"], finding["message"]) for finding in json.loads(report.read_text())["findings"]]


def as_stored(values, kind):
    """By gguf's own quantizers; vectors stay float32."""
    if values.ndim == 1 or kind == "f32":
        return values.view(numpy.uint8)
    if kind == "f16":
        return values.astype(numpy.float16).view(numpy.uint8)
    return gguf.quants.quantize(values, {"bf16": QUANTIZATION.BF16, "q8_0": QUANTIZATION.Q8_0}[kind])


def interleaved(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
def test_gguf(checkpoint, tmp_path, figure, kind):
    file = tmp_path / "model.gguf"
    peer.run("export", checkpoint, "--gguf", kind, "--out", file, "--quiet")
    reader, published = gguf.GGUFReader(file), gguf.GGUFReader(smollm2.published_gguf())
    # What llama.cpp's own converter says of the model, but for how it was quantised and whose it is.
    ours = {key: field.contents() for key, field in reader.fields.items()}
    theirs = {key: field.contents() for key, field in published.fields.items()
              if key.startswith(("llama.", "tokenizer.", "general.architecture", "general.type"))}
    theirs.pop("tokenizer.ggml.add_space_prefix")  # llama.cpp's own default, and only for SentencePiece
    different = [key for key, value in theirs.items() if ours.get(key) != value]
    assert not different
    weights = load_file(checkpoint / "model.safetensors")
    heads = {".attn_q.": ours["llama.attention.head_count"], ".attn_k.": ours["llama.attention.head_count_kv"]}
    assert [tensor.name for tensor in reader.tensors] and len(reader.tensors) == len(weights)
    for tensor in reader.tensors:
        weight = weights[smollm2.hf_name(tensor.name)]
        for part, count in heads.items():
            if part in tensor.name:
                weight = interleaved(weight, count)
        stored = as_stored(numpy.ascontiguousarray(weight), kind)
        assert numpy.array_equal(tensor.data.reshape(-1).view(numpy.uint8), stored.reshape(-1)), tensor.name
    figure(f"GGUF, {kind}: the {len(theirs)} keys of the published file, {len(weights)} tensors", "gguf",
           "equal to the byte")


def test_gguf_template(checkpoint, tmp_path, figure):
    """What is found is what the published template does, in the published file too."""
    file = tmp_path / "model.gguf"
    peer.run("export", checkpoint, "--gguf", "q8_0", "--out", file, "--quiet")
    ours, theirs = doctor(file, tmp_path / "ours.json"), doctor(smollm2.published_gguf(), tmp_path / "theirs.json")
    assert ours == theirs
    figure("GGUF: chat template and its rendering", "ggufdoctor",
           f"as in the published file, whose template has {len(theirs)} findings")


def test_gguf_of_a_base_without_template(tmp_path, figure):
    """Trained from a base that has no template, and another end token than its turns, it has both in all files."""
    base = tmp_path / "base"
    base.mkdir()
    for file in peer.NANO_BASE.iterdir():
        if file.is_file() and file.name != "chat_template.jinja" and not file.name.startswith("training"):
            (base / file.name).write_bytes(file.read_bytes())
    config = json.loads((base / "tokenizer_config.json").read_text())
    del config["chat_template"]
    config["eos_token"] = "<|endoftext|>"
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    data = tmp_path / "demonstrations.jsonl"
    peer.run("synth", "--domain", "choice", "--count", 4, "--demonstrations", "--out", data, "--quiet")
    peer.run("sft", "--model", base, "--data", data, "--epochs", 1, "--out", tmp_path / "model", "--quiet")
    found = {}
    for name, folder in (("nano-base", peer.NANO_BASE), ("trained from a base without template", tmp_path / "model")):
        file = tmp_path / "model.gguf"
        peer.run("export", folder, "--gguf", "f32", "--out", file, "--quiet")
        found[name] = doctor(file, tmp_path / "report.json")
    # Plain ChatML, the published text, predates tool turns without content and lists of parts: all findings are of
    # these. That there is a template, and that the end of a turn is the file's, is what others would be of.
    of_shapes = [finding for finding in found["nano-base"] if finding[0] in ("S003", "X002", "X003", "O001")]
    assert found == {name: of_shapes for name in found}
    figure("GGUF: " + " and ".join(found), "ggufdoctor",
           f"the {len(of_shapes)} findings of plain ChatML's own text (tool turns, lists of parts), no other")


def exported_rows(tmp_path):
    """A file of each kind of rows that ponder writes."""
    question = "Compute 7+8*3"
    scored = peer.write_rows(tmp_path / "responses.jsonl", [{"prompt": question, "response": "31"}])
    run = peer.REPOSITORY / "tests" / "golden" / "run_v3"
    made = {
        "problems": ("synth", "--domain", "arithmetic,choice", "--count", 40),
        "demonstrations": ("synth", "--domain", "choice", "--count", 40, "--demonstrations"),
        "trajectories": ("pool", run, "export"),
        "problems-of-a-run": ("pool", run, "export", "--problems"),
        "rollouts": ("generate", "--model", peer.NANO_BASE, "--prompt", question, "-n", 4, "--max-tokens", 8),
        "scores": ("score", "--model", peer.NANO_BASE, "--data", scored, "--per-token")}
    for name, arguments in made.items():
        file = tmp_path / f"{name}.jsonl"
        peer.run(*arguments, "--out", file, "--quiet")
        yield file


def test_rows_load_in_datasets(tmp_path, figure):
    names = []
    for file in exported_rows(tmp_path):
        rows = peer.read_rows(file)
        loaded = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
        columns = {key for row in rows for key in row}
        assert rows and set(loaded.column_names) == columns
        # A key that a row lacks becomes a null of its column.
        assert loaded.to_list() == [{key: row.get(key) for key in loaded.column_names} for row in rows], file.name
        names.append(file.stem)
    figure("rows: " + ", ".join(names), "datasets pyarrow", "loaded with every value as written")


def test_parquet_of_datasets(tmp_path, figure):
    """The same rows from datasets' Parquet and from JSON lines."""
    count = 0
    for file in exported_rows(tmp_path):
        if not file.stem.endswith(("demonstrations", "problems")):
            continue
        parquet = tmp_path / "rows.parquet"
        datasets.Dataset.from_list(peer.read_rows(file)).to_parquet(parquet)
        shown = [peer.run("data", "show", source, "-n", 1000, "--tokenizer", peer.NANO_BASE, "--json", "--quiet")
                 for source in (file, parquet)]
        assert shown[0] == shown[1] and shown[0]
        count += len(shown[0])
    figure("Parquet files as datasets writes them", "datasets pyarrow", f"{count} rows read as from JSON lines")


def test_safetensors(tmp_path, figure):
    """safetensors reads what ponder saves, and ponder what safetensors writes of it."""
    data = tmp_path / "demonstrations.jsonl"
    peer.run("synth", "--domain", "choice", "--count", 4, "--demonstrations", "--out", data, "--quiet")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    peer.run("sft", "--model", peer.NANO_BASE, "--data", data, "--epochs", 1, "--out", ours, "--quiet")
    weights = load_file(ours / "model.safetensors")
    assert all(weight.dtype == numpy.float32 and numpy.isfinite(weight).all() for weight in weights.values())
    theirs.mkdir()
    for file in ours.iterdir():
        if file.is_file() and file.name not in ("ponder.json", "model.safetensors"):
            (theirs / file.name).write_bytes(file.read_bytes())
    save_file(weights, theirs / "model.safetensors")  # without metadata, in an order of its own
    rows = peer.write_rows(tmp_path / "rows.jsonl", [{"prompt": "Compute 7+8*3", "response": "31"}])
    scores = [peer.run("score", "--model", folder, "--data", rows, "--per-token", "--quiet") for folder in (ours, theirs)]
    assert scores[0][0]["logprobs"] == scores[1][0]["logprobs"]
    figure("weights saved, read and saved again", "safetensors", f"{len(weights)} tensors, the same log-probabilities")
