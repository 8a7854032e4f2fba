"""Three steps of SFT and of DPO beside TRL's trainers: the same texts, float32, AdamW and schedule."""
import math

import peer
import pytest
import torch
import transformers
import trl
from datasets import Dataset

STEPS = 3
BETA = 0.1
SFT_LR, DPO_LR = 1e-4, 1e-5  # with 1e-4 DPO is done after one step
END = "<|im_end|>"
# PyTorch adds the squares of a tensor in float32: over 28 million of them 1.7e-3 were seen to be lost.
NORM_TOLERANCE = 5e-3
OURS = ("--epochs", STEPS, "--batch-rows", 1000, "--schedule", "cosine", "--warmup", 0, "--weight-decay", 0.1,
        "--max-grad-norm", 1, "--precision", "f32")
THEIRS = {
    "num_train_epochs": STEPS, "lr_scheduler_type": "cosine", "warmup_steps": 0, "weight_decay": 0.1,
    "max_grad_norm": 1.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
    "optim": "adamw_torch", "bf16": False, "fp16": False, "use_cpu": True, "gradient_checkpointing": False,
    "max_length": None, "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True}


def recorded(trainer_class, losses):
    """The trainer with its losses as they are: its log rounds them."""
    class Recorder(trainer_class):
        def compute_loss(self, *arguments, **settings):
            loss = super().compute_loss(*arguments, **settings)
            losses.append((loss[0] if isinstance(loss, tuple) else loss).item())
            return loss
    return Recorder


def trained_by_trl(checkpoint, folder, trainer_class, config_class, rows, **settings):
    losses = []
    trainer = recorded(trainer_class, losses)(
        model=transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        args=config_class(output_dir=str(folder), per_device_train_batch_size=len(rows), **THEIRS, **settings),
        train_dataset=Dataset.from_list(rows), processing_class=transformers.AutoTokenizer.from_pretrained(checkpoint))
    dataset = trainer.train_dataset
    trainer.train()
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
    return dataset, losses, norms


def worst(ours, theirs):
    assert len(ours) == len(theirs) == STEPS
    return max(abs(a - b) for a, b in zip(ours, theirs))


def told(log):
    return ", ".join(f"{step['loss']:.5f}" for step in log)


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "demonstrations.jsonl"
    peer.run("synth", "--domain", "arithmetic,choice", "--level", 1, "--count", 6, "--demonstrations", "--out", file,
             "--quiet")
    return file


@pytest.fixture(scope="module")
def shown(checkpoint, demonstrations):
    """The rows as ponder trains them: text, the trained part of it, ids and mask."""
    rows = peer.run("data", "show", demonstrations, "-n", 1000, "--tokenizer", checkpoint, "--json", "--quiet")
    assert rows and all(row["trained_text"].endswith(END) for row in rows)
    return rows


@pytest.fixture(scope="module")
def tuned(checkpoint, demonstrations, tmp_path_factory):
    """The folder that ponder sft writes, and its log."""
    folder = tmp_path_factory.mktemp("sft")
    peer.run("sft", "--model", checkpoint, "--data", demonstrations, "--out", folder / "model", *OURS, "--lr", SFT_LR,
             "--log", folder / "log.jsonl", "--quiet")
    return folder / "model", peer.read_rows(folder / "log.jsonl")


def test_sft(checkpoint, shown, tuned, tmp_path, figure):
    rows = [{"prompt": row["text"].removesuffix(row["trained_text"]), "completion": row["trained_text"]}
            for row in shown]
    dataset, losses, norms = trained_by_trl(checkpoint, tmp_path, trl.SFTTrainer, trl.SFTConfig, rows,
                                            learning_rate=SFT_LR)
    for ours, theirs in zip(shown, dataset, strict=True):
        assert ours["token_ids"] == theirs["input_ids"]
        assert ours["loss_mask"] == [int(label != -100) for label in theirs["labels"]]
    log = tuned[1]
    apart = worst([step["loss"] for step in log], losses)
    assert apart < 1e-4 and losses[0] - losses[-1] > 0.1
    assert norms == pytest.approx([step["grad_norm"] for step in log], rel=NORM_TOLERANCE)
    figure(f"{STEPS} steps of SFT, {len(rows)} rows (ids and masks equal)", "trl transformers torch",
           f"losses {told(log)}, at most {apart:.1e} apart")


def test_rows_of_conversations(checkpoint, shown, tmp_path):
    """From messages TRL trains one token more: the line end that the template has behind the end of the turn."""
    rows = [{"prompt": [{"role": "user", "content": row["question"]}],
             "completion": [{"role": "assistant", "content": row["trained_text"].removesuffix(END)}]}
            for row in shown]
    trainer = trl.SFTTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(checkpoint),
        args=trl.SFTConfig(output_dir=str(tmp_path), **THEIRS), train_dataset=Dataset.from_list(rows),
        processing_class=transformers.AutoTokenizer.from_pretrained(checkpoint))
    for ours, theirs in zip(shown, trainer.train_dataset, strict=True):
        assert ours["token_ids"] + [198] == theirs["input_ids"]
        assert ours["loss_mask"] + [1] == [int(label != -100) for label in theirs["labels"]]


