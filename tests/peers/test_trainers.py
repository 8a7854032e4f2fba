"""Stages that TRL and LLaMA-Factory train for ponder ([trainer] of a recipe), on nano-base, without a GPU: two processes
under torchrun and gloo; planted mistakes; OpenRLHF's reader of rows."""
import json
import math
import os
import pathlib
import subprocess
import sys

import peer
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
TORCHRUN = pathlib.Path(sys.executable).with_name("torchrun")
FACTORY = peer.REPOSITORY / "build" / "peers-factory" / "bin"
DEEPSPEED = peer.REPOSITORY / "build" / "peers-deepspeed" / "bin"
RECIPE = """
name = "peers"
base = "{base}"
max_length = 384
precision = "{precision}"
[sft]
epochs = 2
batch_rows = 8
lr = 1e-3
[imitate]
demonstrations = [{{ synth = "arithmetic", levels = [1, 3], count = 16 }}]
[trainer]
{trainer}
"""
WHOLE = """
name = "peers"
base = "{base}"
max_length = 256
[sft]
epochs = 1
batch_rows = 8
lr = 1e-4
[imitate]
demonstrations = [{{ synth = "choice", levels = 1, count = 16 }}]
[explore]
problems = [{{ synth = "choice", levels = 1, count = 24, seed = 2 }}]
rounds = 1
samples = 8
max_tokens = 96
temperature = 0.8
[dpo]
epochs = 2
batch_rows = 4
lr = 1e-4
align = "response"
[trainer]
{trainer}
"""


def settings(kind, launch, **more):
    lines = {"kind": json.dumps(kind), "launch": json.dumps([str(word) for word in launch]),
             **{name: json.dumps(value) for name, value in more.items()}}
    return "\n".join(f"{name} = {value}" for name, value in lines.items())


def run(folder, text, *flags, fails=False):
    """ponder run; what it says."""
    (folder / "recipe.toml").write_text(text)
    environment = {**os.environ, "OMP_NUM_THREADS": str(peer.threads()), "DISABLE_VERSION_CHECK": "1"}
    done = subprocess.run([peer.PONDER, "run", folder / "recipe.toml", "--out", folder / "run", *flags],
                          capture_output=True, text=True, check=False, env=environment)
    log = folder / "run" / "training"
    shown = done.stderr + "".join(p.read_text()[-2000:] for p in log.rglob("output.log") if done.returncode)
    assert (done.returncode != 0) == fails, shown
    return done.stderr


def recipe(trainer, precision="f32"):
    return RECIPE.format(base=peer.NANO_BASE, trainer=trainer, precision=precision)


def log(folder, stage="imitate"):
    return peer.read_rows(folder / "run" / "training" / f"{stage}.jsonl")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The same stage as ponder trains it."""
    folder = tmp_path_factory.mktemp("own")
    run(folder, recipe('kind = "builtin"'), "--until", "imitate")
    return log(folder)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A model that answers some questions in the form of its demonstrations, right and wrong: what pairs are made of."""
    folder = tmp_path_factory.mktemp("taught")
    text = recipe('kind = "builtin"').replace("epochs = 2", "epochs = 6").replace("max_length = 384", "max_length = 256")
    rows = '{ synth = "choice", levels = 1, count = 256 }'
    run(folder, text.replace('{ synth = "arithmetic", levels = [1, 3], count = 16 }', rows), "--until", "imitate")
    return folder / "run" / "checkpoints" / "M1"


TWO = ("--standalone", "--nproc-per-node", 2)


def test_sft_by_trl(own, tmp_path, figure):
    said = run(tmp_path, recipe(settings("trl", [TORCHRUN, *TWO], processes=2)), "--until", "imitate")
    assert "by ponder's own forward" in said and "the folder is the model that was trained" in said
    theirs = log(tmp_path)
    assert [row["step"] for row in theirs] == [row["step"] for row in own]
    apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(own, theirs))
    assert apart < 2e-4  # its log rounds
    assert [row["lr"] for row in theirs] == pytest.approx([row["lr"] for row in own], rel=1e-6)
    assert peer.run("inspect", tmp_path / "run" / "checkpoints" / "M1", "--json", "--quiet")
    figure("an SFT stage by TRL, two processes (gloo)", "trl transformers torch",
           f"{len(own)} steps, losses at most {apart:.1e} from ponder's own trainer")


