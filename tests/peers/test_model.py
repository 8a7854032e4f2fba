"""What the model computes: ponder beside transformers, in float32, on SmolLM2-135M-Instruct."""
import peer
import torch
import transformers

PROMPTS = [
    "What is 17 * 23 + 4?", "Name the planets of the solar system.", "Write a haiku about rain.",
    "def fibonacci(n):\n    ", "Once upon a time there was a fox who", "Solve for x: 3x + 5 = 20.",
    "Translate to French: The house is small.", "List three uses of iron.", "The capital of Japan is",
    "Explain why the sky is blue in one sentence.", "1, 1, 2, 3, 5, 8, 13,", "Dear Sir or Madam,\n\nI am writing to"]


def test_logprobs(checkpoint, tokenizer, reference, tmp_path, figure):
    chunks = (peer.REPOSITORY / "README.md").read_text().split("\n\n")
    pairs = [(a, b) for a, b in zip(chunks, chunks[1:]) if len(a) + len(b) < 2000][:24]
    worst, count = reference.worst_difference(checkpoint, pairs, tmp_path)
    # PyTorch's own float32 is up to 3.9e-5 from its double, ponder 9.3e-5.
    assert len(pairs) >= 20 and worst < 1e-4
    figure(f"log-probabilities, {len(pairs)} texts of {count:,} tokens", "transformers torch", f"at most {worst:.1e} apart")


def test_greedy(checkpoint, reference, tmp_path, figure):
    found = peer.greedy(checkpoint, PROMPTS, tmp_path, max_tokens=64)
    expected = []
    for prompt in PROMPTS:
        start = torch.tensor([reference.prompt_ids(prompt)])
        with torch.no_grad():
            out = reference.model(checkpoint).generate(
                start, attention_mask=torch.ones_like(start), do_sample=False, max_new_tokens=64)
        expected.append(out[0, start.shape[1]:].tolist())
    assert found == expected
    figure("greedy texts of up to 64 tokens", "transformers torch", f"all of {len(found)} equal")


def copy_of(checkpoint, folder, **save):
    """As transformers saves it: rope_parameters, dtype, chat_template.jinja."""
    transformers.AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    for change in save.pop("changes", []):
        model = change(model)
    model.save_pretrained(folder, **save)
    return folder


def test_folders_of_transformers(checkpoint, reference, tmp_path, figure):
    pairs = [(prompt, "Once upon a time there was a model.") for prompt in PROMPTS[:4]]

    def scores(folder):
        rows = peer.write_rows(tmp_path / "rows.jsonl", [{"prompt": a, "response": b} for a, b in pairs])
        return [row["logprobs"] for row in peer.run("score", "--model", folder, "--data", rows, "--per-token", "--quiet")]

    sharded = copy_of(checkpoint, tmp_path / "sharded", max_shard_size="100MB")
    assert len(list(sharded.glob("*.safetensors"))) > 3 and "rope_parameters" in (sharded / "config.json").read_text()
    assert scores(sharded) == scores(checkpoint)
    bf16 = copy_of(checkpoint, tmp_path / "bf16", changes=[lambda model: model.to(torch.bfloat16)])
    padded = copy_of(checkpoint, tmp_path / "padded",
                     changes=[lambda model: model.resize_token_embeddings(49280) and model])
    told = [f"{len(list(sharded.glob('*.safetensors')))} shards: the same to the bit"]
    for name, folder in (("bfloat16", bf16), ("padded vocabulary", padded)):
        worst, _ = reference.worst_difference(folder, pairs, tmp_path)
        assert worst < 1e-4, name
        told.append(f"{name}: log-probabilities at most {worst:.1e} apart")
    for folder in (sharded, bf16, padded):
        assert peer.run("inspect", folder, "--json")[0]["problems"] == []
    figure("folders that transformers saves", "transformers safetensors", "; ".join(told))


def test_folder_with_added_tokens(grown, figure):
    """Its head is tied: the new rows are both."""
    model = transformers.AutoModelForCausalLM.from_pretrained(grown, dtype=torch.float32).eval()
    assert model.get_input_embeddings().weight.shape[0] == 515
    rows = peer.run("score", "--model", grown, "--data", "-", "--per-token", "--quiet",
                    rows=[{"prompt": "Compute 7+8", "response": "<reason>7+8 is 15.</reason>15"}])
    (shown,) = peer.run("tokenize", "--tokenizer", grown, "--chat", rows=[
        {"messages": [{"role": "user", "content": "Compute 7+8"}], "add_generation_prompt": True}])
    (said,) = peer.run("tokenize", "--tokenizer", grown, rows=[{"text": "<reason>7+8 is 15.</reason>15<|im_end|>"}])
    ids = torch.tensor([shown["ids"] + said["ids"]])
    with torch.no_grad():
        logits = model(ids).logits[0, len(shown["ids"]) - 1:-1].log_softmax(-1)
    expected = logits[torch.arange(len(said["ids"])), torch.tensor(said["ids"])].tolist()
    apart = max(abs(a - b) for a, b in zip(expected, rows[0]["logprobs"], strict=True))
    assert 512 in said["ids"] and apart < 1e-4
    figure("log-probabilities of added tokens, nano-base", "transformers torch",
           f"{len(expected)} tokens, at most {apart:.1e} apart")
