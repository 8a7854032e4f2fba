"""Kind llama-server against a real one: rollouts by token ids, their texts and ends, weights that are proved, a run."""
import json
import os
import signal
import subprocess
import urllib.error

import conftest
import llama_serving
import peer
import pytest
from llama_serving import EXACT, PROGRAM, LlamaServing, export
from recording import Recorder, form
from serving import KEY, soon
from tokenizers import Tokenizer

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="llama-server was not built")
GOLDEN = peer.REPOSITORY / "tests" / "golden" / "llama_server" / "exchanges.jsonl"
CONTROL = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_thought|>", "<|end_of_thought|>",
           "<|begin_of_solution|>", "<|end_of_solution|>"}
CHOICE = "A force of 18 N acts over 4 m. How much work is done?\n(A) 83\n(B) 73\n(C) 92\n(D) 72"
QUESTIONS = [CHOICE, "Compute 7+8*3.", "Compute (4+5)*2.", "Compute 31-4-9.", "Räume ☃ 数", "2+2"]
LONG = "Count from 1 to 100. " * 8
QUIET = ("--json", "--quiet")


def figure(what, measured):
    conftest.figures.append(f"| {what} | llama-server {llama_serving.version()} | {measured} |")
    print("\n" + conftest.figures[-1])


@pytest.fixture(scope="module", autouse=True)
def key():
    os.environ["PONDER_TEST_KEY"] = KEY
    yield
    del os.environ["PONDER_TEST_KEY"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of nano-base as GGUF, by type; and of nano-base trained a little, whose thoughts stand in special tokens."""
    folder = tmp_path_factory.mktemp("gguf")
    peer.run("synth", "--domain", "choice", "--count", 48, "--seed", 3, "--demonstrations", "--out", folder / "rows.jsonl",
             "--quiet")
    peer.run("sft", "--model", peer.NANO_BASE, "--data", folder / "rows.jsonl", "--out", folder / "trained", "--epochs", 4,
             "--lr", 1e-3, "--batch-rows", 8, "--quiet")
    found = {form: export(peer.NANO_BASE, folder / f"{form}.gguf", form) for form in ("f32", "bf16", "q8_0")}
    found["trained"] = export(folder / "trained", folder / "trained.gguf")
    found["trained folder"] = folder / "trained"
    return found


@pytest.fixture(scope="module")
def server(files):
    """nano-base, one request at a time."""
    with LlamaServing(files["f32"], *EXACT, "-c", 1024, "-np", 1) as serving:
        yield serving


@pytest.fixture(scope="module")
def trained_server(files):
    """The trained one, three at a time."""
    with LlamaServing(files["trained"], *EXACT, "-c", 3072, "-np", 3) as serving:
        yield serving


def of_server(server):
    return ("--server", server.url, "--server-kind", "llama-server", "--api-key-env", "PONDER_TEST_KEY")


def generated(model, folder, *flags, questions=QUESTIONS):
    problems = peer.write_rows(folder / "problems.jsonl", [{"question": text, "answer": "0"} for text in questions])
    return peer.run("generate", "--model", model, "--problems", problems, *flags, *QUIET)


def checked(server, model, *flags, fails=False):
    """Rows of fleet check, by what they check."""
    done = subprocess.run([peer.PONDER, "fleet", "check", *of_server(server), "--model", model, *map(str, flags), *QUIET],
                          capture_output=True, text=True, check=False)
    rows = {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return rows


def prompt_of(question):
    return peer.run("tokenize", "--tokenizer", peer.NANO_BASE, "--chat", rows=[
        {"messages": [{"role": "user", "content": question}], "add_generation_prompt": True}])[0]["ids"]


def nats(row):
    return float(row["detail"].split(" nat ")[0])


def test_fleet_check(files, figure_of=figure):
    """Weights of every type are right, and told from those of the other model."""
    apart = {}
    for form in ("f32", "bf16", "q8_0"):
        with LlamaServing(files[form], *(EXACT if form == "f32" else ()), "-c", 2048, "-np", 2) as serving:
            rows = checked(serving, peer.NANO_BASE, "--other", files["trained folder"])
        assert {name: row["result"] for name, row in rows.items()} == dict.fromkeys(
            ("reached", "key", "model", "weights", "tokenizer", "template", "rollout", "seed"), "ok"), rows
        assert rows["model"]["detail"] == "nano, room for 1024 tokens"
        assert rows["tokenizer"]["detail"].startswith("the same ids for 40 texts")
        apart[form] = nats(rows["weights"])
        told = float(rows["weights"]["detail"].split(", ")[1].split(" from ")[0])
    assert apart["f32"] < 1e-4
    figure_of("kind llama-server: ponder fleet check of GGUF in f32, bf16, q8_0",
              "all is ok; weights " + ", ".join(f"{value:.1g}" for value in apart.values())
              + f" nat from ours at 16 positions, {told:.2g} from another model's")


def test_a_key_that_is_not_taken(server, files, monkeypatch):
    monkeypatch.setenv("PONDER_TEST_KEY", "another")
    rows = checked(server, peer.NANO_BASE, fails=True)
    assert rows["reached"]["result"] == "ok" and rows["key"]["result"] == "failed" and "401" in rows["key"]["detail"]
    said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", "2+2", *of_server(server), fails=True)
    assert "does not take the key (status 401)" in said


def test_greedy_rollouts(server, trained_server, files, tmp_path):
    """The ids and texts of this process, thoughts in special tokens too, which the server leaves out of its texts."""
    thoughts = 0
    for serving, model in ((server, peer.NANO_BASE), (trained_server, files["trained folder"])):
        flags = ("--temperature", 0, "--max-tokens", 100, "--precision", "f32")
        ours = generated(model, tmp_path, *flags)
        theirs = generated(model, tmp_path, *flags, *of_server(serving))
        for mine, other in zip(ours, theirs, strict=True):
            assert [mine[k] for k in ("token_ids", "text", "finish_reason")] == [
                other[k] for k in ("token_ids", "text", "finish_reason")]
            assert "logprobs" not in other
            thoughts += "<|begin_of_thought|>" in other["text"]
    assert thoughts > 0


def test_hot_rollouts(trained_server, files, tmp_path):
    """Texts that are no UTF-8, special tokens and ends that are not ours: the row is always that of its ids."""
    tokenizer = Tokenizer.from_file(str(peer.NANO_BASE / "tokenizer.json"))
    flags = ("--temperature", 3, "-n", 6, "--max-tokens", 120, *of_server(trained_server))
    rows = generated(files["trained folder"], tmp_path, *flags)
    assert len(rows) == 6 * len(QUESTIONS)
    end = tokenizer.token_to_id("<|im_end|>")
    other_ends = broken = control = 0
    for row in rows:
        ids = row["token_ids"]
        assert (ids[-1] == end) == (row["finish_reason"] == "stop") and end not in ids[:-1]
        assert row["finish_reason"] == "stop" or len(ids) == 120 or row["finish_reason"] == "repetition"
        text = tokenizer.decode(ids[:-1] if ids[-1] == end else ids, skip_special_tokens=False)
        assert text == row["text"]
        broken += "\ufffd" in text
        control += any(word in text for word in CONTROL)
        other_ends += "<|endoftext|>" in text
    assert min(broken, control, other_ends) > 0
    assert len({tuple(row["token_ids"]) for row in rows}) > 0.9 * len(rows), "each its own seed"
    figure("kind llama-server: 36 rollouts at temperature 3", f"all taken: texts of {broken} are no UTF-8, special tokens in "
           f"{control}, {other_ends} went on behind an end token that is not the model's")


def test_sampling_is_ours(server, tmp_path):
    """Whatever the server was started with: top-k, top-p, temperature and seed are those of the request."""
    greedy = [row["token_ids"] for row in generated(
        peer.NANO_BASE, tmp_path, "--temperature", 0, "--max-tokens", 40, *of_server(server))]
    drawn = lambda *flags: [row["token_ids"] for row in generated(
        peer.NANO_BASE, tmp_path, "--temperature", 1.5, "--max-tokens", 40, *of_server(server), *flags)]
    assert drawn("--top-k", 1) == drawn("--top-p", 1e-6) == greedy
    assert drawn("--seed", 3) == drawn("--seed", 3) != drawn("--seed", 4)


def test_what_the_server_was_started_with_does_not_count(server, files, tmp_path):
    flags = ("--temp", 0.1, "--top-k", 2, "--min-p", 0.5, "--repeat-penalty", 1.5, "--presence-penalty", 1, "--dry-multiplier", 1,
             "--xtc-probability", 1, "--dynatemp-range", 0.5, "--typical", 0.2, "--ignore-eos", "--samplers", "top_k;dry", "-n", 8,
             "--logit-bias", "20+9", "--mirostat", 2)
    rows = lambda serving: [row["token_ids"] for row in generated(
        peer.NANO_BASE, tmp_path, "--temperature", 1, "--max-tokens", 60, *of_server(serving))]
    with LlamaServing(files["f32"], *EXACT, "-c", 1024, "-np", 1, *flags) as odd:
        assert rows(odd) == rows(server)
    with LlamaServing(files["f32"], *EXACT, "-c", 1024, "-np", 1, "--special") as shows:
        assert rows(shows) == rows(server)
    with LlamaServing(files["f32"], *EXACT, "-c", 1024, "-np", 1, "-r", "e") as stops:
        said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", "Compute 7+8*3.", "--max-tokens", 60, *of_server(stops),
                        fails=True)
        assert 'stopped at "e", a stop string that the server was started with (--reverse-prompt)' in said


def test_a_context_that_is_just_long_enough(files, tmp_path):
    """As many tokens as there is room for, and no more."""
    question = LONG
    flags = ("--temperature", 2, "--seed", 5, "-n", 8)
    with LlamaServing(files["f32"], *EXACT, "-c", 256, "-np", 1) as serving:
        room = 256 - len(prompt_of(question))
        rows = generated(peer.NANO_BASE, tmp_path, *flags, "--max-tokens", room, *of_server(serving), questions=[question])
        assert any(len(row["token_ids"]) == room and row["finish_reason"] == "length" for row in rows)
        said = peer.run("generate", "--model", peer.NANO_BASE, "--prompt", question, "--max-tokens", room + 1,
                        *of_server(serving), fails=True)
        assert "has room for 256" in said


def test_what_nobody_waits_for_ends(server):
    """Killed, a client leaves nothing running; --stop too, at once."""
    words = [peer.PONDER, "generate", "--model", peer.NANO_BASE, "--prompt", "Count", "-n", "4", "--max-tokens", "900",
             "--temperature", "3", *of_server(server), "--quiet"]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    soon(server.busy)
    process.send_signal(signal.SIGKILL)
    process.wait()
    free = soon(lambda: not server.busy())
    figure("kind llama-server: a client is killed", f"its slot is free after {free:.2f} s")


def test_stop_strings(server, tmp_path):
    """Judged here, on the ids."""
    flags = ("--temperature", 0, "--max-tokens", 80, "--stop", "a", "--precision", "f32")
    ours = generated(peer.NANO_BASE, tmp_path, *flags)
    theirs = generated(peer.NANO_BASE, tmp_path, *flags, *of_server(server))
    assert [(row["text"], row["token_ids"], row["finish_reason"]) for row in ours] == [
        (row["text"], row["token_ids"], row["finish_reason"]) for row in theirs]
    assert any(row["finish_reason"] == "stop" for row in ours)


def test_other_weights_under_the_right_name(files, tmp_path):
    with LlamaServing(files["trained"], *EXACT, "-c", 2048, "-np", 2) as serving:
        row = checked(serving, peer.NANO_BASE, "--other", files["trained folder"], fails=True)["weights"]
    assert row["result"] == "failed" and row["detail"].endswith("other weights"), row
    figure("kind llama-server: another model's weights under the name", f"refused: {row['detail'].split(', with')[0].split(', at')[0]}"
           .replace(str(peer.NANO_BASE), "ours").replace(str(files["trained folder"]), "the other's"))


START = """#!/bin/sh
# start.sh MODEL_DIR NAME: ends the server before and starts one of this model, whose address goes into servers.txt.
cd {folder}
echo "$1 $2" >> asked
[ -f pid ] && kill $(cat pid)
: > servers.new; mv servers.new servers.txt
{ponder} export "${{INSTEAD:-$1}}" --gguf "${{FORM:-bf16}}" --out m.gguf --quiet || exit 1
{server} -m m.gguf --alias "$2" --host 127.0.0.1 --port 0 -c 2048 -np 4 --threads 1 --no-ui --offline --api-key {key} > log 2>&1 &
echo $! > pid
while ! grep -q 'listening on' log; do kill -0 $(cat pid) || exit 1; sleep 0.1; done
sed -n 's/.*listening on \\(http[^ ]*\\).*/\\1/p' log | head -1 > servers.new; mv servers.new servers.txt
"""


@pytest.fixture
def cluster(tmp_path):
    """Flags of a run whose rollouts llama-server makes, restarted with every model."""
    script = tmp_path / "start.sh"
    script.write_text(START.format(folder=tmp_path, ponder=peer.PONDER, server=PROGRAM, key=KEY))
    script.chmod(0o755)
    values = {"kind": "llama-server", "servers_file": str(tmp_path / "servers.txt"), "api_key_env": "PONDER_TEST_KEY",
              "command": [str(script), "{model_dir}", "{served_name}"], "ready_timeout": 120}
    yield [word for name, value in values.items() for word in ("--set", f"fleet.{name}={json.dumps(value)}")]
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def run_of(folder, *flags, fails=False, **environment):
    done = subprocess.run(
        [peer.PONDER, "run", peer.REPOSITORY / "recipes" / "tiny.toml", "--out", folder / "run", "--set", "sft.epochs=12",
         "--set", 'refine.strategy="lowest-perplexity"', *map(str, flags)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr


def test_a_run(cluster, tmp_path):
    """Exploration, improvement, DPO and evaluations by a server that every round starts anew: what rules and DPO read of its
    rollouts are our own log-probabilities of the server's ids."""
    run_of(tmp_path, *cluster)
    rows = peer.run("pool", "export", tmp_path / "run", "--quiet")
    scores = {row["id"]: row for row in peer.run("score", "--model", tmp_path / "run" / "checkpoints" / "M1", "--data",
                                                 tmp_path / "run", "--per-token", "--quiet")}
    explored = [row for row in rows if row["stage"] == "explore-1"]
    rescored = [row for row in explored if row["logprob_source"] == "rescored"]
    assert 0 < len(rescored) and {row["logprob_source"] for row in rows} == {"rescored", "none"}
    compared = 0
    for row in rescored:
        score = scores[f"explore-1 {row['problem_id']}, sample {row['sample']}"]
        if score["tokens"] == len(row["token_ids"]):  # else its text has other ids
            assert score["logprobs"] == row["logprobs"] and score["perplexity"] == row["perplexity"]
            compared += 1
    assert compared > 0
    asked = [line.split()[1] for line in (tmp_path / "asked").read_text().splitlines()]
    assert len(asked) == len(set(asked)) >= 3
    assert (tmp_path / "run" / "checkpoints" / "M1-dpo" / "model.safetensors").exists()
    figure("kind llama-server: a run, GGUF in bf16, a server for each model",
           f"{len(asked)} models proved, {len(rows)} rollouts; of {compared} the log-probabilities are those of ponder score")


def test_a_run_proves_the_weights(cluster, tmp_path):
    """The base under M1's name makes no rollout; M1 in 8 bits does."""
    only = ("--until", "explore-1", "--set", 'fleet.stages=["explore"]', "--set", "fleet.ready_timeout=0")
    said = run_of(tmp_path, *cluster, *only, fails=True, INSTEAD=str(peer.NANO_BASE))
    assert "does not have the weights of M1: " in said and " from M0, at 16 positions" in said, said
    run_of(tmp_path, *cluster, *only, FORM="q8_0")
    rows = peer.run("pool", "export", tmp_path / "run", "--quiet")
    assert any(row["stage"] == "explore-1" for row in rows)


def test_a_chat(server, tmp_path, figure_of=figure):
    """A served model's score by its chat endpoint: the answers of this process."""
    peer.run("synth", "--domain", "arithmetic,choice", "--count", 20, "--seed", 5, "--out", tmp_path / "problems.jsonl", "--quiet")
    flags = ("--benchmark", tmp_path / "problems.jsonl", "--temperature", 0, "--max-tokens", 100, *QUIET)
    ours = peer.run("eval", "--model", peer.NANO_BASE, "--out", tmp_path / "ours.jsonl", *flags)[0]
    theirs = peer.run("eval", "--model", server.url + "/v1", "--served-model", "nano", "--api-key-env", "PONDER_TEST_KEY",
                      "--out", tmp_path / "theirs.jsonl", *flags)[0]
    texts = [[row["text"] for row in peer.read_rows(tmp_path / name)] for name in ("ours.jsonl", "theirs.jsonl")]
    assert texts[0] == texts[1] and ours["accuracy"] == theirs["accuracy"]
    figure_of("chats at llama-server: 20 questions", f"texts and score of ponder eval, {ours['accuracy']:.2f}")


def test_recorded_exchanges(server, files, tmp_path, request):
    """What src/fleet's tests hold for exchanges with a llama-server is what it says today. --write records anew."""
    taken = {}

    def take(name, recorder, wanted):
        taken[name] = next(row for row in recorder.rows if wanted(row))
        recorder.shutdown()

    def asked(name, serving, *words, wanted=lambda row: row["path"] == "/completion", fails=False, model=peer.NANO_BASE):
        recorder = Recorder(serving.url)
        peer.run(*words, "--model", model, "--server", recorder.url, *of_server(serving)[2:], *QUIET, fails=fails)
        take(name, recorder, wanted)
        return recorder

    check = asked("likeliest", server, "fleet", "check", wanted=lambda row: row["path"] == "/completion" and
                  "n_probs" in row["request"])
    for name, path in (("health", "/health"), ("models", "/v1/models"), ("tokenize", "/tokenize"),
                       ("apply-template", "/apply-template")):
        take(name, check, lambda row, path=path: row["path"] == path)
    taken["rollout"] = next(row for row in check.rows if row["path"] == "/completion" and "n_probs" not in row["request"])
    asked("ended", server, "generate", "--prompt", "Compute 7+8*3.", "--temperature", 0, "--max-tokens", 200)
    with LlamaServing(files["trained"], *EXACT, "-c", 256, "-np", 1) as serving:
        asked("thought in special tokens", serving, "generate", "--prompt", CHOICE, "--temperature", 0, "--max-tokens", 100,
              model=files["trained folder"])
        asked("another end", serving, "generate", "--prompt", "2+2", "--temperature", 3, "--max-tokens", 120, "-n", 12,
              model=files["trained folder"], wanted=lambda row: row["answer"].get("stop_type") == "eos" and
              row["answer"]["tokens"][-1] == 505)
        room = 256 - len(prompt_of(LONG))
        asked("context full", serving, "generate", "--prompt", LONG, "--temperature", 3, "--max-tokens", room, "-n", 8,
              wanted=lambda row: row["answer"].get("truncated"), model=files["trained folder"])
        os.environ["PONDER_TEST_KEY"] = "another"
        asked("key", serving, "generate", "--prompt", "2+2", "--max-tokens", 5, fails=True,
              wanted=lambda row: row["status"] == 401)
        os.environ["PONDER_TEST_KEY"] = KEY
        try:
            serving.get("/completion", {**taken["rollout"]["request"], "prompt": [66] * 300})
        except urllib.error.HTTPError as error:
            taken["context too short"] = {"method": "POST", "path": "/completion", "request": None, "status": error.code,
                                          "content_type": error.headers["Content-Type"], "answer": json.loads(error.read())}
    rows = [{"name": name, **row} for name, row in taken.items()]
    if request.config.getoption("--write"):
        GOLDEN.parent.mkdir(exist_ok=True)
        peer.write_rows(GOLDEN, rows)
    recorded = {row["name"]: row for row in peer.read_rows(GOLDEN)}
    for row in rows:
        assert form(row) == form(recorded[row["name"]]), row["name"]
    for name in ("rollout", "ended", "tokenize", "apply-template"):  # no chance in them
        for part in ("tokens", "content", "prompt", "stop_type", "generation_settings"):
            assert taken[name]["answer"].get(part) == recorded[name]["answer"].get(part), (name, part)