DIE_ONCE = """
import os, pathlib, signal, subprocess, sys, time
job = pathlib.Path(sys.argv[-1]).parent
child = subprocess.Popen(sys.argv[1:])
while child.poll() is None and not (job / "died").exists():
    if (job / "checkpoints" / "checkpoint-2" / "trainer_state.json").exists():
        (job / "died").touch()
        workers = subprocess.run(["pgrep", "-P", str(child.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(workers[-1]), signal.SIGKILL)
    time.sleep(.02)
sys.exit(child.wait())
"""


def test_a_lost_process(own, tmp_path):
    """A worker is killed after the second step: torchrun ends the rest, ponder starts it again from its checkpoint."""
    (tmp_path / "die_once.py").write_text(DIE_ONCE)
    words = [sys.executable, tmp_path / "die_once.py", TORCHRUN, *TWO]
    trainer = settings("trl", words, processes=2, checkpoint_steps=1, restarts=1)
    said = run(tmp_path, recipe(trainer).replace("epochs = 2", "epochs = 6"), "--until", "imitate")
    assert "started again (1 of 1)" in said, said
    assert [row["step"] for row in log(tmp_path)] == list(range(1, 13))


def sharing_out(sharding):
    """What launches two processes on this machine that share weights out, or a skip."""
    if sharding == "fsdp":
        return [TORCHRUN, *TWO, HERE / "fsdp_on_processors.py"]
    if not DEEPSPEED.exists():
        pytest.skip("DeepSpeed is not there")
    return [DEEPSPEED / "python", "-m", "torch.distributed.run", *TWO]


SHARDINGS = [("fsdp", "torch"), ("zero-2", "deepspeed"), ("zero-3", "deepspeed")]


@pytest.mark.parametrize("sharding,package", SHARDINGS)
def test_sft_shared_out(own, tmp_path, figure, monkeypatch, sharding, package):
    """Weights shared out between two processes, one of which is killed after the second step: what its parts' checkpoint goes
    on to, and the folder put together of them, are those of weights that are whole."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    (tmp_path / "die_once.py").write_text(DIE_ONCE)
    words = [sys.executable, tmp_path / "die_once.py", *sharing_out(sharding)]
    said = run(tmp_path, recipe(settings("trl", words, processes=2, sharding=sharding, checkpoint_steps=1, restarts=1)), "--until", "imitate")
    assert "started again (1 of 1)" in said and "the folder is the model that was trained" in said, said
    theirs = log(tmp_path)
    assert [row["step"] for row in theirs] == [1, 2, 3, 4]
    apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(own, theirs))
    assert apart < 2e-4
    figure(f"an SFT stage by TRL, {sharding}, two processes (gloo), one of them killed", f"trl transformers {package}",
           f"{len(own)} steps, losses at most {apart:.1e} from ponder's own trainer")


@pytest.mark.parametrize("sharding,package", [SHARDINGS[0], SHARDINGS[2]])
def test_dpo_shared_out(taught, tmp_path, figure, monkeypatch, sharding, package):
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    said = run(tmp_path, WHOLE.format(base=taught, trainer=settings("trl", sharing_out(sharding), processes=2, sharding=sharding)))
    assert "log-probabilities of chosen responses" in said and log(tmp_path, "dpo")[0]["loss"] > math.log(2)
    assert (tmp_path / "run" / "checkpoints" / "M1-dpo" / "model.safetensors").exists()
    figure(f"a run's SFT, improvement and DPO by TRL, {sharding}, two processes (gloo)", f"trl transformers {package}",
           "every first step within 1 %, DPO's at ln 2 and its likelihood term")


def test_whole_weights_where_parts_were_asked_for(tmp_path):
    """What accelerate does without a word between processors."""
    said = run(tmp_path, recipe(settings("trl", [TORCHRUN, *TWO], processes=2, sharding="fsdp")), "--until", "imitate", fails=True)
    assert "it raised RuntimeError: sharding = \"fsdp\" was asked for" in said, said


def test_adapters_by_trl(taught, tmp_path, figure):
    """LoRA: merged before the folder is taken over; DPO's reference is the model without them."""
    trainer = settings("trl", [TORCHRUN, *TWO], processes=2, lora_rank=8, lora_alpha=16)
    said = run(tmp_path, WHOLE.format(base=taught, trainer=trainer))
    assert "the folder is the model that was trained" in said and log(tmp_path, "dpo")[0]["loss"] > math.log(2)
    folders = [taught, tmp_path / "run" / "checkpoints" / "M1", tmp_path / "run" / "checkpoints" / "M1-dpo"]
    weights = [load_file(folder / "model.safetensors") for folder in folders]
    for before, after in zip(weights, weights[1:]):
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert before.keys() == after.keys() and changed == {name for name in before if name.endswith("_proj.weight")}
        for name in changed:
            assert 0 < torch.linalg.matrix_rank(after[name].double() - before[name].double(), atol=1e-6) <= 8
    figure("a run's SFT, improvement and DPO by TRL with LoRA, two processes (gloo)", "trl peft transformers",
           "every first step within 1 %, the merged folder is the model that was trained")