def test_dpo(checkpoint, shown, tmp_path, figure):
    thoughts = [row["trained_text"].removesuffix(END) for row in shown]
    rejected = thoughts[1:] + thoughts[:1]  # another row's
    pairs = peer.write_rows(tmp_path / "pairs.jsonl", [
        {"prompt": row["question"], "chosen": a, "rejected": b} for row, a, b in zip(shown, thoughts, rejected)])
    peer.run("dpo", "--model", checkpoint, "--data", pairs, "--out", tmp_path / "model", *OURS, "--lr", DPO_LR, "--beta", BETA,
             "--sft-weight", 0, "--align", "response", "--log", tmp_path / "log.jsonl", "--quiet")
    log = peer.read_rows(tmp_path / "log.jsonl")
    assert log[0]["rows"] == len(shown) and log[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    prompts = [row["text"].removesuffix(row["trained_text"]) for row in shown]
    rows = [{"prompt": prompt, "chosen": a, "rejected": b} for prompt, a, b in zip(prompts, thoughts, rejected)]
    dataset, losses, norms = trained_by_trl(checkpoint, tmp_path, trl.DPOTrainer, trl.DPOConfig, rows, beta=BETA,
                                            loss_type=["sigmoid"], learning_rate=DPO_LR)
    ours = peer.run("data", "show", pairs, "--kind", "preferences", "-n", 1000, "--tokenizer", checkpoint,
                    "--align", "response", "--json", "--quiet")
    for pair, theirs in zip(ours, dataset, strict=True):
        for side in ("chosen", "rejected"):
            assert pair[f"{side}_token_ids"] == theirs["prompt_ids"] + theirs[f"{side}_ids"]
            assert pair[f"{side}_aligned"] == [0] * len(theirs["prompt_ids"]) + [1] * len(theirs[f"{side}_ids"])
    apart = worst([step["loss"] for step in log], losses)
    assert apart < 1e-4 and losses[0] - losses[-1] > 0.1
    assert norms == pytest.approx([step["grad_norm"] for step in log], rel=NORM_TOLERANCE)
    figure(f"{STEPS} steps of DPO, {len(rows)} pairs (ids and what counts equal)", "trl transformers torch",
           f"losses {told(log)}, at most {apart:.1e} apart")


def test_trained_folder_in_transformers(tuned, reference, tmp_path, figure):
    pairs = [("Compute 7+8*3", "31"), ("Which is the largest? (A) 3 (B) 7", "The answer is \\boxed{B}.")]
    apart, count = reference.worst_difference(tuned[0], pairs, tmp_path)
    assert apart < 1e-4
    figure("what ponder sft saves, loaded again", "transformers torch",
           f"log-probabilities of {count} tokens at most {apart:.1e} apart")
