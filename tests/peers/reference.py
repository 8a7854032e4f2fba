"""transformers' answers to what the tests ask ponder."""
import peer
import torch
import transformers


class Reference:
    def __init__(self, tokenizer, template_folder):
        torch.set_num_threads(peer.threads())
        self.tokenizer = tokenizer
        self.template = transformers.AutoTokenizer.from_pretrained(template_folder)
        self.folder, self.loaded = None, None

    def model(self, folder):
        """In float32; the last one is kept."""
        if folder != self.folder:
            self.loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            self.folder = folder
        return self.loaded

    def prompt_ids(self, question):
        text = self.template.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
        return self.tokenizer.encode(text).ids

    def worst_difference(self, folder, pairs, scratch):
        """Of the log-probabilities of pairs of question and response, and how many tokens they are."""
        rows = peer.write_rows(scratch / "rows.jsonl", [{"prompt": a, "response": b} for a, b in pairs])
        found = peer.run("score", "--model", folder, "--data", rows, "--per-token", "--precision", "f32",
                         "--quiet")
        end = self.tokenizer.token_to_id("<|im_end|>")
        worst, count = 0.0, 0
        for (question, response), row in zip(pairs, found, strict=True):
            prompt, ids = self.prompt_ids(question), self.tokenizer.encode(response).ids + [end]
            with torch.no_grad():
                logits = self.model(folder)(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1:-1]
            expected = logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)].tolist()
            worst = max([worst] + [abs(a - b) for a, b in zip(expected, row["logprobs"], strict=True)])
            count += len(ids)
        return worst, count
