#include "trainers/trl_script.h"

namespace ponder::trainers {

std::string_view trl_script() {
  return R"py("""Trains with TRL the job that ponder wrote into this folder (job.json): its rows, its order, its rates.

Started by the recipe's launcher, one process or many. It goes on from its own last checkpoint. SIGTERM or SIGINT: it
saves one and ends with status 143.
"""
import json
import math
import pathlib
import signal
import sys

import datasets
import torch
import transformers
import trl

FOLDER = pathlib.Path(__file__).resolve().parent
JOB = json.loads((FOLDER / "job.json").read_text())
CHECKPOINTS = FOLDER / "checkpoints"
DPO = JOB["objective"] == "dpo"
BF16 = JOB["precision"] == "bf16"
stop_asked = False


def ask_stop(*_):
    global stop_asked
    stop_asked = True


class InOrder(torch.utils.data.Sampler):
    """Each epoch's rows in the order that ponder gives."""

    def __init__(self):
        self.orders, self.epoch = json.loads((FOLDER / JOB["order"]).read_text()), 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(self.orders[self.epoch % len(self.orders)])

    def __len__(self):
        return JOB["num_rows"]


def rate(step):
    """ponder's schedule: the first of W warm-up steps has a rate of 1/W, not 0."""
    warmup, steps = JOB["warmup_steps"], JOB["num_steps"]
    if step < warmup:
        return (step + 1) / warmup
    if JOB["schedule"] == "constant" or steps <= warmup:
        return 1.0
    progress = min(1.0, (step - warmup) / (steps - warmup))
    return 1 - progress if JOB["schedule"] == "linear" else (1 + math.cos(math.pi * progress)) / 2


class Follow(transformers.TrainerCallback):
    """A line for every step, and the end where somebody asked for it."""

    names = {"learning_rate": "lr", "rewards/margins": "margin", "rewards/accuracies": "accuracy",
             "logps/chosen": "chosen_logprob", "logps/rejected": "rejected_logprob",
             "rewards/chosen": "chosen_reward", "rewards/rejected": "rejected_reward"}
    kept = {"loss", "grad_norm", "epoch", *names}

    def on_log(self, args, state, control, logs=None, **_):
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        row = {"step": state.global_step, "num_steps": state.max_steps}
        row.update({self.names.get(k, k): float(v) for k, v in logs.items() if k in self.kept})
        with open(FOLDER / JOB["log"], "a") as log:
            log.write(json.dumps(row) + "\n")

    def on_step_end(self, args, state, control, **_):
        asked = torch.tensor(int(stop_asked), device=args.device)
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        if asked.item():
            global_stop()
            control.should_save = control.should_training_stop = True


def global_stop():
    global stop_asked
    stop_asked = True


class Ours:
    """What differs from the trainer's own ways."""

    def _get_train_sampler(self, *_):
        return InOrder()

    def create_scheduler(self, num_training_steps, optimizer=None):
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, rate)
        return self.lr_scheduler


class Sft(Ours, trl.SFTTrainer):
    pass


class Dpo(Ours, trl.DPOTrainer):
    def _prepare_dataset(self, dataset, *_):
        return dataset  # prompt_ids, chosen_ids, rejected_ids: nothing is left to tokenise


def settings():
    out = {
        "output_dir": str(CHECKPOINTS), "num_train_epochs": JOB["epochs"],
        "per_device_train_batch_size": JOB["per_device_rows"],
        "gradient_accumulation_steps": JOB["accumulation"], "learning_rate": JOB["lr"],
        "warmup_steps": 0, "weight_decay": JOB["weight_decay"], "adam_beta1": JOB["betas"][0],
        "adam_beta2": JOB["betas"][1], "adam_epsilon": JOB["epsilon"], "max_grad_norm": JOB["max_grad_norm"],
        "optim": "adamw_torch", "bf16": BF16, "fp16": False, "gradient_checkpointing": JOB["recompute"],
        "max_length": None, "logging_steps": 1, "logging_nan_inf_filter": False,
        "save_strategy": "steps", "save_steps": JOB["checkpoint_steps"], "save_total_limit": 2,
        "seed": JOB["seed"] % 2**32, "report_to": "none", "disable_tqdm": True,
        "use_cpu": not (torch.accelerator.is_available() if hasattr(torch, "accelerator") else torch.cuda.is_available())}
    if JOB["sharding"] == "fsdp":
        newest = tuple(map(int, transformers.__version__.split(".")[:2])) >= (5, 20)
        out |= {"fsdp": True if newest else "full_shard auto_wrap", "fsdp_config": {"state_dict_type": "FULL_STATE_DICT"}}
    elif JOB["sharding"].startswith("zero"):
        out["deepspeed"] = str(FOLDER / "deepspeed.json")
    if not DPO:
        return trl.SFTConfig(completion_only_loss=True, packing=False, **out)
    dpo = JOB["dpo"]
    types = ["sigmoid_norm" if dpo["length_normalised"] else "sigmoid"]
    weights = [1.0]
    if dpo["sft_weight"] > 0:
        types.append("sft")
        weights.append(dpo["sft_weight"])
    return trl.DPOConfig(beta=dpo["beta"], loss_type=types, loss_weights=weights, **out)


def begin_sharding(args):
    """Before the model is loaded, of which ZeRO-3 then gives each process its part at once."""
    if JOB["sharding"].startswith("zero"):
        assert args.device  # torch's processes have found each other
        import deepspeed
        deepspeed.init_distributed()


class Sharded(transformers.TrainerCallback):
    """Whole weights in every process, where parts were asked for, are told at once and not by the memory that runs out."""

