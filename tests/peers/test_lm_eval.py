"""lm-eval against ponder serve, on tasks of local rows: the scores and the numbers of ponder's own commands."""
import json
import logging

import lm_eval
import peer
import pytest
from lm_eval.tasks import TaskManager
from serving import KEY, Serving

TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
BOXED = r"\\boxed\{([^}]*)\}"


@pytest.fixture(scope="module")
def server():
    with Serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Problems, and ponder eval's rollouts of them: greedy, judged."""
    folder = tmp_path_factory.mktemp("problems")
    peer.run("synth", "--domain", "arithmetic,choice", "--count", 60, "--seed", 5, "--out", folder / "problems.jsonl",
             "--quiet")
    summary = peer.run("eval", "--model", peer.NANO_BASE, "--benchmark", folder / "problems.jsonl", "--max-tokens", 100,
                       "--out", folder / "rollouts.jsonl", "--json", "--quiet")[0]
    return peer.read_rows(folder / "problems.jsonl"), peer.read_rows(folder / "rollouts.jsonl"), summary["accuracy"]


@pytest.fixture
def evaluate(server, tmp_path, monkeypatch):
    """evaluate(model, path, rows, task, arguments): what lm-eval makes of these rows, by their order."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    logging.getLogger("lm_eval").setLevel(logging.ERROR)

    def run(model, path, rows, task, arguments, chat=False):
        data = peer.write_rows(tmp_path / "rows.jsonl", rows)
        task = {"task": "nano", "dataset_path": "json", "test_split": "test", "num_fewshot": 0, "metadata": {"version": 1},
                "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(tmp_path)}, **task}
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / "nano.yaml").write_text(json.dumps(task))  # JSON is YAML
        done = lm_eval.simple_evaluate(
            model=model, tasks=["nano"], apply_chat_template=chat, bootstrap_iters=0,
            model_args=f"base_url={server.url}/{path},model=nano,auth_token={KEY},max_length=1024{arguments}",
            task_manager=TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False))
        samples = sorted(done["samples"]["nano"], key=lambda sample: sample["doc_id"])
        assert len(samples) == len(rows)
        return done["results"]["nano"], samples
    return run


GENERATED = {"output_type": "generate_until", "doc_to_target": "{{answer}}",
             "generation_kwargs": {"until": ["\n\n\n"], "max_gen_toks": 100, "temperature": 0},
             "filter_list": [{"name": "boxed", "filter": [{"function": "regex", "regex_pattern": BOXED, "group_select": -1},
                                                          {"function": "take_first"}]}],
             "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]}


CHAT, COMPLETIONS = "local-chat-completions", "local-completions"


@pytest.mark.parametrize("model, arguments", [
    (CHAT, ""), (CHAT, ",num_concurrent=16"), (COMPLETIONS, ",num_concurrent=16"), (COMPLETIONS, ",batch_size=8"),
    (COMPLETIONS, f",batch_size=8,tokenizer_backend=huggingface,tokenizer={peer.NANO_BASE}")])
def test_generated(evaluate, evaluated, figure, model, arguments):
    problems, rollouts, accuracy = evaluated
    chat = model == CHAT or "huggingface" in arguments  # a tokenizer of its own renders the turns, else they are written out
    text = "{{question}}" if chat else TURN.format("{{question}}")
    results, samples = evaluate(model, "chat/completions" if model == CHAT else "completions", problems,
                                {**GENERATED, "doc_to_text": text}, arguments, chat)
    assert [sample["resps"][0][0] for sample in samples] == [row["text"] for row in rollouts]
    assert [sample["exact_match"] == 1 for sample in samples] == [row["verdict"] == "correct" for row in rollouts]
    assert results["exact_match,boxed"] == accuracy and 0.2 < accuracy < 0.9
    if arguments == ",num_concurrent=16":
        figure(f"{model} at ponder serve: {len(problems)} questions", "lm-eval",
               f"texts and score of ponder eval, {accuracy:.3f}")


@pytest.mark.parametrize("arguments", ["", ",num_concurrent=16,batch_size=8"])
def test_loglikelihood(evaluate, evaluated, figure, arguments):
    """Of the model's own answers and of others, with the end of the turn, by the server's tokenizer."""
    _, rollouts, _ = evaluated
    begun = "The answer"  # lm-eval would move white space at a context's end into what follows
    rows = [{"prompt": row["prompt"][0]["content"], "response": response}
            for row in rollouts for response in (row["text"], f"The answer is \\boxed{{{row['answer']}0}}.")
            if response.startswith(begun)]
    data = [{"context": TURN.format(row["prompt"]) + begun, "choices": [row["response"][len(begun):] + "<|im_end|>", " is"]}
            for row in rows]
    _, samples = evaluate(COMPLETIONS, "completions", data, {
        "output_type": "multiple_choice", "doc_to_text": "{{context}}", "doc_to_target": 0, "doc_to_choice": "{{choices}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]}, arguments)
    scores = peer.run("score", "--model", peer.NANO_BASE, "--data", "/dev/stdin", "--per-token", "--quiet", rows=rows)
    own = {(row["prompt"][0]["content"], row["text"]) for row in rollouts}
    num_tokens = 0
    for row, sample, score in zip(rows, samples, scores, strict=True):
        behind = score["logprobs"][2:]
        assert sample["resps"][0][0] == (sum(behind), (row["prompt"], row["response"]) in own)
        num_tokens += len(behind)
    assert num_tokens > 500
    if arguments:
        figure("local-completions at ponder serve: log-likelihoods", "lm-eval",
               f"of {len(rows)} answers, {num_tokens} tokens, equal to ponder score's; the greedy ones told from the others")


def test_rolling_loglikelihood(evaluate, evaluated):
    """Of whole texts, behind the end token, which stands where a model has no first one."""
    rows = [{"text": problem["question"]} for problem in evaluated[0][:20]]
    _, samples = evaluate(COMPLETIONS, "completions", rows, {
        "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "byte_perplexity"}]}, ",tokenized_requests=True")
    scores = peer.run("score", "--model", peer.NANO_BASE, "--data", "/dev/stdin", "--raw", "--quiet",
                      rows=[{"prompt": "<|im_end|>", "response": row["text"]} for row in rows])
    assert [sample["resps"][0][0] for sample in samples] == [score["logprob"] for score in scores]
