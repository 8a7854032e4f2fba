"""ponder serve as clients in JavaScript ask it: openai-node, the AI SDK and LangChain.js, by scripts in javascript/.
The programs that are run are made by javascript/bundle.py, or by anything else that resolves their imports."""
import json
import os
import re
import shutil
import subprocess

import conftest
import peer
import pytest
from recording import Recorder
from serving import KEY, Serving

PROGRAMS = peer.REPOSITORY / "build" / "peers-javascript"
GOLDEN = peer.REPOSITORY / "tests" / "golden" / "clients"
NODE = os.environ.get("PONDER_PEERS_NODE") or shutil.which("node")
CLIENTS = ["openai_node", "ai_sdk", "langchain_js"]
FULL = ("--max-batch", 1, "--max-queue", 1)
# Headers that tell of a connection, a machine or a version of node.
VOLATILE = re.compile("host|connection|content-length|user-agent|x-stainless-(os|arch|runtime-version)", re.I)
# An answer's name and time, the version of ponder, and how full a server is.
MASKS = [(r'"id":"(chatcmpl|cmpl)-[0-9a-f]*"', r'"id":"\1-"'), (r'"created":\d+', '"created":0'),
         (r'"system_fingerprint":"ponder-[^-]*', '"system_fingerprint":"ponder-'),
         (r'"message":"\d+ completions', '"message":"some completions')]
pytestmark = pytest.mark.skipif(not (NODE and all((PROGRAMS / f"{name}.mjs").exists() for name in CLIENTS)),
                                reason="node or the clients' programs are not there")


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    """A model that thinks, and what it thinks of a question."""
    folder = tmp_path_factory.mktemp("thinker")
    row = peer.run("synth", "--domain", "arithmetic", "--count", 1, "--demonstrations", "--quiet")[0]
    peer.run("sft", "--model", peer.NANO_BASE, "--data", peer.write_rows(folder / "rows.jsonl", [row]), "--epochs", 30,
             "--lr", 1e-3, "--out", folder / "model", "--quiet")
    with Serving(model=folder / "model") as server:
        yield {"url": server.url, **{name: row[name] for name in ("question", "thought", "solution")}}


def run(client, **told):
    """The steps that were done, and of each request that went out its step and address."""
    done = subprocess.run([NODE, PROGRAMS / f"{client}.mjs", json.dumps({"key": KEY, **told})], check=False,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.strip().split("\n")[-1])
    return result["done"], result["asked"]


@pytest.mark.parametrize("client", CLIENTS)
def test_client(client, thinker):
    with Serving() as server, Serving(*FULL) as full, Serving("--max-batch", 128, "--drain", 1) as ending:
        done, _ = run(client, url=server.url, direct=server.url, thinker=thinker, full=full.url,
                      ending={"url": ending.url, "pid": ending.process.pid})
        assert len(done) > 10 and done[-1] == "the end" and ending.process.wait(timeout=30) == 0
    node = subprocess.run([NODE, "--version"], check=True, capture_output=True, text=True).stdout.strip()[1:]
    versions = json.loads((PROGRAMS / "versions.json").read_text())[client]
    conftest.figures.append(f"| ponder serve: {', '.join(done)} | {versions}, node {node} | all as its documents say |")
    print("\n" + conftest.figures[-1])


def masked(text):
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def transcript(client):
    with Serving() as server, Serving(*FULL) as full:
        recorders = [Recorder(one.ready["url"], raw=True) for one in (server, full)]
        _, asked = run(client, url=recorders[0].url + "/v1", full=recorders[1].url + "/v1", holder=full.url)
        rows = []
        for recorder in recorders:
            recorder.shutdown()
            steps = [step for step, address in asked if address.startswith(recorder.url + "/")]
            for step, row in zip(steps, recorder.rows, strict=True):
                headers = {name: value for name, value in row["headers"].items() if not VOLATILE.match(name)}
                rows.append({"name": step, **row, "headers": headers, "answer": masked(row["answer"])})
    return rows


@pytest.mark.parametrize("client", CLIENTS)
def test_recorded_exchanges(client, request):
    """What src/serve/clients_test.cpp replays is what the client asks today. --write records anew."""
    rows = transcript(client)
    file = GOLDEN / f"{client}.jsonl"
    if request.config.getoption("--write"):
        peer.write_rows(file, rows)
    assert rows == peer.read_rows(file)
