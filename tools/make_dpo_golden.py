#!/usr/bin/env python3
"""Writes tests/golden/dpo/golden.json: direct preference optimisation as PyTorch computes it, in double precision.

Development only; needs torch and transformers (PyPI). Written from the formula of Rafailov et al. 2023 (arXiv
2305.18290) with a likelihood term on the chosen response, not from ponder's sources:

    loss = mean over pairs of -log sigmoid(beta ((pi_w - ref_w) - (pi_l - ref_l))) + w * (-mean log pi(chosen tokens))

where pi and ref are sums of log-probabilities over the tokens that count for the preference. The model is transformers'
own Qwen2 with the weights of tests/golden/model; gradients are autograd's, the optimiser torch's AdamW.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F
import transformers

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
SEED = 51823
SETTINGS = {
    "steps": 8, "lr": 1e-4, "warmup_steps": 2, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8,
    "max_grad_norm": 1.0, "beta": 0.5, "sft_weight": 0.2,
}


def dpo(pairs, beta, sft_weight):
    """pairs: (chosen log-probabilities, aligned, reference sum, the same of the rejected). Loss, and metrics by name."""
    metrics = {name: 0.0 for name in (
        "preference_loss", "chosen_nll", "chosen_reward", "rejected_reward", "margin", "accuracy")}
    loss = 0.0
    for chosen, chosen_aligned, chosen_reference, rejected, rejected_aligned, rejected_reference in pairs:
        chosen_reward = beta * (chosen[chosen_aligned].sum() - chosen_reference)
        rejected_reward = beta * (rejected[rejected_aligned].sum() - rejected_reference)
        margin = chosen_reward - rejected_reward
        preference, nll = -F.logsigmoid(margin), -chosen.mean()
        loss = loss + (preference + sft_weight * nll) / len(pairs)
        accuracy = 1.0 if margin.item() > 0 else 0.5 if margin.item() == 0 else 0.0
        for name, value in (("preference_loss", preference), ("chosen_nll", nll), ("chosen_reward", chosen_reward),
                            ("rejected_reward", rejected_reward), ("margin", margin), ("accuracy", accuracy)):
            metrics[name] += float(torch.as_tensor(value).detach()) / len(pairs)
    return loss, metrics


def objective_cases():
    """One pair out of `step_pairs`: its share of loss and metrics, and the gradient for every log-probability."""
    cases = []
    for beta, sft_weight, step_pairs, spread in (
            (0.1, 0.1, 1, 1.0), (0.5, 0.0, 3, 1.0), (2.0, 1.0, 96, 1.0), (1.0, 0.3, 2, 40.0), (1.0, 0.3, 2, -40.0)):
        sides, numbers = [], []
        for length in (7, 12):
            logprobs = (-torch.rand(length, dtype=torch.float64) * 4).float().double().requires_grad_()
            aligned = torch.rand(length) < 0.6
            aligned[2] = True
            numbers += [logprobs, aligned]
        # References near the policy, or far off to either side: a saturated sigmoid.
        numbers = numbers[:2] + [numbers[0][numbers[1]].sum().item() - spread * 0.7] + numbers[2:] + [
            numbers[2][numbers[3]].sum().item() + spread * 0.4]
        loss, metrics = dpo([numbers], beta, sft_weight)
        (loss / step_pairs).backward()
        for at in (0, 3):
            logprobs, aligned, reference = numbers[at : at + 3]
            sides.append({"logprobs": logprobs.tolist(), "aligned": aligned.int().tolist(), "reference": reference,
                          "gradient": logprobs.grad.tolist()})
        cases.append({"beta": beta, "sft_weight": sft_weight, "step_pairs": step_pairs, "chosen": sides[0],
                      "rejected": sides[1], "loss": loss.item() / step_pairs,
                      "metrics": {name: value / step_pairs for name, value in metrics.items()}})
    return cases


def random_pairs(vocab_size):
    """Prompts in common; the first of a pair's responses longer or shorter; tokens that do not count at both ends."""
    pairs = []
    for prompt_length, lengths in ((5, (20, 9)), (12, (6, 31)), (3, (70, 12)), (9, (15, 15))):
        prompt = torch.randint(vocab_size, (prompt_length,)).tolist()
        pair = {}
        for side, length in zip(("chosen", "rejected"), lengths):
            tokens = prompt + torch.randint(vocab_size, (length,)).tolist()
            trained = [int(i >= prompt_length) for i in range(len(tokens))]
            aligned = [int(prompt_length + 1 <= i < len(tokens) - 2) for i in range(len(tokens))]
            pair[side] = {"tokens": tokens, "trained": trained, "aligned": aligned}
        pairs.append(pair)
    return pairs


def logprobs_of(model, side):
    """Log-probabilities of the trained tokens, and which of them count."""
    row = torch.tensor([side["tokens"]])
    all_logprobs = model(row).logits[0].log_softmax(-1)
    targets = torch.tensor([i for i, trained in enumerate(side["trained"]) if trained])
    return all_logprobs[targets - 1, row[0, targets]], torch.tensor(side["aligned"])[targets].bool()


def train(pairs):
    model = transformers.Qwen2ForCausalLM.from_pretrained(
        GOLDEN / "model", dtype=torch.float64, attn_implementation="eager")
    model.train()

    def values(side):
        return logprobs_of(model, side)

    references = []
    with torch.no_grad():
        for pair in pairs:
            sides = [values(pair[side]) for side in ("chosen", "rejected")]
            references.append([logprobs[aligned].sum().item() for logprobs, aligned in sides])
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": SETTINGS["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}],
        lr=SETTINGS["lr"], betas=(SETTINGS["beta1"], SETTINGS["beta2"]), eps=SETTINGS["epsilon"])
    steps = []
    for step in range(SETTINGS["steps"]):
        warmup = SETTINGS["warmup_steps"]
        share = (step + 1) / warmup if step < warmup else 0.5 * (
            1 + math.cos(math.pi * (step - warmup) / (SETTINGS["steps"] - warmup)))
        for group in optimizer.param_groups:
            group["lr"] = SETTINGS["lr"] * share
        optimizer.zero_grad()
        loss, metrics = dpo(
            [(*values(pair["chosen"]), reference[0], *values(pair["rejected"]), reference[1])
             for pair, reference in zip(pairs, references)], SETTINGS["beta"], SETTINGS["sft_weight"])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["max_grad_norm"])
        optimizer.step()
        steps.append({"loss": loss.item(), "grad_norm": norm.item(), "lr": SETTINGS["lr"] * share, "metrics": metrics})
    return references, steps


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    cases = objective_cases()
    pairs = random_pairs(json.loads((GOLDEN / "model" / "config.json").read_text())["vocab_size"])
    references, steps = train(pairs)
    folder = GOLDEN / "dpo"
    folder.mkdir(exist_ok=True)
    (folder / "golden.json").write_text(json.dumps(
        {"objective": cases, "settings": SETTINGS, "pairs": pairs, "references": references, "steps": steps},
        separators=(",", ":")) + "\n")
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}")
    for step in steps:
        print(f"loss {step['loss']:.6f}, margin {step['metrics']['margin']:+.6f}, norm {step['grad_norm']:.6f}")


if __name__ == "__main__":
    main()
