"""ponder as the tests of this folder call it, and the rows that several of them use."""
import json
import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PONDER = pathlib.Path(os.environ.get("PONDER", REPOSITORY / "build" / "release" / "ponder"))
NANO_BASE = REPOSITORY / "models" / "nano-base"


def run(*arguments, rows=None, fails=False):
    """Rows that ponder prints (rows: what it reads from standard input), or its error message where it must fail."""
    text = "" if rows is None else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    done = subprocess.run([PONDER, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, f"{arguments}: status {done.returncode}\n{done.stderr}"
    if fails:
        return done.stderr
    # Not splitlines: texts hold line ends of other kinds.
    return [json.loads(line) for line in done.stdout.split("\n") if line.startswith("{")]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def read_rows(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def greedy(checkpoint, questions, scratch, max_tokens):
    """Token ids of the most likely answers."""
    problems = write_rows(scratch / "problems.jsonl", [{"question": text, "answer": "0"} for text in questions])
    rows = run("generate", "--model", checkpoint, "--problems", problems, "--temperature", 0, "--max-tokens", max_tokens,
               "--precision", "f32", "--quiet")
    return [row["token_ids"] for row in rows]


def threads():
    """Of PyTorch and llama.cpp. On a busy machine threads that wait for each other take minutes."""
    return int(os.environ.get("PONDER_PEERS_THREADS", "1"))