def test_dpo_by_trl(taught, tmp_path, figure):
    trainer = settings("trl", [TORCHRUN, *TWO], processes=2)
    said = run(tmp_path, WHOLE.format(base=taught, trainer=trainer))
    first = log(tmp_path, "dpo")[0]
    nll = (first["loss"] - math.log(2)) / 0.1
    assert nll > 0.02, "the likelihood term is in it"
    assert "log-probabilities of chosen responses" in said
    assert (tmp_path / "run" / "checkpoints" / "M1-dpo" / "model.safetensors").exists()
    figure("a run's SFT, improvement and DPO by TRL, two processes (gloo)", "trl transformers torch",
           "every first step within 1 %, DPO's at ln 2 and its likelihood term")


PLANTED = [
    ("every token", "every token is trained"), ("line end", "has behind the end token is trained too"),
    ("no end token", "the end token <|im_end|> is not trained"), ("end token twice", "the end token stands twice"),
    ("double bos", "double BOS"), ("mask late", "the mask begins one token late"),
    ("mask early", "the mask begins one token early"), ("cut", "rows are cut at 64 tokens"),
    ("no template", "no template"), ("alpaca", "Alpaca"), ("system turn", "another system turn"),
    ("no generation prompt", "no generation prompt"), ("label smoothing", "label smoothing of 0.1"),
    ("shifted twice", "labels are shifted twice"), ("warm-up", "a warm-up that starts at 0")]


@pytest.mark.parametrize("mistake,named", PLANTED)
def test_planted_mistakes(tmp_path, mistake, named):
    launch = [sys.executable, HERE / "spoiled_trainer.py", mistake]
    said = run(tmp_path, recipe(settings("trl", launch)), "--until", "imitate", fails=True)
    assert "most likely" in said and named in said, said
    assert not (tmp_path / "run" / "checkpoints" / "M1").exists()


@pytest.mark.skipif(not FACTORY.exists(), reason="LLaMA-Factory's own environment is not there")
def test_sft_by_llama_factory(own, tmp_path, figure):
    launch = [FACTORY / "python", "-m", "torch.distributed.run", *TWO]
    said = run(tmp_path, recipe(settings("llama-factory", launch, processes=2)) , "--until", "imitate")
    assert "by ponder's own forward" in said
    theirs = log(tmp_path)
    assert len(theirs) == len(own) and abs(theirs[0]["loss"] - own[0]["loss"]) < 2e-4
    figure("an SFT stage by LLaMA-Factory, two processes (gloo)", "llamafactory",
           f"{len(own)} steps, the first loss at most {abs(theirs[0]['loss'] - own[0]['loss']):.1e} from ponder's")