    trainer = None

    def on_train_begin(self, *_, **__):
        kinds = {"DeepSpeedEngine", "FSDPModule", "FullyShardedDataParallel"}
        if JOB["sharding"] != "none" and not kinds & {kind.__name__ for kind in type(self.trainer.model_wrapped).__mro__}:
            raise RuntimeError(
                f"sharding = \"{JOB['sharding']}\" was asked for, and every process holds all weights: nothing is shared out in one "
                f"process, nor between processors ({self.trainer.accelerator.distributed_type}); sharding = \"none\" says so")


def load_rows():
    return datasets.load_dataset("json", data_files=str(FOLDER / JOB["rows"]), split="train",
                                 cache_dir=str(FOLDER / "cache"))


def logprobs_of(model, rows, device):
    """Of the trained tokens of rows, as the model in memory has them."""
    model.eval()
    answers = []
    for index, row in rows:
        if DPO:
            ids = row["prompt_ids"] + row["chosen_ids"]
            mask = [0] * len(row["prompt_ids"]) + [1] * len(row["chosen_ids"])
        else:
            ids = row["input_ids"]
            mask = row["completion_mask"]
        tokens = torch.tensor([ids], device=device)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=BF16):
            logits = model(input_ids=tokens).logits
        found = torch.log_softmax(logits[0, :-1].float(), -1).gather(-1, tokens[0, 1:, None])[:, 0]
        answers.append({"row": index, "logprobs": [found[i - 1].item() for i in range(1, len(ids)) if mask[i]]})
    return answers


def main():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_stop)
    args = settings()
    begin_sharding(args)
    model = transformers.AutoModelForCausalLM.from_pretrained(JOB["model"], dtype=torch.float32)
    peft = None
    if JOB["lora_rank"]:
        from peft import LoraConfig
        peft = LoraConfig(r=JOB["lora_rank"], lora_alpha=JOB["lora_alpha"], target_modules="all-linear",
                          task_type="CAUSAL_LM")
    with args.main_process_first():
        rows = load_rows()
    probe = [(index, rows[index]) for index in JOB["probe"]["rows"]]
    sharded = Sharded()
    trainer = (Dpo if DPO else Sft)(
        model=model, args=args, train_dataset=rows, peft_config=peft, callbacks=[Follow(), sharded],
        processing_class=transformers.AutoTokenizer.from_pretrained(JOB["model"]))
    sharded.trainer = trainer
    last = transformers.trainer_utils.get_last_checkpoint(str(CHECKPOINTS)) if CHECKPOINTS.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    if stop_asked and trainer.state.global_step < trainer.state.max_steps:
        sys.exit(143)
    answers = logprobs_of(trainer.model_wrapped if JOB["sharding"] != "none" else trainer.model, probe, args.device)
    if JOB["lora_rank"]:
        if trainer.is_world_process_zero():
            merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
            merged.save_pretrained(str(FOLDER / JOB["out"]))
            trainer.processing_class.save_pretrained(str(FOLDER / JOB["out"]))
    else:
        trainer.save_model(str(FOLDER / JOB["out"]))
    if trainer.is_world_process_zero():
        (FOLDER / JOB["probe"]["file"]).write_text(json.dumps(answers) + "\n")
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
)py";
}

}  // namespace ponder::trainers
