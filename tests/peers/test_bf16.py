"""The bf16 arithmetic on SmolLM2-135M-Instruct beside PyTorch's (autocast), both measured against PyTorch's float32: ponder's
may not be further away than PyTorch's own."""
import numpy
import peer
import pytest
import torch
from safetensors.numpy import load_file
from test_model import PROMPTS

SPREAD = 1.1  # of what PyTorch's two are apart
FARTHEST = 6  # of one tensor's gradient: seen, 4.2 (an input norm's 576 numbers), and few are twice as far
NEAR_TIE = 0.25  # two tokens whose float32 log-probabilities are nearer than this may change places


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def logprobs_of(model, prompt, ids):
    logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1:-1].float()
    return logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)].tolist()


def test_logprobs(checkpoint, tokenizer, reference, tmp_path, figure):
    chunks = (peer.REPOSITORY / "README.md").read_text().split("\n\n")
    pairs = [(a, b) for a, b in zip(chunks, chunks[1:]) if len(a) + len(b) < 2000][:20]
    rows = peer.write_rows(tmp_path / "rows.jsonl", [{"prompt": a, "response": b} for a, b in pairs])
    found = peer.run("score", "--model", checkpoint, "--data", rows, "--per-token", "--quiet", "--precision", "bf16")
    end = tokenizer.token_to_id("<|im_end|>")
    model = reference.model(checkpoint)
    ours, theirs = [], []
    for (question, response), row in zip(pairs, found, strict=True):
        prompt, ids = reference.prompt_ids(question), tokenizer.encode(response).ids + [end]
        with torch.no_grad():
            exact = logprobs_of(model, prompt, ids)
            with autocast():
                rounded = logprobs_of(model, prompt, ids)
        ours += [abs(a - b) for a, b in zip(row["logprobs"], exact, strict=True)]
        theirs += [abs(a - b) for a, b in zip(rounded, exact, strict=True)]
    assert len(pairs) == 20
    (our_mean, our_most), (their_mean, their_most) = ((numpy.mean(x), numpy.percentile(x, 99.9)) for x in (ours, theirs))
    assert our_mean <= SPREAD * their_mean and our_most <= SPREAD * their_most
    figure(f"bf16: log-probabilities, 20 texts of {len(ours):,} tokens, against float32", "transformers torch",
           f"mean {our_mean:.4f}, 99.9 % below {our_most:.3f}; PyTorch's autocast {their_mean:.4f}, {their_most:.3f}")


def test_greedy(checkpoint, reference, tmp_path, figure):
    """Where the texts part, float32 nearly has a tie."""
    problems = peer.write_rows(tmp_path / "problems.jsonl", [{"question": text, "answer": "0"} for text in PROMPTS])
    rows = peer.run("generate", "--model", checkpoint, "--problems", problems, "--temperature", 0, "--max-tokens", 64,
                    "--quiet", "--precision", "bf16")
    model = reference.model(checkpoint)
    equal, ties = 0, []
    for prompt, row in zip(PROMPTS, rows, strict=True):
        start = torch.tensor([reference.prompt_ids(prompt)])
        with torch.no_grad(), autocast():
            out = model.generate(start, attention_mask=torch.ones_like(start), do_sample=False, max_new_tokens=64)
        theirs, ours = out[0, start.shape[1]:].tolist(), row["token_ids"]
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), None)
        if at is None:
            assert len(ours) == len(theirs)
            equal += 1
            continue
        with torch.no_grad():
            logits = model(torch.tensor([start[0].tolist() + ours[:at]])).logits[0, -1].log_softmax(-1)
        ties.append(abs(float(logits[ours[at]] - logits[theirs[at]])))
        assert ties[-1] < NEAR_TIE, f"{prompt}: {ours[at]} and {theirs[at]} at {at} are no near-tie: {ties[-1]}"
    figure("bf16: greedy texts of up to 64 tokens, and PyTorch's autocast", "transformers torch",
           f"{equal} of {len(PROMPTS)} equal, {len(ties)} part where float32 has two tokens at most {max(ties, default=0):.3f} apart")


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "demonstrations.jsonl"
    peer.run("synth", "--domain", "arithmetic,choice", "--level", 1, "--count", 6, "--demonstrations", "--out", file,
             "--quiet")
    return file


def test_gradients(checkpoint, demonstrations, reference, tmp_path, figure):
    """AdamW's first moment after a step is a tenth of the gradient."""
    peer.run("sft", "--model", checkpoint, "--data", demonstrations, "--out", tmp_path / "model", "--epochs", 2, "--steps", 1,
             "--batch-rows", 1000, "--warmup", 0, "--lr", 1e-9, "--max-grad-norm", 1e9, "--precision", "bf16", "--quiet")
    moments = load_file(tmp_path / "model" / "trainer_state" / "optimizer.safetensors")
    shown = peer.run("data", "show", demonstrations, "-n", 1000, "--tokenizer", checkpoint, "--json", "--quiet")
    model = reference.model(checkpoint)
    # The token that ends a turn is also the one that pads: as padding_idx its embedding would get no gradient as an input.
    model.get_input_embeddings().padding_idx = None
    trained = sum(sum(row["loss_mask"]) for row in shown)

    def gradients(cast):
        model.zero_grad()
        for row in shown:
            ids, mask = torch.tensor([row["token_ids"]]), torch.tensor(row["loss_mask"][1:])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=cast):
                logits = model(ids).logits[0, :-1]
            taken = logits.float().log_softmax(-1)[torch.arange(ids.shape[1] - 1), ids[0, 1:]]
            (-(taken * mask).sum() / trained).backward()
        found = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        model.zero_grad()
        return found

    exact, rounded = gradients(False), gradients(True)
    ours = {name: moments[f"exp_avg/{name}"] * 10 for name in exact}
    norm = lambda g: sum(float(numpy.square(x.astype(numpy.float64)).sum()) for x in g.values()) ** .5
    off = lambda g: norm({name: g[name] - exact[name] for name in exact}) / norm(exact)
    assert off(ours) <= SPREAD * off(rounded)
    away = lambda g, name: numpy.linalg.norm(g[name] - exact[name])
    farther = [away(ours, name) / away(rounded, name) for name in exact]  # a tensor: as often nearer as farther
    assert numpy.median(farther) <= SPREAD and max(farther) <= FARTHEST and numpy.mean(numpy.array(farther) > 2) <= .05
    figure(f"bf16: gradient of {trained} tokens, against float32", "transformers torch",
           f"{off(ours):.4f} of its norm away; PyTorch's autocast {off(rounded):.4f}; of a tensor {numpy.median(farther):.2f} times "
           f"as far as autocast's in the middle, more than twice for {sum(f > 2 for f in farther)} of {len(farther)}, {max(farther):.2f} at most")