def own_dpo(folder, job, *flags):
    """The steps of `ponder dpo` on the pairs of a LLaMA-Factory job, from the model and in the order that it has."""
    tokenizer = Tokenizer.from_file(str(peer.NANO_BASE / "tokenizer.json"))
    side = lambda text: {"text": text.removesuffix("<|im_end|>"), "token_ids": tokenizer.encode(text, add_special_tokens=False).ids}
    rows, order = peer.read_rows(job / "rows.jsonl"), json.loads((job / "order.json").read_text())[0]
    pairs = [None] * len(rows)
    for place, row in zip(order, rows, strict=True):
        question = row["instruction"].split("<|im_start|>user\n")[-1].split("<|im_end|>")[0]
        pairs[place] = {"prompt": question, "chosen": side(row["chosen"]), "rejected": side(row["rejected"])}
    data = peer.write_rows(folder / "pairs.jsonl", pairs)
    asked = json.loads((job / "job.json").read_text())
    peer.run("dpo", "--model", folder / "run" / "checkpoints" / "M1", "--data", data, "--out", folder / "own", "--align", "response",
             "--sft-weight", 0, "--seed", asked["seed"], "--max-length", asked["max_length"], "--precision", "f32",
             "--log", folder / "own.jsonl", "--quiet", *flags)
    return peer.read_rows(folder / "own.jsonl")


@pytest.mark.skipif(not FACTORY.exists(), reason="LLaMA-Factory's own environment is not there")
def test_dpo_by_llama_factory(taught, tmp_path, figure):
    launch = [FACTORY / "python", "-m", "torch.distributed.run", *TWO]
    text = WHOLE.format(base=taught, trainer=settings("llama-factory", launch, processes=2))
    plain, plainer = 'align = "response"\n', 'schedule = "constant"\nwarmup_ratio = 0.0\nsft_weight = 0.0\nheld_out = 0.0\nmax_pairs = 8\n'
    said = run(tmp_path, text.replace("epochs = 2\nbatch_rows = 4", "epochs = 1\nbatch_rows = 2").replace(plain, plain + plainer))
    assert "by ponder's own forward" in said
    theirs = log(tmp_path, "dpo")
    assert abs(theirs[0]["loss"] - math.log(2)) < 1e-6
    ours = own_dpo(tmp_path, tmp_path / "run" / "training" / "dpo.job", "--epochs", 1, "--batch-rows", 2, "--lr", 1e-4,
                   "--schedule", "constant", "--warmup", 0, "--beta", 0.1)
    assert [row["step"] for row in theirs] == [row["step"] for row in ours] == [1, 2, 3, 4]
    apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, theirs))
    assert apart < 1e-5 and max(abs(row["loss"] - math.log(2)) for row in ours) > 0.005
    assert (tmp_path / "run" / "checkpoints" / "M1-dpo" / "model.safetensors").exists()
    figure("a run's SFT, improvement and DPO by LLaMA-Factory, two processes (gloo)", "llamafactory",
           f"DPO's first loss at most {abs(theirs[0]['loss'] - math.log(2)):.1e} from ln 2, {len(ours)} steps at most {apart:.1e} from "
           "ponder dpo's on the same pairs")


def test_rows_in_openrlhf(tmp_path, figure):
    """Its reader gives the ids and the mask of ponder's rows; the trainer itself wants flash-attn."""
    reader = pytest.importorskip("openrlhf_reader")
    run(tmp_path, recipe(settings("openrlhf", ["false"]), "bf16"), "--until", "imitate", fails=True)
    job = tmp_path / "run" / "training" / "imitate.job"
    theirs = reader.sft_rows(job / "rows.jsonl", peer.NANO_BASE, 384)
    run(tmp_path, recipe(settings("command", ["false"]), "bf16"), "--until", "imitate", "--redo", fails=True)
    order = json.loads((job / "order.json").read_text())[0]
    ours = peer.read_rows(job / "rows.jsonl")
    assert len(theirs) == len(ours) == 16
    for row, (ids, mask) in zip((ours[i] for i in order), theirs):
        assert row["input_ids"] == ids
        assert row["completion_mask"][1:] == mask[:-1]  # its mask stands at the position that predicts
    figure("an SFT stage's rows", "openrlhf", f"ids and masks of all {len(ours)} equal")
